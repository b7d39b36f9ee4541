// kine over SQLite, a program of its own: it asks for newer k8s.io modules than
// Kubernetes 1.33 and 1.34 can bear, so one build of it serves all minors.
//
//	kine --emulated-etcd-version=3.6.14     serves db/state.db of the working directory
package main

import (
	"context"
	"flag"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	_ "github.com/k3s-io/kine/pkg/drivers/sqlite" // registers the default driver
	"github.com/k3s-io/kine/pkg/endpoint"
	"github.com/sirupsen/logrus"
)

// socket is relative to server/, as on K3s, because the absolute path of a deep
// data directory would not fit into a socket address (108 bytes).
const socket = "kine.sock"

func main() {
	emulated := flag.String("emulated-etcd-version", "", "version to report")
	flag.Parse()
	logrus.SetFormatter(&logrus.TextFormatter{DisableColors: true, FullTimestamp: true})
	os.Exit(serve(*emulated))
}

// serve ends with SIGTERM. Numbers are those of kine's CLI; it refuses zero
// values. The database is kine's own default.
func serve(emulated string) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	var wg sync.WaitGroup
	_, err := endpoint.Listen(ctx, endpoint.Config{
		WaitGroup:             &wg,
		Listener:              "unix://" + socket,
		NotifyInterval:        5 * time.Second,
		EmulatedETCDVersion:   emulated,
		CompactInterval:       5 * time.Minute,
		CompactIntervalJitter: 0,
		CompactTimeout:        5 * time.Second,
		CompactMinRetain:      1000,
		CompactBatchSize:      1000,
		PollBatchSize:         500,
	})
	if err != nil {
		logrus.Errorf("kine: %v", err)
		return 1
	}
	<-ctx.Done()
	wg.Wait()
	if err := os.Remove(socket); err != nil && !os.IsNotExist(err) {
		logrus.Warnf("kine: %v", err)
	}
	return 0
}
