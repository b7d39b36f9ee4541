// Package front is the listener on 6443: it answers for the supervisor and
// passes everything else to kube-apiserver on loopback.
//
// K3s does this inside one process. Here the API server is another process, so
// the identity of a client certificate travels as upstream's aggregation layer
// does it: X-Remote-* headers over a connection with the front-proxy
// certificate. A client without a certificate goes over a plain connection, so
// that bearer tokens and the 401 for nobody are the API server's own answers.
package front

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/sirupsen/logrus"

	"belay.test/dist/face/identity"
)

// Front serves clients.
type Front struct {
	layout    identity.Layout
	password  string
	clientCAs *x509.CertPool
	named     *httputil.ReverseProxy // carries a client certificate's identity
	plain     *httputil.ReverseProxy
	database  http.Handler // answers below /db/; nil where the datastore is not etcd
	ready     atomic.Bool
	server    *http.Server
}

// New prepares the listener; apiPort is where kube-apiserver listens on
// loopback, database what answers below /db/ where the datastore is etcd.
func New(l identity.Layout, password string, apiPort int, database http.Handler) (*Front, error) {
	clientCAs, err := pool(l.TLS("client-ca.crt"))
	if err != nil {
		return nil, err
	}
	serverCAs, err := pool(l.TLS("server-ca.crt"))
	if err != nil {
		return nil, err
	}
	proxy, err := tls.LoadX509KeyPair(l.TLS("client-auth-proxy.crt"), l.TLS("client-auth-proxy.key"))
	if err != nil {
		return nil, err
	}
	f := &Front{layout: l, password: password, clientCAs: clientCAs, database: database}
	target := &url.URL{Scheme: "https", Host: fmt.Sprintf("127.0.0.1:%d", apiPort)}
	f.named = reverse(target, &tls.Config{RootCAs: serverCAs, Certificates: []tls.Certificate{proxy}})
	f.plain = reverse(target, &tls.Config{RootCAs: serverCAs})
	serving, err := l.ListenerCertificate()
	if err != nil {
		return nil, err
	}
	f.server = &http.Server{
		Handler:           f.routes(),
		ReadHeaderTimeout: 30 * time.Second,
		ErrorLog:          log.New(logrus.StandardLogger().WriterLevel(logrus.DebugLevel), "", 0),
		TLSConfig: &tls.Config{
			Certificates: []tls.Certificate{serving},
			ClientAuth:   tls.RequestClientCert,
			ClientCAs:    clientCAs, // only to tell clients which certificate to send
			NextProtos:   []string{"h2", "http/1.1"},
			MinVersion:   tls.VersionTLS12,
		},
	}
	return f, nil
}

// Listen opens the port.
func (f *Front) Listen(address string) (net.Listener, error) {
	return net.Listen("tcp", address)
}

// Serve answers until Stop; it returns http.ErrServerClosed then.
func (f *Front) Serve(l net.Listener) error { return f.server.ServeTLS(l, "", "") }

// Stop drops the port, gives open requests a moment, then drops the rest.
func (f *Front) Stop(grace time.Duration) {
	// On K3s this and kube-apiserver are one process, and end together. Here a spare connection, which was dialled and then
	// not needed, would keep kube-apiserver from its end for five seconds: Go takes it for a client that is about to ask.
	defer f.drop()
	ctx, cancel := context.WithTimeout(context.Background(), grace)
	defer cancel()
	if f.server.Shutdown(ctx) == nil {
		return
	}
	if err := f.server.Close(); err != nil {
		logrus.Warnf("listener: %v", err)
	}
}

func (f *Front) drop() {
	for _, proxy := range []*httputil.ReverseProxy{f.named, f.plain} {
		if transport, ok := proxy.Transport.(*http.Transport); ok {
			transport.CloseIdleConnections()
		}
	}
}

// SetReady opens /v1-k3s/readyz.
func (f *Front) SetReady() { f.ready.Store(true) }

func reverse(target *url.URL, config *tls.Config) *httputil.ReverseProxy {
	return &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(target)
			r.Out.Host = r.In.Host
			r.SetXForwarded()
		},
		// HTTP/1.1 only: connection upgrades (exec, port-forward) need it.
		Transport: &http.Transport{
			TLSClientConfig:     config,
			DisableCompression:  true,
			MaxIdleConnsPerHost: 100,
			IdleConnTimeout:     90 * time.Second,
			DialContext:         (&net.Dialer{Timeout: 5 * time.Second}).DialContext,
		},
		FlushInterval: -1, // watches
		ErrorLog:      log.New(logrus.StandardLogger().WriterLevel(logrus.DebugLevel), "", 0),
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, err error) {
			Status(w, http.StatusServiceUnavailable, "ServiceUnavailable", "apiserver not ready: "+err.Error())
		},
	}
}

// proxy forwards to kube-apiserver.
func (f *Front) proxy(w http.ResponseWriter, r *http.Request) {
	for name := range r.Header {
		if strings.HasPrefix(strings.ToLower(name), "x-remote-") {
			r.Header.Del(name)
		}
	}
	client := f.client(r)
	if client == nil {
		f.plain.ServeHTTP(w, r)
		return
	}
	r.Header.Set("X-Remote-User", client.Subject.CommonName)
	for _, group := range client.Subject.Organization {
		r.Header.Add("X-Remote-Group", group)
	}
	f.named.ServeHTTP(w, r)
}

// client is the verified certificate of the caller, or nil: a certificate of
// another authority makes nobody, as it does at the API server.
func (f *Front) client(r *http.Request) *x509.Certificate {
	if r.TLS == nil || len(r.TLS.PeerCertificates) == 0 {
		return nil
	}
	chain := r.TLS.PeerCertificates
	between := x509.NewCertPool()
	for _, cert := range chain[1:] {
		between.AddCert(cert)
	}
	_, err := chain[0].Verify(x509.VerifyOptions{
		Roots: f.clientCAs, Intermediates: between,
		KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
	if err != nil {
		return nil
	}
	return chain[0]
}
