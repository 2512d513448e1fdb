// Command contain compiles one CUE description of a Kubernetes platform into
// signed OCI artifacts that Flux reconciles.
package main

import (
	"os"
	"runtime/debug"

	"github.com/contain-platform/contain/internal/cli"
)

func main() {
	// Evaluating CUE allocates much and keeps little. A collector that waits
	// for the heap to grow fivefold, within a bound, halves the CPU time.
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(400)
	}
	os.Exit(cli.Main(cli.OS()))
}
