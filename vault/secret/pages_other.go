//go:build !linux

package secret

import "errors"

// kernel locks nothing where it is not Linux: a program that reads exported packs runs there too, and holds a key for a
// minute. Status says so.
func kernel() calls {
	refused := errors.New("secret: memory is locked on Linux only")
	return calls{
		pageSize: 4096,
		reserve:  func(int) ([]byte, error) { return nil, refused },
	}
}
