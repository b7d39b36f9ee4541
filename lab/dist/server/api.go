package server

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/sirupsen/logrus"
	clientset "k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
)

// startLimit is K3s' cap on waiting for the API server (k3s-facts §5.1).
const startLimit = 15 * time.Minute

func (s *settings) client() (*clientset.Clientset, error) {
	config, err := clientcmd.BuildConfigFromFlags("", s.Cred("supervisor.kubeconfig"))
	if err != nil {
		return nil, err
	}
	config.UserAgent = "k3s-supervisor"
	return clientset.NewForConfig(config)
}

// waitForAPI polls /readyz?verbose, as K3s does, only more often: its 2 s would
// be most of what a bench measures.
func (s *settings) waitForAPI(ctx context.Context) error {
	client, err := s.client()
	if err != nil {
		return err
	}
	limit, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	for last := ""; ; {
		try, done := context.WithTimeout(limit, 5*time.Second)
		_, err := client.Discovery().RESTClient().Get().AbsPath("/readyz").Param("verbose", "").DoRaw(try)
		done()
		if err == nil {
			return nil
		}
		if text := err.Error(); text != last {
			logrus.Infof("Polling for API server readiness: GET /readyz failed: %v", err)
			last = text
		}
		select {
		case <-limit.Done():
			if cause := context.Cause(ctx); cause != nil {
				return cause
			}
			return fmt.Errorf("failed to wait for API server to become ready: %w", err)
		case <-time.After(200 * time.Millisecond):
		}
	}
}

func join(args []string) string { return strings.Join(args, " ") }
