package deps

import (
	_ "github.com/BurntSushi/toml"
	_ "github.com/chromedp/chromedp"
	_ "github.com/dgraph-io/badger/v4"
	_ "github.com/gen2brain/malgo"
	_ "github.com/google/go-cmp/cmp"
	_ "github.com/google/go-tpm/tpm2"
	_ "github.com/google/go-tpm/tpm2/transport/linuxtpm"
	_ "github.com/google/go-tpm/tpm2/transport/linuxudstpm"
	_ "github.com/gorilla/websocket"
	_ "github.com/hraban/opus"
	_ "github.com/rogpeppe/go-internal/testscript"
	_ "go.uber.org/goleak"
	_ "golang.org/x/crypto/chacha20poly1305"
	_ "golang.org/x/crypto/cryptobyte"
	_ "golang.org/x/sync/errgroup"
	_ "golang.org/x/sys/unix"
)
