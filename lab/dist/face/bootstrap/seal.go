// Package bootstrap keeps K3s' copy of the cluster's identity in the datastore:
// one row, sealed with the token, and a check at each start that disk and row
// still agree (k3s-facts §2.3, §2.4).
package bootstrap

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"strings"
)

// Prefix is where bootstrap rows lie in the datastore.
const Prefix = "/bootstrap/"

// Key is the row's key: it depends on the token, so a start with another token
// does not find it.
func Key(password string) string {
	sum := sha256.Sum256([]byte(password))
	return Prefix + hex.EncodeToString(sum[:])[:12]
}

// Seal is salt:base64(nonce and AES-GCM text), the key derived by PBKDF2-SHA1
// with 4096 rounds. These are K3s' parameters: what reads a K3s backup must
// read this one.
func Seal(password string, plain []byte) ([]byte, error) {
	raw := make([]byte, 8)
	if _, err := rand.Read(raw); err != nil {
		return nil, err
	}
	salt := hex.EncodeToString(raw)
	gcm, err := newCipher(password, salt)
	if err != nil {
		return nil, err
	}
	nonce := make([]byte, gcm.NonceSize())
	if _, err := rand.Read(nonce); err != nil {
		return nil, err
	}
	sealed := gcm.Seal(nonce, nonce, plain, nil)
	return []byte(salt + ":" + base64.StdEncoding.EncodeToString(sealed)), nil
}

// Open undoes Seal.
func Open(password string, sealed []byte) ([]byte, error) {
	salt, body, ok := strings.Cut(string(sealed), ":")
	if !ok {
		return nil, errors.New("bootstrap row has no salt")
	}
	raw, err := base64.StdEncoding.DecodeString(body)
	if err != nil {
		return nil, err
	}
	gcm, err := newCipher(password, salt)
	if err != nil {
		return nil, err
	}
	if len(raw) < gcm.NonceSize() {
		return nil, errors.New("bootstrap row is too short")
	}
	return gcm.Open(nil, raw[:gcm.NonceSize()], raw[gcm.NonceSize():], nil)
}

func newCipher(password, salt string) (cipher.AEAD, error) {
	key, err := pbkdf2.Key(sha1.New, password, []byte(salt), 4096, 32)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}
