package components

import (
	"os"
	"strings"

	"github.com/spf13/cobra"
	"k8s.io/component-base/cli"
	"k8s.io/component-base/version"
	kubectl "k8s.io/kubectl/pkg/cmd"
	kubectlutil "k8s.io/kubectl/pkg/cmd/util"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllermanager "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"

	// Credential plugins of kubectl.
	_ "k8s.io/client-go/plugin/pkg/client/auth"
)

// DefaultKubeconfig is where `k3s kubectl` looks when KUBECONFIG is not set.
const DefaultKubeconfig = "/etc/rancher/k3s/k3s.yaml"

// Pretend makes everything in this process report the full tag. The linker has
// set major, minor and patch; upstream lets the rest be replaced at run time.
func Pretend(tag string) error { return version.SetDynamicVersion(tag) }

// APIServer runs kube-apiserver with os.Args[1:].
func APIServer() int { return run(apiserver.NewAPIServerCommand()) }

// ControllerManager runs kube-controller-manager with os.Args[1:].
func ControllerManager() int { return run(controllermanager.NewControllerManagerCommand()) }

// Scheduler runs kube-scheduler with os.Args[1:].
func Scheduler() int { return run(scheduler.NewSchedulerCommand()) }

func run(cmd *cobra.Command) int { return cli.Run(cmd) }

// Kubectl runs kubectl with os.Args[1:], against this server unless told otherwise.
func Kubectl() {
	if os.Getenv("KUBECONFIG") == "" && !given("--kubeconfig") {
		if f, err := os.Open(DefaultKubeconfig); err == nil {
			f.Close()
			os.Setenv("KUBECONFIG", DefaultKubeconfig)
		}
	}
	logVerbosity()
	if err := cli.RunNoErrOutput(kubectl.NewDefaultKubectlCommand()); err != nil {
		kubectlutil.CheckErr(err)
	}
}

func given(flag string) bool {
	for _, arg := range os.Args[1:] {
		if arg == flag || strings.HasPrefix(arg, flag+"=") {
			return true
		}
	}
	return false
}
