package identity

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"os"
	"time"
)

const (
	authorityLife = 10 * 365 * 24 * time.Hour
	leafLife      = 365 * 24 * time.Hour
	// renewBefore is K3s' since May 2025 (k3s-facts §5.3): a restart may
	// silently renew, which is why Belay backs up tls before it.
	renewBefore = 120 * 24 * time.Hour
)

type authority struct {
	pem  []byte
	cert *x509.Certificate
	key  crypto.Signer
}

// ensureAuthority loads a CA or makes it. One that is there is never touched:
// everything that a client trusts hangs on it.
func ensureAuthority(certPath, keyPath, name string, now time.Time) (*authority, error) {
	key, err := ensureKey(keyPath)
	if err != nil {
		return nil, err
	}
	raw, err := os.ReadFile(certPath)
	if errors.Is(err, fs.ErrNotExist) {
		template := &x509.Certificate{
			SerialNumber:          big.NewInt(0),
			Subject:               pkix.Name{CommonName: fmt.Sprintf("%s@%d", name, now.Unix())},
			NotBefore:             now.UTC(),
			NotAfter:              now.Add(authorityLife).UTC(),
			KeyUsage:              x509.KeyUsageKeyEncipherment | x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
			BasicConstraintsValid: true,
			IsCA:                  true,
		}
		der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
		if err != nil {
			return nil, err
		}
		raw = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
		if err := os.WriteFile(certPath, raw, 0o644); err != nil {
			return nil, err
		}
	} else if err != nil {
		return nil, err
	}
	cert, err := firstCertificate(raw)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", certPath, err)
	}
	return &authority{pem: raw, cert: cert, key: key}, nil
}

// Leaf is one certificate to be issued.
type leaf struct {
	certPath, keyPath string
	mode              os.FileMode
	subject           pkix.Name
	usages            []x509.ExtKeyUsage
	names             altNames
}

// ensure issues the leaf unless a good one is there: same names, signed by this
// authority, and not due for renewal.
func (a *authority) ensure(l leaf, now time.Time) error {
	key, err := ensureKey(l.keyPath)
	if err != nil {
		return err
	}
	if raw, err := os.ReadFile(l.certPath); err == nil {
		if cert, err := firstCertificate(raw); err == nil && a.stillGood(cert, key, l, now) {
			return nil
		}
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 62))
	if err != nil {
		return err
	}
	template := &x509.Certificate{
		SerialNumber: serial,
		Subject:      l.subject,
		NotBefore:    a.cert.NotBefore,
		NotAfter:     now.Add(leafLife).UTC(),
		KeyUsage:     x509.KeyUsageKeyEncipherment | x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  l.usages,
		DNSNames:     l.names.dns,
		IPAddresses:  l.names.ips,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, key.Public(), a.key)
	if err != nil {
		return err
	}
	chain := append(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), a.pem...)
	return os.WriteFile(l.certPath, chain, l.mode)
}

func (a *authority) stillGood(cert *x509.Certificate, key crypto.Signer, l leaf, now time.Time) bool {
	public, ok := cert.PublicKey.(*ecdsa.PublicKey)
	return ok && public.Equal(key.Public()) &&
		cert.CheckSignatureFrom(a.cert) == nil &&
		now.Add(renewBefore).Before(cert.NotAfter) &&
		cert.Subject.CommonName == l.subject.CommonName &&
		l.names.within(cert)
}

func ensureKey(path string) (crypto.Signer, error) {
	raw, err := os.ReadFile(path)
	if err == nil {
		block, _ := pem.Decode(raw)
		if block == nil {
			return nil, fmt.Errorf("%s: not PEM", path)
		}
		return x509.ParseECPrivateKey(block.Bytes)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return nil, err
	}
	raw = pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der})
	return key, os.WriteFile(path, raw, 0o600)
}

// ensureServiceKey makes the RSA key that signs service-account tokens.
func ensureServiceKey(path string) error {
	if _, err := os.Stat(path); err == nil {
		return nil
	}
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return err
	}
	raw := pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})
	return os.WriteFile(path, raw, 0o600)
}

func firstCertificate(raw []byte) (*x509.Certificate, error) {
	block, _ := pem.Decode(raw)
	if block == nil {
		return nil, errors.New("not PEM")
	}
	return x509.ParseCertificate(block.Bytes)
}
