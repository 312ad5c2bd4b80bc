package pair

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
)

// ReadNewest is Read for a file that is written again and again under one name. Good gives how new a copy is. Of two good
// ones the newer counts, and the other is brought up to it without a finding: a power cut came between their writings.
func (f *Folder) ReadNewest(name string, good func([]byte) (version uint64, err error)) (data []byte, findings []error, err error) {
	var copies [2][]byte
	var faults [2]error
	var versions [2]uint64
	chosen := -1
	f.mu.Lock()
	for i, dir := range f.dirs {
		path := filepath.Join(dir, name)
		copies[i], faults[i] = f.fs.Read(path)
		if errors.Is(faults[i], fs.ErrNotExist) {
			faults[i] = fmt.Errorf("%s: %w", path, ErrMissing)
		}
		if faults[i] == nil {
			if versions[i], err = good(copies[i]); err != nil {
				faults[i] = fmt.Errorf("%s: %w: %w", path, ErrAltered, err)
			}
		}
		if faults[i] == nil && (chosen < 0 || versions[i] > versions[chosen]) {
			chosen = i
		}
	}
	f.mu.Unlock()
	if chosen < 0 {
		return nil, nil, errors.Join(faults[0], faults[1])
	}
	other := 1 - chosen
	if faults[other] == nil && versions[other] == versions[chosen] {
		return copies[chosen], nil, nil
	}
	outcome := "mended from its copy"
	if err = f.Write(name, copies[chosen]); err != nil { // the good one, too: at any moment one is whole
		outcome = "not mended: " + err.Error()
	}
	if fault := faults[other]; fault != nil {
		findings = append(findings, fmt.Errorf("%w (%s)", fault, outcome))
	} else if err != nil {
		findings = append(findings, fmt.Errorf("%s is older than its copy (%s)", filepath.Join(f.dirs[other], name), outcome))
	}
	return copies[chosen], findings, nil
}
