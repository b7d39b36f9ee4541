// Package options reads what a command of k3s is told: command line, K3S_*
// environment, config.yaml and config.yaml.d, with K3s' rules for who wins and
// for what happens to an unknown word (k3s-facts §2.1, §4.3).
package options

import (
	_ "embed"
	"strings"
)

//go:embed server-flags.txt
var serverFlags string

//go:embed agent-flags.txt
var agentFlags string

//go:embed etcd-snapshot-flags.txt
var etcdSnapshotFlags string

// Command is one that reads config.yaml.
type Command struct {
	name  string
	flags *string
	// strips: an unknown key of the files is lost with a warning instead of
	// ending the start (k3s-facts §4.3).
	strips bool
	// words: takes arguments that are no flags.
	words bool
}

// The commands.
var (
	Server       = Command{name: "server", flags: &serverFlags, strips: true}
	Agent        = Command{name: "agent", flags: &agentFlags}
	EtcdSnapshot = Command{name: "etcd-snapshot", flags: &etcdSnapshotFlags, strips: true, words: true}
)

type kind int

const (
	text kind = iota
	boolean
	list
)

type flag struct {
	name string
	kind kind
	env  string
}

// table maps every spelling of a flag, alias included, to the flag.
type table map[string]*flag

// newTable knows the flags of one minor. Flags come and go between minors, and
// a key that only the newer one knows is lost in silence on the older.
func newTable(c Command, minor string) table {
	t := table{}
	for _, line := range strings.Split(*c.flags, "\n") {
		words := strings.Fields(line)
		if len(words) < 2 || words[0] == "#" || strings.HasPrefix(line, "#") {
			continue
		}
		f := &flag{}
		switch words[0] {
		case "bool":
			f.kind = boolean
		case "list":
			f.kind = list
		}
		known := true
		for _, word := range words[2:] {
			if since, ok := strings.CutPrefix(word, "since="); ok && minor < since {
				known = false
			}
			if env, ok := strings.CutPrefix(word, "$"); ok {
				f.env = env
			}
		}
		if !known {
			continue
		}
		names := strings.Split(words[1], ",")
		f.name = names[0]
		for _, name := range names {
			t[name] = f
		}
	}
	return t
}
