// Package oracle judges a run of Belay from outside of it: what a client was
// promised, what is there afterwards, and whether the two agree. It shares no
// code with Belay and talks to nothing but the Kubernetes API.
package oracle

import (
	"fmt"
	"net/http"
	"time"

	"k8s.io/client-go/discovery"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// Cluster is how to reach the API: the kubeconfig of the node, copied out.
type Cluster struct{ config *rest.Config }

// Connect reads a kubeconfig. It sends nothing yet.
func Connect(kubeconfig []byte) (*Cluster, error) {
	config, err := clientcmd.RESTConfigFromKubeConfig(kubeconfig)
	if err != nil {
		return nil, fmt.Errorf("kubeconfig: %w", err)
	}
	config.QPS, config.Burst = 200, 400 // an inventory is many lists
	config.UserAgent = "belay-lab-oracle"
	return &Cluster{config}, nil
}

// direct is a client without any of client-go's retries: an attempt that the
// library repeated in silence could not be judged. Each call to it makes a new
// connection pool.
func (c *Cluster) direct(timeout time.Duration) (*http.Client, error) {
	tlsConfig, err := rest.TLSConfigFor(c.config)
	if err != nil {
		return nil, err
	}
	return &http.Client{
		Timeout:   timeout,
		Transport: &http.Transport{TLSClientConfig: tlsConfig, MaxIdleConnsPerHost: 1},
	}, nil
}

func (c *Cluster) dynamic() (*dynamic.DynamicClient, error) { return dynamic.NewForConfig(c.config) }

func (c *Cluster) discovery() (*discovery.DiscoveryClient, error) {
	return discovery.NewDiscoveryClientForConfig(c.config)
}
