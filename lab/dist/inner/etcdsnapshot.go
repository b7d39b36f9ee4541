package inner

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/sirupsen/logrus"
	"sigs.k8s.io/yaml"

	"belay.test/dist/face/identity"
	"belay.test/dist/face/options"
	"belay.test/dist/face/snapshots"
	"belay.test/dist/release"
)

// etcdSnapshot is `k3s etcd-snapshot save|ls|delete|prune`: a client of the
// running server, with the server's token.
func etcdSnapshot(r release.Release, args []string) int {
	logrus.SetFormatter(&logrus.TextFormatter{DisableColors: true, FullTimestamp: true})
	if len(args) == 0 {
		return complain("k3s etcd-snapshot: save, ls, delete or prune")
	}
	values, err := options.Parse(options.EtcdSnapshot, r.Minor(), args[1:], func(message string) { logrus.Warn(message) })
	if err != nil {
		return fatal(err)
	}
	c := snapshotClient{values}
	switch args[0] {
	case "save":
		err = c.save()
	case "ls", "list", "l":
		err = c.list()
	case "delete":
		err = c.remove()
	case "prune":
		err = c.prune()
	default:
		return complain("No help topic for '%s'", args[0])
	}
	if err != nil {
		return fatal(err)
	}
	return 0
}

type snapshotClient struct{ options.Values }

func (c snapshotClient) save() error {
	if len(c.Rest()) > 0 {
		return errors.New("this command does not take any arguments")
	}
	request, err := c.request("save", c.Text("name", "on-demand"))
	if err != nil {
		return err
	}
	none := 0 // whoever saves by hand prunes by hand
	request.Retention = &none
	var result snapshots.Result
	if err := c.ask(request, &result); err != nil {
		return err
	}
	for _, name := range result.Created {
		logrus.Infof("Snapshot %s saved.", name)
	}
	return nil
}

func (c snapshotClient) prune() error {
	request, err := c.request("prune", c.Text("name", "on-demand"))
	if err != nil {
		return err
	}
	var result snapshots.Result
	if err := c.ask(request, &result); err != nil {
		return err
	}
	for _, name := range result.Deleted {
		logrus.Infof("Snapshot %s deleted.", name)
	}
	return nil
}

func (c snapshotClient) remove() error {
	if len(c.Rest()) == 0 {
		return errors.New("no snapshots given for removal")
	}
	request, err := c.request("delete", c.Rest()...)
	if err != nil {
		return err
	}
	var result snapshots.Result
	if err := c.ask(request, &result); err != nil {
		return err
	}
	for _, name := range result.Deleted {
		logrus.Infof("Snapshot %s deleted.", name)
	}
	for _, name := range c.Rest() {
		if !slices.Contains(result.Deleted, name) {
			logrus.Warnf("Snapshot %s not found.", name)
		}
	}
	return nil
}

func (c snapshotClient) list() error {
	request, err := c.request("list")
	if err != nil {
		return err
	}
	var all snapshots.List
	if err := c.ask(request, &all); err != nil {
		return err
	}
	switch format := c.Text("output", "table"); format {
	case "json":
		encoder := json.NewEncoder(os.Stdout)
		encoder.SetIndent("", "    ")
		return encoder.Encode(all)
	case "yaml":
		raw, err := yaml.Marshal(all)
		if err != nil {
			return err
		}
		_, err = os.Stdout.Write(raw)
		return err
	case "table":
		w := tabwriter.NewWriter(os.Stdout, 0, 0, 1, ' ', 0)
		fmt.Fprint(w, "Name\tLocation\tSize\tCreated\n")
		for _, o := range all.Items {
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", o.Spec.SnapshotName, o.Spec.Location, o.Status.Size, o.Status.CreationTime)
		}
		return w.Flush()
	default:
		return errors.New("invalid output format: " + format)
	}
}

// request carries what was said; what was not is the server's to decide.
func (c snapshotClient) request(operation string, names ...string) (snapshots.Request, error) {
	request := snapshots.Request{Operation: operation, Name: names}
	if c.Given("etcd-snapshot-dir") {
		dir := c.Text("etcd-snapshot-dir", "")
		request.Dir = &dir
	}
	if c.Given("etcd-snapshot-compress") {
		compress := c.Bool("etcd-snapshot-compress")
		request.Compress = &compress
	}
	if c.Given("etcd-snapshot-retention") {
		keep, err := strconv.Atoi(c.Text("etcd-snapshot-retention", ""))
		if err != nil {
			return request, fmt.Errorf("etcd-snapshot-retention: %w", err)
		}
		request.Retention = &keep
	}
	return request, nil
}

// ask posts to the server and reads its answer; an error of the server is
// given as K3s gives it, with the cause in the server's log only.
func (c snapshotClient) ask(request snapshots.Request, answer any) error {
	l := identity.Layout{DataDir: c.Text("data-dir", options.DefaultDataDir())}
	token := c.Text("etcd-token", "")
	if token == "" {
		raw, err := os.ReadFile(l.Server("token"))
		if err != nil {
			return err
		}
		token = string(raw)
	}
	ca, err := os.ReadFile(l.TLS("server-ca.crt"))
	if err != nil {
		return err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	body, err := json.Marshal(request)
	if err != nil {
		return err
	}
	url := strings.TrimSuffix(c.Text("etcd-server", "https://127.0.0.1:6443"), "/") + "/db/snapshot"
	post, err := http.NewRequest(http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	post.SetBasicAuth("server", identity.Password(token))
	client := &http.Client{Timeout: 2 * time.Minute, Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}}
	response, err := client.Do(post)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	raw, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		var status struct{ Message string }
		if json.Unmarshal(raw, &status) != nil || status.Message == "" {
			status.Message = url + ": " + response.Status
		}
		return fmt.Errorf("see server log for details: %s", status.Message)
	}
	return json.Unmarshal(raw, answer)
}
