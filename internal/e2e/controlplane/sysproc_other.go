//go:build !linux

package controlplane

import (
	"os"
	"os/exec"
	"syscall"
)

func isolate(*exec.Cmd) {}

// signalGroup ends p alone, at once: process groups are not portable.
func signalGroup(p *os.Process, _ syscall.Signal) { _ = p.Kill() }

// peakMemory is not known here.
func peakMemory(*os.ProcessState) int64 { return 0 }
