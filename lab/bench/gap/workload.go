package gap

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"belay.dev/lab/bench/cache"
	"belay.dev/lab/bench/k3s"
	"belay.dev/lab/bench/node"
)

const (
	workloadImage = "belay.dev/answer:1"
	// workloadPort is that of lab/bench/cmd/answer.
	workloadPort = "8099"
)

// workload is one pod on the pod network, so that what is asked passes its
// bridge, and not only a process that happens to live on.
const workload = `apiVersion: apps/v1
kind: Deployment
metadata: {name: answer, namespace: default}
spec:
  selector: {matchLabels: {app: answer}}
  template:
    metadata: {labels: {app: answer}}
    spec:
      containers: [{name: answer, image: "` + workloadImage + `", imagePullPolicy: Never, ports: [{containerPort: ` + workloadPort + `}]}]
`

// deployWorkload brings the image and the pod; on the bench's own releases
// pods have no containers, so it is for real ones only.
func deployWorkload(ctx context.Context, n *node.Node) error {
	program := filepath.Join(cache.Dir(), "bin", "answer")
	content, err := os.ReadFile(program)
	if err != nil {
		return fmt.Errorf("the workload's program: %w (./dev bench gap builds it)", err)
	}
	packed, err := image(workloadImage, "answer", content)
	if err != nil {
		return err
	}
	if err := n.Put(ctx, "/root/answer.tar", 0o600, bytes.NewReader(packed)); err != nil {
		return err
	}
	if err := n.PutString(ctx, "/root/answer.yaml", 0o600, workload); err != nil {
		return err
	}
	if _, err := n.Must(ctx, "/usr/local/bin/k3s", "ctr", "-n", "k8s.io", "images", "import", "/root/answer.tar"); err != nil {
		return err
	}
	for _, args := range [][]string{{"apply", "-f", "/root/answer.yaml"}, {"rollout", "status", "deployment/answer", "--timeout=120s"}} {
		if _, err := k3s.Kubectl(ctx, n, args...); err != nil {
			return err
		}
	}
	return nil
}

// askWorkload begins to ask the pod from the node, as what comes in from
// outside is passed on. After a boot the API tells the pod's old address for a
// while, so it is asked until what it tells answers.
func askWorkload(ctx context.Context, n *node.Node) (*Prober, error) {
	dial := func(_ context.Context, _, to string) (net.Conn, error) { return n.Dial(to, patience) }
	client := &http.Client{Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true}, Timeout: patience}
	url := ""
	answers := func() bool {
		said, err := k3s.Kubectl(ctx, n, "get", "pods", "-l", "app=answer", "-o", "jsonpath={.items[0].status.podIP}")
		if err != nil || net.ParseIP(strings.TrimSpace(said)) == nil {
			return false
		}
		url = "http://" + net.JoinHostPort(strings.TrimSpace(said), workloadPort) + "/"
		response, err := client.Get(url)
		return err == nil && response.Body.Close() == nil
	}
	if err := wait(ctx, "the workload to answer", answers); err != nil {
		return nil, err
	}
	return start(ctx, url, client), nil
}

// lost counts the questions without an answer, from the first that was
// answered on: the pod may just have been started by a boot.
func lost(shots []Shot) *Lost {
	l := &Lost{}
	for _, s := range shots {
		if l.Asked == 0 && !s.OK {
			continue
		}
		l.Asked++
		if !s.OK {
			l.Lost++
		}
	}
	return l
}
