package tests

import (
	"encoding/base64"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"belay.dev/lab/bench/k3s"
	"belay.dev/lab/bench/lab"
	"belay.dev/lab/bench/labtest"
)

const fewRights = "/root/belay-check.kubeconfig"

// TestCheckWithFewRights: with the published role a check says what it says to the cluster's administrator; without it, and
// without root, what it could not read is unknown and named.
func TestCheckWithFewRights(t *testing.T) {
	t.Parallel()
	x := newBox(t, lab.Options{})
	token := x.grant()
	whole, few := x.findings(), x.findings("--kubeconfig", fewRights)
	if !slices.Equal(whole, few) {
		t.Errorf("with the published role a check says\n%v\nand to the administrator\n%v", few, whole)
	}

	x.kubectl("delete", "clusterrolebinding", "belay-check")
	r, err := x.b.Run(t.Context(), "check", "--to", labtest.To, "--kubeconfig", fewRights)
	if err != nil {
		t.Fatal(err)
	}
	if r.Code != 1 || !r.Says("list nodes -A") || !r.Says("unknown") {
		t.Errorf("without its role: exit %d, and no right is named\n%s", r.Code, r.String())
	}
	if r.Says(token) {
		t.Error("the token is in the output")
	}

	labtest.Must(t, x.n, "install", "-m", "0644", fewRights, "/var/tmp/few.kubeconfig")
	res, err := x.n.Exec(t.Context(), "setpriv", "--reuid=65534", "--regid=65534", "--clear-groups",
		"belay", "check", "--to", labtest.To, "--kubeconfig", "/var/tmp/few.kubeconfig")
	if err != nil {
		t.Fatal(err)
	}
	if said := res.Stdout + res.Stderr; res.Code != 1 || !strings.Contains(said, "needs root") || strings.Contains(said, token) {
		t.Errorf("without root: exit %d\n%s", res.Code, said)
	}
}

// grant does what docs/rbac/README.md says, and returns the token.
func (x *box) grant() string {
	x.t.Helper()
	role, err := os.ReadFile("../../../docs/rbac/belay-check.yaml")
	if err != nil {
		x.t.Fatal(err)
	}
	put := func(path, text string) {
		if err := x.n.PutString(x.t.Context(), path, 0o600, text); err != nil {
			x.t.Fatal(err)
		}
	}
	put("/root/belay-check.yaml", strings.ReplaceAll(string(role), "NODE", x.n.Name))
	x.kubectl("apply", "-f", "/root/belay-check.yaml")
	token := strings.TrimSpace(x.kubectl("--namespace", "belay", "create", "token", "belay-check", "--duration", "1h"))
	ca := labtest.Must(x.t, x.n, "cat", k3s.DataDir+"/server/tls/server-ca.crt")
	put(fewRights, fmt.Sprintf(`apiVersion: v1
kind: Config
current-context: belay-check
clusters: [{name: k3s, cluster: {server: "https://127.0.0.1:6443", certificate-authority-data: %s}}]
users: [{name: belay-check, user: {token: "%s"}}]
contexts: [{name: belay-check, context: {cluster: k3s, user: belay-check}}]
`, base64.StdEncoding.EncodeToString([]byte(ca)), token))
	return token
}
