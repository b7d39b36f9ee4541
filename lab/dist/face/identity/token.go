package identity

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
)

// RandomHex is n bytes of randomness as hex.
func RandomHex(n int) (string, error) {
	raw := make([]byte, n)
	if _, err := rand.Read(raw); err != nil {
		return "", err
	}
	return hex.EncodeToString(raw), nil
}

// Password is the secret part of a token, whether it was given alone or in the
// long form K10<ca hash>::server:<password>.
func Password(token string) string {
	token = strings.TrimSpace(token)
	if !strings.HasPrefix(token, "K10") {
		return token
	}
	_, userinfo, ok := strings.Cut(token, "::")
	if !ok {
		return token
	}
	if _, password, ok := strings.Cut(userinfo, ":"); ok {
		return password
	}
	return userinfo
}

// ChoosePassword takes the configured token, else the one on disk, else makes
// one. It runs before the datastore is read, because the password opens the
// bootstrap row.
func (l Layout) ChoosePassword(configured string) (string, error) {
	if configured != "" {
		return Password(configured), nil
	}
	raw, err := os.ReadFile(l.Server("token"))
	if err == nil && Password(string(raw)) != "" {
		return Password(string(raw)), nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	return RandomHex(16)
}

// WriteToken writes server/token and the two links to it.
func (l Layout) WriteToken(password string) error {
	ca, err := os.ReadFile(l.TLS("server-ca.crt"))
	if err != nil {
		return err
	}
	token := fmt.Sprintf("K10%x::server:%s\n", sha256.Sum256(ca), password)
	if err := WriteFile(l.Server("token"), []byte(token), 0o600); err != nil {
		return err
	}
	for _, name := range []string{"node-token", "agent-token"} {
		link := l.Server(name)
		if target, err := os.Readlink(link); err == nil && target == l.Server("token") {
			continue
		}
		if err := os.Remove(link); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if err := os.Symlink(l.Server("token"), link); err != nil {
			return err
		}
	}
	return nil
}

// WritePasswd writes server/cred/passwd and ipsec.psk if they are not there.
func (l Layout) WritePasswd(password string) error {
	passwd := fmt.Sprintf("%[1]s,node,node,k3s:agent\n%[1]s,server,server,k3s:server\n", password)
	if _, err := os.Stat(l.Cred("passwd")); errors.Is(err, fs.ErrNotExist) {
		if err := WriteFile(l.Cred("passwd"), []byte(passwd), 0o600); err != nil {
			return err
		}
	}
	if _, err := os.Stat(l.Cred("ipsec.psk")); err == nil {
		return nil
	}
	psk, err := RandomHex(48)
	if err != nil {
		return err
	}
	return WriteFile(l.Cred("ipsec.psk"), []byte(psk+"\n"), 0o600)
}
