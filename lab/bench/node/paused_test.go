package node

import (
	"bytes"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"testing"
)

// TestACommandThatWasPausedTellsItsEnd: nsenter stops with its child, and a
// coordinator that had gone on and ended long ago seemed to hang.
func TestACommandThatWasPausedTellsItsEnd(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("namespaces need root")
	}
	cmd := exec.CommandContext(t.Context(), "nsenter", "--target", strconv.Itoa(os.Getpid()), "--pid", "sh", "-c", "read -r line; exit 7")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	p := &Process{cmd: cmd, Out: &bytes.Buffer{}}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if err := p.Signal(t.Context(), syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	var status syscall.WaitStatus
	if _, err := syscall.Wait4(cmd.Process.Pid, &status, syscall.WUNTRACED, nil); err != nil || !status.Stopped() {
		t.Fatalf("nsenter does not stop with its child: %v, %v", status, err)
	}
	if err := p.Signal(t.Context(), syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	if _, err := in.Write([]byte("go\n")); err != nil {
		t.Fatal(err)
	}
	if code, err := p.Wait(); code != 7 || err != nil {
		t.Errorf("exit %d, %v", code, err)
	}
}
