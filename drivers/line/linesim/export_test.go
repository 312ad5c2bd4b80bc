package linesim

// ParseWAV shows the reader of files to the tests that try to break it.
func ParseWAV(file []byte) ([]int16, error) { return parseWAV(file) }
