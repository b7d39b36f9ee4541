package server

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"os"
	"time"

	"belay.test/dist/face/identity"
)

// encrypted: once there is a configuration it is used whatever the flag says,
// or the Secrets could not be read any more.
func (s *settings) encrypted() bool {
	_, err := os.Stat(s.Cred("encryption-config.json"))
	return err == nil
}

// encryption writes encryption-config.json and encryption-state.json the first
// time that --secrets-encryption is given.
func (s *settings) encryption() error {
	if s.encrypted() || !s.values.Bool("secrets-encryption") {
		return nil
	}
	key := make([]byte, 32)
	if _, err := rand.Read(key); err != nil {
		return err
	}
	type named struct {
		Name   string `json:"name"`
		Secret string `json:"secret"`
	}
	config, err := json.Marshal(map[string]any{
		"kind": "EncryptionConfiguration", "apiVersion": "apiserver.config.k8s.io/v1",
		"resources": []any{map[string]any{
			"resources": []string{"secrets"},
			"providers": []any{
				map[string]any{s.values.Text("secrets-encryption-provider", "aescbc"): map[string]any{
					"keys": []named{{"aescbckey-" + time.Now().UTC().Format("20060102"), base64.StdEncoding.EncodeToString(key)}},
				}},
				map[string]any{"identity": map[string]any{}},
			},
		}},
	})
	if err != nil {
		return err
	}
	if err := identity.WriteFile(s.Cred("encryption-config.json"), config, 0o600); err != nil {
		return err
	}
	sum := sha256.Sum256(config)
	return identity.WriteFile(s.Cred("encryption-state.json"), []byte("start-"+hex.EncodeToString(sum[:])), 0o600)
}
