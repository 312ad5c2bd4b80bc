package coredump

import (
	"bytes"
	"os"
	"testing"
)

func TestMain(m *testing.M) {
	Program(func(side *Side) error {
		_, err := side.Ask("ready")
		return err
	})
	os.Exit(m.Run())
}

func TestAPieceOfASecretIsFoundWhereverItStands(t *testing.T) {
	secret := []byte("0123456789abcdefghijklmnopqrstuv")
	memory := make([]byte, 3<<20)
	copy(memory[4096-5:], secret)        // across a page
	copy(memory[1<<20+1:], secret[3:18]) // 15 bytes of it
	copy(memory[2<<20:], secret[9:16])   // 7 are not looked for
	core, err := read(bytes.NewReader(memory))
	if err != nil || core.Len() != 3<<20 {
		t.Fatalf("%d bytes, %v", core.Len(), err)
	}
	if n := core.Holds(secret); n != 2 {
		t.Errorf("found in %d places, want 2", n)
	}
	if n := core.Holds([]byte("another secret, as long as that.")); n != 0 {
		t.Errorf("found what is not there, in %d places", n)
	}
}

func TestARealProcessIsLookedInto(t *testing.T) {
	p := Start(t)
	p.Await(t, "ready")
	if n := p.Usual(t).Holds([]byte(variable + "=1")); n == 0 {
		t.Error("its environment is not found")
	}
	p.Answer(t, "")
}
