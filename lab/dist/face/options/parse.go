package options

import (
	"fmt"
	"os"
	"strconv"
	"strings"
)

// Values is what was said, by flag name.
type Values struct {
	said map[string][]string
	rest []string // arguments that are no flags
	args []string // what ends up in k3s.io/node-args: files first, then the command line
	env  map[string]string
}

type word struct{ name, value string }

// Parse merges the sources: the command line wins over the files, a list given
// there replaces the list of the files, and the environment fills what is left.
// warn receives K3s' log line for each unknown key of the files; an unknown
// flag on the command line is an error, and for an agent one of the files too.
func Parse(c Command, minor string, args []string, warn func(string)) (Values, error) {
	t := newTable(c, minor)
	v := Values{said: map[string][]string{}, env: map[string]string{}}
	line, rest, err := t.commandLine(args)
	if err != nil {
		return v, err
	}
	if len(rest) > 0 && !c.words {
		return v, fmt.Errorf("unexpected argument %q", rest[0])
	}
	v.rest = rest
	file := DefaultConfig
	if env := os.Getenv("K3S_CONFIG_FILE"); env != "" {
		file = env
	}
	for _, w := range line {
		if w.name == "config" {
			file = w.value
		}
	}
	settings, err := readFiles(file)
	if err != nil {
		return v, err
	}
	onLine := map[string]bool{}
	for _, w := range line {
		onLine[w.name] = true
	}
	v.args = []string{c.name}
	for _, s := range settings {
		f := t[s.key]
		for _, value := range s.values {
			if f == nil && !c.strips {
				return v, fmt.Errorf("flag provided but not defined: -%s", s.key)
			}
			if f == nil {
				warn(fmt.Sprintf("Unknown flag --%s found in config.yaml, skipping\n", s.key))
				continue
			}
			v.args = append(v.args, "--"+s.key, value)
			if !onLine[f.name] {
				v.add(f, value)
			}
		}
	}
	for _, w := range line {
		v.args = append(v.args, "--"+w.name, w.value)
		v.add(t[w.name], w.value)
	}
	v.fromEnvironment(t)
	return v, nil
}

func (v *Values) add(f *flag, value string) {
	if f.kind == list {
		v.said[f.name] = append(v.said[f.name], value)
	} else {
		v.said[f.name] = []string{value}
	}
}

func (v *Values) fromEnvironment(t table) {
	for _, f := range t {
		value, ok := os.LookupEnv(f.env)
		if f.env == "" || !ok || value == "" {
			continue
		}
		if strings.HasPrefix(f.env, "K3S_") {
			v.env[f.env] = value
		}
		if _, said := v.said[f.name]; !said {
			v.said[f.name] = []string{value}
		}
	}
}

func (t table) commandLine(args []string) (words []word, rest []string, err error) {
	for i := 0; i < len(args); i++ {
		arg := args[i]
		if arg == "" || arg[0] != '-' {
			rest = append(rest, arg)
			continue
		}
		name, value, given := strings.Cut(strings.TrimLeft(arg, "-"), "=")
		f := t[name]
		if f == nil {
			return nil, nil, fmt.Errorf("flag provided but not defined: -%s", name)
		}
		if !given && f.kind == boolean {
			value = "true"
		} else if !given {
			if i++; i >= len(args) {
				return nil, nil, fmt.Errorf("flag needs an argument: -%s", name)
			}
			value = args[i]
		}
		if f.kind == boolean {
			if _, err := strconv.ParseBool(value); err != nil {
				return nil, nil, fmt.Errorf("invalid boolean value %q for -%s", value, name)
			}
		}
		words = append(words, word{f.name, value})
	}
	return words, rest, nil
}

// Rest is what was said that is no flag.
func (v Values) Rest() []string { return v.rest }

// Text is the value of a flag, or fallback when it was not given.
func (v Values) Text(name, fallback string) string {
	if said := v.said[name]; len(said) > 0 && said[0] != "" {
		return said[0]
	}
	return fallback
}

// Bool is the value of a switch.
func (v Values) Bool(name string) bool {
	b, err := strconv.ParseBool(v.Text(name, "false"))
	return err == nil && b
}

// Given tells whether anybody set the flag.
func (v Values) Given(name string) bool { return len(v.said[name]) > 0 }

// List is the value of a repeatable flag. K3s splits some of its lists at
// commas (addresses, names, disable) but never the *-arg ones, whose values
// contain commas of their own.
func (v Values) List(name string) []string {
	if strings.HasSuffix(name, "-arg") {
		return v.said[name]
	}
	var all []string
	for _, value := range v.said[name] {
		for _, part := range strings.Split(value, ",") {
			if part = strings.TrimSpace(part); part != "" {
				all = append(all, part)
			}
		}
	}
	return all
}
