package components

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/sirupsen/logrus"
	"github.com/spf13/pflag"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clientset "k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/kubernetes/cmd/kubelet/app/options"
	kubeletconfig "k8s.io/kubernetes/pkg/kubelet/apis/config"
	"k8s.io/kubernetes/pkg/kubelet/cm"
	kubecontainer "k8s.io/kubernetes/pkg/kubelet/container"
	"k8s.io/kubernetes/pkg/kubemark"
)

// Node is what the hollow kubelet is told about itself.
type Node struct {
	Name, IP   string
	DataDir    string
	Containerd string // version to report
	Args       []string
	Labels     map[string]string
}

const kubeletRoot = "/var/lib/kubelet"

// cgroup2Magic is the file system type of the unified hierarchy (statfs(2)).
const cgroup2Magic = 0x63677270

// Kubelet runs upstream's hollow kubelet: the real sync loop, node status,
// leases, volumes and log endpoint over a runtime without containers.
func Kubelet(node Node) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	flags, config, err := configure(node)
	if err != nil {
		return err
	}
	if err := refuseCgroupV1(config); err != nil {
		return err
	}
	clients, err := dial(filepath.Join(node.DataDir, "agent", "kubelet.kubeconfig"))
	if err != nil {
		return err
	}
	podRange := func(ctx context.Context) (string, error) {
		self, err := clients.api.CoreV1().Nodes().Get(ctx, node.Name, metav1.GetOptions{})
		if err != nil {
			return "", err
		}
		return self.Spec.PodCIDR, nil
	}
	runtime, err := newRuntime(node.Containerd, "/run/k3s/containerd", podRange)
	if err != nil {
		return err
	}
	hollow := kubemark.NewHollowKubelet(flags, config, clients.api, clients.heartbeat,
		&machine{name: node.Name}, runtime.images, runtime, containers{cm.NewStubContainerManager()})
	deps := hollow.KubeletDeps
	// Upstream fakes these for density tests; here files and events are real.
	deps.OSInterface = kubecontainer.RealOS{}
	deps.ProbeManager = probes{}
	deps.Recorder = nil
	deps.EventClient = clients.events.CoreV1()
	if deps.TLSOptions, err = initializeTLS(ctx, flags, config); err != nil {
		return err
	}
	go health()
	go hollow.Run(ctx)
	<-ctx.Done()
	// The kubelet has no orderly end of its own: upstream's dies by the signal.
	return nil
}

func configure(node Node) (*options.KubeletFlags, *kubeletconfig.KubeletConfiguration, error) {
	flags, config := kubemark.GetHollowKubeletConfig(&kubemark.HollowKubeletOptions{
		NodeName: node.Name, KubeletPort: 10250, MaxPods: 110, NodeLabels: node.Labels,
	})
	// It makes a directory in /tmp that nobody needs.
	if err := os.RemoveAll(flags.RootDirectory); err != nil {
		return nil, nil, err
	}
	flags.RootDirectory = kubeletRoot
	flags.CertDirectory = filepath.Join(node.DataDir, "agent")
	flags.NodeIP = node.IP
	config.Address = "0.0.0.0"
	config.PodLogsDir = "/var/log/pods"
	config.StaticPodPath = filepath.Join(node.DataDir, "agent", "pod-manifests")
	config.ProviderID = "k3s://" + node.Name
	config.EvictionHard = map[string]string{"imagefs.available": "5%", "nodefs.available": "5%"} // K3s' defaults
	config.EnableControllerAttachDetach = true
	config.MakeIPTablesUtilChains = false // else it writes real rules as root
	config.TLSCertFile = filepath.Join(node.DataDir, "agent", "serving-kubelet.crt")
	config.TLSPrivateKeyFile = filepath.Join(node.DataDir, "agent", "serving-kubelet.key")
	config.ClusterDNS = []string{"10.43.0.10"}
	config.ClusterDomain = "cluster.local"
	config.ResolverConfig = "/etc/resolv.conf"
	config.MaxOpenFiles = 1000000

	set := pflag.NewFlagSet("kubelet", pflag.ContinueOnError)
	flags.AddFlags(set)
	options.AddKubeletConfigFlags(set, config)
	var args []string
	for _, arg := range node.Args { // kubelet-arg is written without dashes
		args = append(args, "--"+strings.TrimLeft(arg, "-"))
	}
	if err := set.Parse(args); err != nil {
		return nil, nil, fmt.Errorf("failed to parse kubelet flag: %w", err)
	}
	return flags, config, nil
}

// refuseCgroupV1 is the check that the real kubelet does where the hollow one
// has a stub: KEP-5573, default true from 1.35 on (k3s-facts §4.5, F103).
func refuseCgroupV1(config *kubeletconfig.KubeletConfiguration) error {
	var fs syscall.Statfs_t
	if err := syscall.Statfs("/sys/fs/cgroup", &fs); err != nil {
		return err
	}
	if fs.Type != cgroup2Magic && config.FailCgroupV1 {
		return errors.New("kubelet is configured to not run on a host using cgroup v1. cgroup v1 support is unsupported and will be removed in a future release")
	}
	return nil
}

type clients struct{ api, heartbeat, events *clientset.Clientset }

func dial(kubeconfig string) (clients, error) {
	var c clients
	base, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return c, err
	}
	base.UserAgent = "kubelet"
	base.ContentType = "application/vnd.kubernetes.protobuf"
	heartbeat := rest.CopyConfig(base)
	heartbeat.QPS = -1
	heartbeat.Timeout = 10 * time.Second
	if c.api, err = clientset.NewForConfig(base); err != nil {
		return c, err
	}
	if c.heartbeat, err = clientset.NewForConfig(heartbeat); err != nil {
		return c, err
	}
	c.events, err = clientset.NewForConfig(rest.CopyConfig(base))
	return c, err
}

// health serves /healthz on 10248, which the hollow kubelet does not: it lives
// and dies with this process.
func health() {
	mux := http.NewServeMux()
	mux.HandleFunc("/healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "ok") })
	if err := http.ListenAndServe("127.0.0.1:10248", mux); err != nil {
		logrus.Errorf("kubelet healthz: %v", err)
	}
}
