package inner

import (
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/sirupsen/logrus"

	"belay.test/dist/face/identity"
	"belay.test/dist/face/options"
)

func layout(args []string) (identity.Layout, error) {
	dir, err := options.DataDir(args)
	return identity.Layout{DataDir: dir}, err
}

// token: `k3s token list|generate`.
func token(args []string) int {
	if len(args) == 0 {
		return complain("k3s token: list or generate")
	}
	switch args[0] {
	case "list":
		fmt.Println("TOKEN     TTL       EXPIRES   USAGES    DESCRIPTION   EXTRA GROUPS")
		return 0
	case "generate":
		id, err := identity.RandomHex(3)
		if err != nil {
			return complain("k3s token: %v", err)
		}
		secret, err := identity.RandomHex(8)
		if err != nil {
			return complain("k3s token: %v", err)
		}
		fmt.Printf("%s.%s\n", id, secret)
		return 0
	default:
		return complain("k3s token %s is not in this build of the bench distribution yet", args[0])
	}
}

// certificate: `k3s certificate check`, one line per certificate as in
// captures/…/certcheck.txt.
func certificate(args []string) int {
	if len(args) == 0 || args[0] != "check" {
		return complain("k3s certificate: only check is in this build of the bench distribution")
	}
	l, err := layout(args)
	if err != nil {
		return complain("k3s certificate: %v", err)
	}
	logrus.SetFormatter(&logrus.TextFormatter{DisableColors: true, FullTimestamp: true})
	logrus.Info("Server detected, checking agent and server certificates")
	for _, root := range []string{l.TLS(), l.Agent()} {
		err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".crt") || strings.Contains(path, "-ca") {
				return err
			}
			return checkFile(path)
		})
		if err != nil {
			return complain("k3s certificate: %v", err)
		}
	}
	return 0
}

func checkFile(path string) error {
	raw, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	for block, rest := pem.Decode(raw); block != nil; block, rest = pem.Decode(rest) {
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return err
		}
		state := "ok"
		if time.Now().After(cert.NotAfter) {
			state = "expired"
		} else if time.Now().AddDate(0, 0, 120).After(cert.NotAfter) {
			state = "within 120 days of expiry"
		}
		logrus.Infof("%s: certificate %s (%s) is %s, expires at %s", filepath.Base(path),
			cert.Subject.CommonName, usage(cert), state, cert.NotAfter.UTC().Format(time.RFC3339))
	}
	return nil
}

func usage(cert *x509.Certificate) string {
	if cert.IsCA {
		return "CertSign"
	}
	var names []string
	for _, u := range cert.ExtKeyUsage {
		switch u {
		case x509.ExtKeyUsageServerAuth:
			names = append(names, "ServerAuth")
		case x509.ExtKeyUsageClientAuth:
			names = append(names, "ClientAuth")
		}
	}
	return strings.Join(names, ",")
}
