package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"linekeep/vault/secret"
)

// longestLine bounds what is typed: a pass phrase is a sentence.
const longestLine = 1 << 10

// credentials are a password and a code of the second factor, from files that only their owner may read, or from the terminal.
func credentials(passwordFile, codeFile string) (p secret.Password, code string, err error) {
	if p, err = typed("Password: ", passwordFile, false); err != nil {
		return p, "", err
	}
	shown, err := typed("Code of the telephone or the sheet: ", codeFile, true)
	if err != nil {
		p.Wipe()
		return p, "", err
	}
	defer shown.Wipe()
	shown.Use(func(b []byte) { code = strings.TrimSpace(string(b)) })
	return p, code, nil
}

// typed is the first line of a file, or what somebody types.
func typed(prompt, path string, echo bool) (p secret.Password, err error) {
	if path == "" {
		return ask(prompt, echo)
	}
	info, err := os.Stat(path)
	if err != nil {
		return p, fmt.Errorf("read what to sign in with: %w", err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return p, fmt.Errorf("%w: %s can be read by others: chmod 600 %s", errUsage, path, path)
	}
	whole, err := secret.ReadFile(path)
	if err != nil {
		return p, fmt.Errorf("read what to sign in with: %w", err)
	}
	defer whole.Wipe()
	secret.Do(func() {
		whole.Use(func(b []byte) {
			row, _, _ := bytes.Cut(b, []byte("\n"))
			p, err = secret.PasswordFrom(bytes.TrimRight(row, "\r"))
		})
	})
	return p, err
}

// ask asks on the terminal, not on the input, which may be a pipe with something else in it.
func ask(prompt string, echo bool) (p secret.Password, err error) {
	terminal, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
	if err != nil {
		return p, fmt.Errorf("%w: there is no terminal to ask on: give --password FILE and --code FILE", errUsage)
	}
	defer terminal.Close()
	if !echo {
		before, err := unix.IoctlGetTermios(int(terminal.Fd()), unix.TCGETS)
		if err != nil {
			return p, fmt.Errorf("hide what is typed: %w", err)
		}
		hidden := *before
		hidden.Lflag &^= unix.ECHO
		if err := unix.IoctlSetTermios(int(terminal.Fd()), unix.TCSETSF, &hidden); err != nil {
			return p, fmt.Errorf("hide what is typed: %w", err)
		}
		defer func() {
			err = errors.Join(err, unix.IoctlSetTermios(int(terminal.Fd()), unix.TCSETSF, before))
			fmt.Fprintln(terminal)
		}()
	}
	fmt.Fprint(terminal, prompt)
	secret.Do(func() {
		row := make([]byte, 0, longestLine)
		defer func() { clear(row[:cap(row)]) }()
		in := bufio.NewReaderSize(terminal, longestLine)
		var line []byte
		if line, err = in.ReadSlice('\n'); err == nil {
			row = append(row, bytes.TrimRight(line, "\r\n")...)
			clear(line)
			p, err = secret.PasswordFrom(row)
		}
	})
	if err != nil {
		return p, fmt.Errorf("read what is typed: %w", err)
	}
	return p, nil
}
