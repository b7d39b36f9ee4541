package main

import (
	"context"
	"os/signal"
	"syscall"

	"github.com/sirupsen/logrus"
	"go.etcd.io/etcd/api/v3/version"
	"go.etcd.io/etcd/server/v3/embed"
)

// serve runs a member from its configuration file until SIGTERM. It reports the
// version of the real release, whose minor has to be the module's own.
//
// As on K3s, an etcd that cannot start is an error, one that panics takes
// everything along, and one that gives up later leaves a server that waits.
func serve(configFile, reported string) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	version.Version = reported
	config, err := embed.ConfigFromFile(configFile)
	if err != nil {
		logrus.Errorf("start managed database: %s: %v", configFile, err)
		return 1
	}
	e, err := embed.StartEtcd(config)
	if err != nil {
		logrus.Errorf("start managed database: %v", err)
		return 1
	}
	select {
	case <-ctx.Done():
		logrus.Info("Stopping etcd server...")
		e.Server.Stop()
		e.Close()
	case <-e.Server.StopNotify():
		logrus.Info("etcd server stopped")
		<-ctx.Done()
	case err := <-e.Err():
		logrus.Errorf("etcd exited: %v", err)
		<-ctx.Done()
	}
	return 0
}
