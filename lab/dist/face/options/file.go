package options

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"strings"

	yaml "go.yaml.in/yaml/v3"
)

// DefaultConfig is where K3s looks when neither --config nor K3S_CONFIG_FILE says otherwise.
const DefaultConfig = "/etc/rancher/k3s/config.yaml"

// setting is one key of the merged configuration files.
type setting struct {
	key    string
	values []string
}

// readFiles merges FILE and FILE.d/*.yaml: a later file replaces a key, `key+`
// appends to it, and keys keep the order in which they first appeared.
func readFiles(path string) ([]setting, error) {
	paths := []string{path}
	drops, err := filepath.Glob(filepath.Join(path+".d", "*.yaml"))
	if err != nil {
		return nil, err
	}
	more, err := filepath.Glob(filepath.Join(path+".d", "*.yml"))
	if err != nil {
		return nil, err
	}
	drops = append(drops, more...)
	sort.Strings(drops)
	var merged []setting
	for _, p := range append(paths, drops...) {
		raw, err := os.ReadFile(p)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if merged, err = mergeFile(merged, raw); err != nil {
			return nil, fmt.Errorf("%s: %w", p, err)
		}
	}
	return merged, nil
}

func mergeFile(into []setting, raw []byte) ([]setting, error) {
	var doc yaml.Node
	if err := yaml.Unmarshal(raw, &doc); err != nil {
		return nil, err
	}
	if len(doc.Content) == 0 {
		return into, nil
	}
	top := doc.Content[0]
	if top.Kind != yaml.MappingNode {
		return nil, fmt.Errorf("line %d: not a mapping", top.Line)
	}
	for i := 0; i+1 < len(top.Content); i += 2 {
		key, grows := strings.CutSuffix(top.Content[i].Value, "+")
		values, err := scalars(top.Content[i+1])
		if err != nil {
			return nil, fmt.Errorf("key %s: %w", key, err)
		}
		at := -1
		for j := range into {
			if into[j].key == key {
				at = j
			}
		}
		switch {
		case at < 0:
			into = append(into, setting{key, values})
		case grows:
			into[at].values = append(into[at].values, values...)
		default:
			into[at].values = values
		}
	}
	return into, nil
}

func scalars(n *yaml.Node) ([]string, error) {
	switch n.Kind {
	case yaml.ScalarNode:
		if n.Tag == "!!null" {
			return []string{""}, nil
		}
		if n.Tag == "!!bool" {
			var b bool
			if err := n.Decode(&b); err != nil {
				return nil, err
			}
			return []string{strconv.FormatBool(b)}, nil
		}
		return []string{n.Value}, nil
	case yaml.SequenceNode:
		var all []string
		for _, item := range n.Content {
			values, err := scalars(item)
			if err != nil {
				return nil, err
			}
			all = append(all, values...)
		}
		return all, nil
	case yaml.AliasNode:
		return scalars(n.Alias)
	default:
		return nil, fmt.Errorf("line %d: neither a value nor a list", n.Line)
	}
}
