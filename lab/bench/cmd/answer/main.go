// Command answer is the workload of `./dev bench gap` on real releases: it is
// all that its image holds, and says yes to whoever asks.
package main

import (
	"net"
	"os"
)

// Port is where it listens; lab/bench/gap asks there.
const port = ":8099"

func main() {
	l, err := net.Listen("tcp", port)
	if err != nil {
		os.Stderr.WriteString(err.Error() + "\n")
		os.Exit(1)
	}
	for {
		c, err := l.Accept()
		if err != nil {
			continue
		}
		go answer(c)
	}
}

// answer is one question and one answer: the prober never keeps a connection.
func answer(c net.Conn) {
	defer c.Close()
	if _, err := c.Read(make([]byte, 4096)); err == nil {
		_, _ = c.Write([]byte("HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\nyes"))
	}
}
