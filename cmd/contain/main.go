// Command contain compiles one CUE description of a Kubernetes platform into
// signed OCI artifacts that Flux reconciles.
package main

import (
	"os"

	"github.com/contain-platform/contain/internal/cli"
)

func main() {
	os.Exit(cli.Main(cli.OS()))
}
