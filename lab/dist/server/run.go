package server

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/sirupsen/logrus"

	"belay.test/dist/face/children"
	"belay.test/dist/face/front"
	"belay.test/dist/face/options"
	"belay.test/dist/release"
)

// stopGrace is how long one component may take to stop; all together stay well
// below systemd's 90 s.
const stopGrace = 5 * time.Second

// answerGrace lets requests that are being answered end; watches never do.
const answerGrace = 300 * time.Millisecond

type server struct {
	*settings
	release  release.Release
	password string
	set      *children.Set
	front    *front.Front
	member   *member // nil with kine

	kine, etcd, api, controllers, scheduler, kubelet *children.Child
}

var errAsked = errors.New("asked to stop")

// Run is `k3s server`; it returns the exit code.
func Run(r release.Release, args []string) int {
	logrus.SetFormatter(&logrus.TextFormatter{DisableColors: true, FullTimestamp: true})
	warn := func(message string) { logrus.Warn(message) }
	values, err := options.Parse(options.Server, r.Minor(), args, warn)
	if err != nil {
		return fatal(err)
	}
	s, err := readSettings(values)
	if err != nil {
		return fatal(err)
	}
	logrus.Infof("Starting k3s %s (%s)", r.Tag, r.ShortCommit())
	executable, err := os.Executable()
	if err != nil {
		return fatal(err)
	}
	program := func(name string) string { return release.ProgramOf(executable, name) }
	v := &server{settings: s, release: r, set: children.NewSet(program, s.Server())}

	ctx, cancel := context.WithCancelCause(context.Background())
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	go func() {
		select {
		case <-signals:
			cancel(errAsked)
		case exit := <-v.set.Exits():
			// As on K3s, where all are one process: one falls, all fall.
			cancel(fmt.Errorf("%s exited: %v", exit.Name, exit.Err))
		}
	}()
	if err := v.start(ctx); err != nil {
		cancel(err) // keeps an earlier cause
	} else {
		<-ctx.Done()
	}
	cause := context.Cause(ctx)
	if errors.Is(cause, errReset) {
		logrus.Errorf("Shutdown request received: %q", cause.Error())
	}
	if errors.Is(cause, errAsked) || errors.Is(cause, errReset) {
		v.stop()
		return 0
	}
	return fatal(cause)
}

func fatal(err error) int {
	logrus.StandardLogger().Logf(logrus.FatalLevel, "Error: %v", err)
	return 1
}

// start brings everything up and returns when READY has been said.
func (v *server) start(ctx context.Context) error {
	if err := v.directories(); err != nil {
		return err
	}
	if err := v.stage(v.release); err != nil {
		return err
	}
	if err := v.datastore(ctx); err != nil {
		return err
	}
	if v.member != nil {
		logrus.Info("ETCD server is now running")
	}
	if v.values.Bool("disable-apiserver") {
		return ready()
	}
	if err := v.controlPlane(ctx); err != nil {
		return err
	}
	v.front.SetReady()
	if err := ready(); err != nil {
		return err
	}
	if v.values.Bool("disable-agent") {
		return nil
	}
	return v.agent(ctx)
}

// listen opens 6443; it needs the certificates, and nothing else.
func (v *server) listen() error {
	var db http.Handler
	if v.member != nil {
		db = &database{member: v.member}
	}
	var err error
	if v.front, err = front.New(v.Layout, v.password, v.apiPort, db); err != nil {
		return err
	}
	listener, err := v.front.Listen(net.JoinHostPort(v.bind, strconv.Itoa(v.Port)))
	if err != nil {
		return err
	}
	go func() {
		if err := v.front.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			logrus.Errorf("listener: %v", err)
		}
	}()
	return nil
}

// controlPlane starts kube-apiserver, waits for its /readyz, then starts what
// needs it.
func (v *server) controlPlane(ctx context.Context) error {
	var err error
	args := v.apiServer(v.release.Tag, v.member != nil)
	logrus.Infof("Running kube-apiserver %s", join(args))
	if v.api, err = v.set.Start("kube-apiserver", args...); err != nil {
		return err
	}
	if err := v.waitForAPI(ctx); err != nil {
		return err
	}
	if !v.values.Bool("disable-controller-manager") {
		args := v.controllerManager(v.release.Tag, v.member != nil)
		logrus.Infof("Running kube-controller-manager %s", join(args))
		if v.controllers, err = v.set.Start("kube-controller-manager", args...); err != nil {
			return err
		}
	}
	if !v.values.Bool("disable-scheduler") {
		args := v.settings.scheduler(v.release.Tag, v.member != nil)
		logrus.Infof("Running kube-scheduler %s", join(args))
		if v.scheduler, err = v.set.Start("kube-scheduler", args...); err != nil {
			return err
		}
	}
	return nil
}

// agent starts the kubelet once the node has proven who it is. READY has been
// said by then: K3s does not wait for it (k3s-facts §5.1).
func (v *server) agent(ctx context.Context) error {
	node, err := newNode(v.settings, v.member)
	if err != nil {
		return err
	}
	if err := node.afterReset(ctx); err != nil {
		return err
	}
	if err := node.admit(ctx); err != nil {
		return err
	}
	if v.kubelet, err = v.set.Start("kubelet", v.settings.kubelet(v.release.Containerd)...); err != nil {
		return err
	}
	go node.describe(ctx)
	return nil
}

// stop ends the components in the order in which they need each other; the
// datastore last, so that what the API server has acknowledged is stored. Clients go
// before the API server: it would wait for their watches.
func (v *server) stop() {
	v.set.Stopping()
	for _, c := range []*children.Child{v.kubelet, v.scheduler, v.controllers} {
		c.Stop(stopGrace)
	}
	if v.front != nil {
		v.front.Stop(answerGrace)
	}
	v.api.Stop(stopGrace)
	v.kine.Stop(stopGrace)
	v.etcd.Stop(stopGrace)
	logrus.Info("Stopped")
}

// ready tells systemd; without NOTIFY_SOCKET there is nobody to tell.
func ready() error {
	logrus.Infof("%s is up and running", filepath.Base(os.Args[0]))
	_, err := daemon.SdNotify(false, "READY=1\n")
	return err
}
