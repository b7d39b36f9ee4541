package front

import (
	"crypto/subtle"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
)

// routes are the supervisor's own answers (k3s-facts §5.2, captures/…/supervisor.txt).
func (f *Front) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/ping", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		fmt.Fprint(w, "pong")
	})
	mux.HandleFunc("/cacerts", func(w http.ResponseWriter, _ *http.Request) {
		raw, err := os.ReadFile(f.layout.TLS("server-ca.crt"))
		if err != nil {
			Status(w, http.StatusInternalServerError, "InternalError", err.Error())
			return
		}
		w.Header().Set("Content-Type", "text/plain")
		w.Write(raw)
	})
	charts := http.StripPrefix("/static/", http.FileServer(http.Dir(f.layout.Server("static"))))
	mux.Handle("/static/", charts)
	mux.HandleFunc("/v1-k3s/", f.supervisor)
	mux.HandleFunc("/db/", f.datastore)
	mux.HandleFunc("/", f.proxy)
	return mux
}

func (f *Front) supervisor(w http.ResponseWriter, r *http.Request) {
	if !f.mayAskSupervisor(r) {
		Status(w, http.StatusForbidden, "Forbidden", "forbidden")
		return
	}
	switch r.URL.Path {
	case "/v1-k3s/readyz":
		if !f.ready.Load() {
			Status(w, http.StatusServiceUnavailable, "ServiceUnavailable", "runtime core not ready")
			return
		}
		fmt.Fprint(w, "ok")
	case "/v1-k3s/server-ca.crt", "/v1-k3s/client-ca.crt":
		http.ServeFile(w, r, f.layout.TLS(r.URL.Path[len("/v1-k3s/"):]))
	default:
		Status(w, http.StatusNotFound, "NotFound", "not found")
	}
}

// datastore passes on what a server may ask; /db/info needs no name on the
// machine itself.
func (f *Front) datastore(w http.ResponseWriter, r *http.Request) {
	if f.database == nil {
		Status(w, http.StatusBadRequest, "BadRequest", "etcd datastore disabled")
		return
	}
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	local := err == nil && net.ParseIP(host).IsLoopback() && r.URL.Path == "/db/info"
	user, password, ok := r.BasicAuth()
	if !local && !(ok && user == "server" && subtle.ConstantTimeCompare([]byte(password), []byte(f.password)) == 1) {
		Status(w, http.StatusForbidden, "Forbidden", "forbidden")
		return
	}
	f.database.ServeHTTP(w, r)
}

// mayAskSupervisor: a node's or an administrator's certificate, or the token
// as basic authentication.
func (f *Front) mayAskSupervisor(r *http.Request) bool {
	if client := f.client(r); client != nil {
		return permitted(client)
	}
	user, password, ok := r.BasicAuth()
	return ok && (user == "node" || user == "server") &&
		subtle.ConstantTimeCompare([]byte(password), []byte(f.password)) == 1
}

func permitted(client *x509.Certificate) bool {
	for _, group := range client.Subject.Organization {
		if group == "system:nodes" || group == "system:masters" {
			return true
		}
	}
	return false
}

// Status answers in the API's own error form.
func Status(w http.ResponseWriter, code int, reason, message string) {
	body, err := json.MarshalIndent(map[string]any{
		"kind": "Status", "apiVersion": "v1", "metadata": map[string]any{},
		"status": "Failure", "message": message, "reason": reason, "code": code,
	}, "", "  ")
	if err != nil {
		http.Error(w, message, code)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	w.Write(body)
}

func pool(path string) (*x509.CertPool, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	p := x509.NewCertPool()
	if !p.AppendCertsFromPEM(raw) {
		return nil, fmt.Errorf("%s: no certificate", path)
	}
	return p, nil
}
