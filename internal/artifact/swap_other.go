//go:build !linux

package artifact

import "errors"

// swap exchanges two directories in one step, where the system can.
func swap(a, b string) error { return errors.ErrUnsupported }
