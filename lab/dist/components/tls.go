//go:build !v1.33

package components

import (
	"context"

	"k8s.io/kubernetes/cmd/kubelet/app"
	"k8s.io/kubernetes/cmd/kubelet/app/options"
	"k8s.io/kubernetes/pkg/kubelet/apis/config"
	"k8s.io/kubernetes/pkg/kubelet/server"
)

func initializeTLS(ctx context.Context, flags *options.KubeletFlags, config *config.KubeletConfiguration) (*server.TLSOptions, error) {
	return app.InitializeTLS(ctx, flags, config)
}
