// Package inner is data/<hash>/bin/k3s: it looks at the name under which it was
// called and becomes a component, a tool or a subcommand.
package inner

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/sirupsen/logrus"

	"belay.test/dist/components"
	"belay.test/dist/face/options"
	"belay.test/dist/release"
	"belay.test/dist/server"
)

// Main never returns.
func Main() {
	r, err := release.OfExecutable()
	if err == nil {
		err = components.Pretend(r.Tag)
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "k3s: this file is not part of a release: %v\n", err)
		os.Exit(1)
	}
	os.Exit(dispatch(r, filepath.Base(os.Args[0])))
}

func dispatch(r release.Release, name string) int {
	switch name {
	case "kube-apiserver":
		return components.APIServer()
	case "kube-controller-manager":
		return components.ControllerManager()
	case "kube-scheduler":
		return components.Scheduler()
	case "kubelet":
		return kubelet(os.Args[1:])
	case "kubectl":
		components.Kubectl()
		return 0
	case "crictl", "ctr", "containerd":
		return complain("%s: the bench distribution has no containers", name)
	}
	if len(os.Args) < 2 {
		return complain("k3s: no command")
	}
	return command(r, os.Args[1], os.Args[2:])
}

func command(r release.Release, name string, args []string) int {
	for _, arg := range args {
		if arg == "--version" {
			fmt.Print(r.Version(runtime.Version()))
			return 0
		}
	}
	switch name {
	case "server":
		return server.Run(r, args)
	case "token":
		return token(args)
	case "certificate":
		return certificate(args)
	case "secrets-encrypt":
		return secretsEncrypt(args)
	case "etcd-snapshot":
		return etcdSnapshot(r, args)
	case "agent":
		return agent(r, args)
	case "check-config":
		fmt.Println("STATUS: pass (the bench distribution checks nothing)")
		return 0
	default:
		return complain("k3s %s is not in this build of the bench distribution yet", name)
	}
}

// agent reads what it is told, as K3s does before anything else, and cannot
// be run yet.
func agent(r release.Release, args []string) int {
	if _, err := options.Parse(options.Agent, r.Minor(), args, func(message string) { logrus.Warn(message) }); err != nil {
		return fatal(err)
	}
	return complain("k3s agent is not in this build of the bench distribution yet")
}

// fatal is the last line of K3s' log when a command fails.
func fatal(err error) int {
	logrus.SetFormatter(&logrus.TextFormatter{DisableColors: true, FullTimestamp: true})
	logrus.StandardLogger().Logf(logrus.FatalLevel, "Error: %v", err)
	return 1
}

func complain(format string, args ...any) int {
	fmt.Fprintf(os.Stderr, format+"\n", args...)
	return 1
}

// repeated collects a flag that may be given many times.
type repeated map[string]string

func (r repeated) String() string { return "" }

func (r repeated) Set(text string) error {
	key, value, _ := strings.Cut(text, "=")
	r[key] = value
	return nil
}

func kubelet(args []string) int {
	node := components.Node{Labels: map[string]string{"node.kubernetes.io/instance-type": "k3s", "beta.kubernetes.io/instance-type": "k3s"}}
	set := flag.NewFlagSet("kubelet", flag.ContinueOnError)
	set.StringVar(&node.Name, "node-name", "", "")
	set.StringVar(&node.IP, "node-ip", "", "")
	set.StringVar(&node.DataDir, "data-dir", "", "")
	set.StringVar(&node.Containerd, "containerd", "", "")
	set.Var(repeated(node.Labels), "label", "")
	if err := set.Parse(args); err != nil {
		return 1
	}
	node.Args = set.Args()
	if err := components.Kubelet(node); err != nil {
		logrus.Errorf("kubelet exited: %v", err)
		return 1
	}
	return 0
}
