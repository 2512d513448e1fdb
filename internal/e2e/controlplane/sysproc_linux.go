package controlplane

import (
	"os"
	"os/exec"
	"syscall"
)

// isolate gives cmd its own process group and has the kernel kill it when the
// thread that starts it ends; process.run keeps that thread for as long.
func isolate(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// signalGroup sends sig to the whole process group of p. A group that is gone
// is no error.
func signalGroup(p *os.Process, sig syscall.Signal) { _ = syscall.Kill(-p.Pid, sig) }

// peakMemory is the largest resident size that the process had, in bytes.
// ru_maxrss is in KiB, see getrusage(2).
func peakMemory(s *os.ProcessState) int64 {
	if u, ok := s.SysUsage().(*syscall.Rusage); ok {
		return u.Maxrss << 10
	}
	return 0
}
