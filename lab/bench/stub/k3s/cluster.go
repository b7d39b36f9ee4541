package k3s

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

const password = "s3cret"

// initialise makes a new cluster, as K3s does whenever it finds no datastore.
func initialise(store *Store, server string) error {
	if err := certificates(filepath.Join(server, "tls")); err != nil {
		return err
	}
	files := map[string]string{
		"token":                "K10abc::server:" + password + "\n",
		"cred/passwd":          "passwd\n",
		"manifests/mine.yaml":  "mine\n",
		"db/snapshots/.keep":   "",
		"manifests/stock.yaml": "stock\n",
	}
	for name, text := range files {
		path := filepath.Join(server, name)
		if _, err := os.Stat(path); err == nil {
			continue
		}
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return err
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			return err
		}
	}
	if err := store.Raw("compact_rev_key", []byte("")); err != nil {
		return err
	}
	row, sealed, err := seal()
	if err != nil {
		return err
	}
	if err := store.Raw(row, sealed); err != nil {
		return err
	}
	for _, name := range []string{"default", "kube-system", "kube-node-lease", "shop"} {
		if _, err := store.Put("/registry/namespaces/"+name, newObject("Namespace", "", name)); err != nil {
			return err
		}
	}
	for i := range 20 {
		name := fmt.Sprintf("order-%d", i)
		if _, err := store.Put("/registry/configmaps/shop/"+name, newObject("ConfigMap", "shop", name)); err != nil {
			return err
		}
	}
	web := newObject("Deployment", "shop", "web")
	web["spec"] = map[string]any{"replicas": 2, "selector": map[string]any{}, "template": map[string]any{}}
	web["status"] = map[string]any{"readyReplicas": 2}
	_, err = store.Put("/registry/deployments/shop/web", web)
	return err
}

// seal is K3s' bootstrap row under its token.
func seal() (string, []byte, error) {
	sum := sha256.Sum256([]byte(password))
	salt := "f81f9d7c83f39586"
	key, err := pbkdf2.Key(sha1.New, password, []byte(salt), 4096, 32)
	if err != nil {
		return "", nil, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return "", nil, err
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		return "", nil, err
	}
	nonce := make([]byte, gcm.NonceSize())
	if _, err := rand.Read(nonce); err != nil {
		return "", nil, err
	}
	text := gcm.Seal(nonce, nonce, []byte(`{"ServerCA":{"Content":"x"}}`), nil)
	return "/bootstrap/" + hex.EncodeToString(sum[:])[:12], []byte(salt + ":" + base64.StdEncoding.EncodeToString(text)), nil
}

func certificates(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	caKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	ca := template("k3s-server-ca")
	ca.IsCA, ca.BasicConstraintsValid, ca.KeyUsage = true, true, x509.KeyUsageCertSign
	if err := issue(dir, "server-ca", ca, ca, caKey, caKey); err != nil {
		return err
	}
	serving := template("k3s")
	serving.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1)}
	serving.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	admin := template("system:admin")
	admin.Subject.Organization = []string{"system:masters"}
	admin.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	for name, t := range map[string]*x509.Certificate{"serving": serving, "client-admin": admin} {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return err
		}
		if err := issue(dir, name, t, ca, key, caKey); err != nil {
			return err
		}
	}
	return nil
}

func template(name string) *x509.Certificate {
	return &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(2, 0, 0),
	}
}

func issue(dir, name string, t, parent *x509.Certificate, key, signer *ecdsa.PrivateKey) error {
	der, err := x509.CreateCertificate(rand.Reader, t, parent, &key.PublicKey, signer)
	if err != nil {
		return err
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	if err := os.WriteFile(filepath.Join(dir, name+".crt"), certificate, 0o644); err != nil {
		return err
	}
	private := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})
	return os.WriteFile(filepath.Join(dir, name+".key"), private, 0o600)
}
