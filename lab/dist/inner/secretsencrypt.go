package inner

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"text/tabwriter"

	"belay.test/dist/face/identity"
)

// encryptionState is the answer of K3s' /v1-k3s/encrypt/status.
type encryptionState struct {
	Stage        string   `json:"stage"`
	ActiveKey    string   `json:"activekey"`
	Enable       *bool    `json:"enable,omitempty"`
	HashMatch    bool     `json:"hashmatch,omitempty"`
	HashError    string   `json:"hasherror,omitempty"`
	InactiveKeys []string `json:"inactivekeys,omitempty"`
}

// secretsEncrypt is `k3s secrets-encrypt status`, from the files of a server
// that is alone.
func secretsEncrypt(args []string) int {
	if len(args) == 0 || args[0] != "status" {
		return complain("k3s secrets-encrypt: only status is in this build of the bench distribution")
	}
	l, err := layout(args)
	if err != nil {
		return fatal(err)
	}
	state, err := readEncryption(l)
	if err != nil {
		return fatal(err)
	}
	text := strings.Join(args[1:], " ")
	if strings.Contains(text, "-o json") || strings.Contains(text, "--output json") || strings.Contains(text, "--output=json") {
		raw, err := json.MarshalIndent(state, "", "\t")
		if err != nil {
			return fatal(err)
		}
		fmt.Println(string(raw))
		return 0
	}
	if state.Enable == nil {
		fmt.Println("Encryption Status: Disabled, no configuration file found")
		return 0
	}
	word := "Disabled"
	if *state.Enable {
		word = "Enabled"
	}
	fmt.Printf("Encryption Status: %s\nCurrent Rotation Stage: %s\nServer Encryption Hashes: All hashes match\n\n", word, state.Stage)
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprint(w, "Active\tKey Type\tName\n------\t--------\t----\n")
	for _, key := range append([]string{state.ActiveKey}, state.InactiveKeys...) {
		kind, name, _ := strings.Cut(key, " ")
		mark := ""
		if key == state.ActiveKey {
			mark = " *"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\n", mark, kind, name)
	}
	if err := w.Flush(); err != nil {
		return fatal(err)
	}
	return 0
}

// keyTypes are K3s' words for the providers.
var keyTypes = map[string]string{"aescbc": "AES-CBC", "secretbox": "XSalsa20-POLY1305"}

// readEncryption: the provider that comes first encrypts, its first key is the
// active one, and the stage is the first word of the state file.
func readEncryption(l identity.Layout) (encryptionState, error) {
	var state encryptionState
	raw, err := os.ReadFile(l.Cred("encryption-config.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return state, nil
	}
	if err != nil {
		return state, err
	}
	var config struct {
		Resources []struct {
			Providers []map[string]struct{ Keys []struct{ Name string } }
		}
	}
	if err := json.Unmarshal(raw, &config); err != nil {
		return state, fmt.Errorf("%s: %w", l.Cred("encryption-config.json"), err)
	}
	stage, err := os.ReadFile(l.Cred("encryption-state.json"))
	if err != nil {
		return state, err
	}
	at := strings.LastIndexByte(string(stage), '-')
	state.Stage, state.HashMatch = string(stage[:max(at, 0)]), true
	var enabled bool
	for _, resource := range config.Resources {
		for i, provider := range resource.Providers {
			for name, with := range provider {
				enabled = enabled || i == 0 && name != "identity"
				for _, key := range with.Keys {
					state.InactiveKeys = append(state.InactiveKeys, keyTypes[name]+" "+key.Name)
				}
			}
		}
	}
	state.Enable = &enabled
	if len(state.InactiveKeys) > 0 {
		state.ActiveKey = state.InactiveKeys[0]
		state.InactiveKeys = slices.Delete(state.InactiveKeys, 0, 1)
	}
	return state, nil
}
