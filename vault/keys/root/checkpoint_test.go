package root

import (
	"bytes"
	"testing"
)

func TestTheCheckpointStandsInTheRoot(t *testing.T) {
	c := example(t)
	c.Checkpoint = []byte("a checkpoint\n")
	body, err := c.marshal()
	if err != nil {
		t.Fatal(err)
	}
	back, err := parseContents(body)
	if err != nil || !bytes.Equal(back.Checkpoint, c.Checkpoint) || !bytes.Equal(back.Clone().Checkpoint, c.Checkpoint) {
		t.Errorf("%q, %v", back.Checkpoint, err)
	}
	for _, bad := range [][]byte{{}, make([]byte, maxCheckpoint+1)} {
		if _, err := parseContents(add(bytes.Clone(body[:len(body)-6-len(c.Checkpoint)]), tagCheckpoint, bad)); err == nil && len(bad) > 0 {
			t.Errorf("a checkpoint of %d bytes was taken", len(bad))
		}
	}
}
