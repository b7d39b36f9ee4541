// etcd as K3s embeds it, a program of its own for each minor: cluster version,
// storage schema and what an older one refuses follow from the module, and the
// modules of two minors do not fit into one build.
//
//	etcd serve CONFIG VERSION            a member, until SIGTERM; reports VERSION
//	etcd rows DATA-DIR PREFIX            keys and values of a copy of a stopped member, as JSON
//	etcd restore SNAPSHOT DATA-DIR NAME PEER-URL
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"github.com/sirupsen/logrus"
)

func main() {
	logrus.SetFormatter(&logrus.TextFormatter{DisableColors: true, FullTimestamp: true})
	if len(os.Args) == 4 && os.Args[1] == "serve" {
		os.Exit(serve(os.Args[2], os.Args[3]))
	}
	if err := once(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func once(args []string) error {
	switch {
	case len(args) == 3 && args[0] == "rows":
		rows, err := rowsOfCopy(args[1], args[2])
		if err != nil {
			return err
		}
		return json.NewEncoder(os.Stdout).Encode(rows)
	case len(args) == 5 && args[0] == "restore":
		return restore(args[1], args[2], args[3], args[4])
	}
	return errors.New("etcd: serve CONFIG VERSION, rows DATA-DIR PREFIX, or restore SNAPSHOT DATA-DIR NAME PEER-URL")
}
