// Command systemctl is that and journalctl in a world of the crash tests: it
// asks process 1. It is started dozens of times in a run, so it is small: no
// cgo, and none of the packages that take milliseconds to begin.
package main

import (
	"os"
	"strings"
	"syscall"
)

// Where process 1 listens: lab/bench/stub/systemd.
const socket = "/run/systemd/private"

func main() {
	if strings.HasSuffix(os.Args[0], "journalctl") {
		os.Stdout.WriteString("nothing is logged here\n")
		return
	}
	answer, err := ask(strings.Join(os.Args[1:], "\x00") + "\n")
	parts := strings.SplitN(answer, "\x00", 3)
	if err != nil || len(parts) != 3 || len(parts[0]) != 1 {
		os.Stderr.WriteString("System has not been booted with systemd as init system, or it does not answer\n")
		os.Exit(1)
	}
	os.Stdout.WriteString(parts[1])
	os.Stderr.WriteString(parts[2])
	os.Exit(int(parts[0][0] - '0'))
}

func ask(question string) (string, error) {
	fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return "", err
	}
	if err := syscall.Connect(fd, &syscall.SockaddrUnix{Name: socket}); err != nil {
		return "", err
	}
	if _, err := syscall.Write(fd, []byte(question)); err != nil {
		return "", err
	}
	var answer []byte
	for part := make([]byte, 8192); ; {
		n, err := syscall.Read(fd, part)
		if err == syscall.EINTR {
			continue
		}
		if err != nil {
			return "", err
		}
		if n == 0 {
			return string(answer), nil
		}
		answer = append(answer, part[:n]...)
	}
}
