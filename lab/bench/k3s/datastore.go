package k3s

import "fmt"

// Datastore is what a server keeps its objects in.
type Datastore string

// The embedded ones. SQLite is K3s' own default, so it is the zero value.
const (
	SQLite Datastore = ""
	Etcd   Datastore = "etcd"
)

// ParseDatastore reads the name of one, as flags and the environment have it.
func ParseDatastore(name string) (Datastore, error) {
	switch name {
	case "", "sqlite":
		return SQLite, nil
	case "etcd":
		return Etcd, nil
	default:
		return SQLite, fmt.Errorf("%q is no datastore: sqlite or etcd", name)
	}
}

func (d Datastore) String() string {
	if d == SQLite {
		return "sqlite"
	}
	return string(d)
}

// config is what config.yaml says to get it.
func (d Datastore) config() []string {
	if d == Etcd {
		return []string{"cluster-init: true"}
	}
	return nil
}
