//go:build !linux

package controlplane

import (
	"os"
	"os/exec"
)

func isolate(*exec.Cmd) {}

// killGroup kills p alone: process groups are not portable.
func killGroup(p *os.Process) { _ = p.Kill() }

// peakMemory is not known here.
func peakMemory(int) int64 { return 0 }
