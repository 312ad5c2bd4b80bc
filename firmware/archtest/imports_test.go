package archtest

import (
	"slices"
	"strings"
	"testing"
)

// bans are the import edges that must not exist. Only the product's own imports count: a test may reach downstream,
// as long as that makes no cycle.
var bans = []struct{ from, to, reason string }{
	{"drivers/...", "audio/...", "imports point upstream: hardware knows nothing of calls"},
	{"drivers/...", "vault/...", "imports point upstream: hardware knows no keys"},
	{"drivers/...", "ui/...", "imports point upstream"},
	{"drivers/...", "firmware/...", "imports point upstream"},
	{"audio/...", "vault/...", "imports point upstream: sound knows no files, no keys, no network"},
	{"audio/...", "ui/...", "imports point upstream"},
	{"audio/...", "firmware/...", "imports point upstream"},
	{"vault/...", "ui/...", "imports point upstream"},
	{"vault/...", "firmware/...", "imports point upstream"},
	{"ui/...", "firmware/...", "imports point upstream: pages are handed what they show"},

	{"audio/...", "drivers/line/alsa", "sound comes by the contract drivers/line, whatever the hardware"},
	{"audio/...", "drivers/line/linesim", "sound comes by the contract drivers/line, whatever the hardware"},
	{"audio/...", "drivers/tpm/...", "sound knows no keys"},
	{"vault/...", "drivers/tpm/tpmdev", "the vault is handed a tpm.Sealer; which chip is firmware's choice"},
	{"vault/...", "drivers/line/alsa", "the vault knows no hardware"},
	{"vault/...", "drivers/line/linesim", "the vault knows no hardware"},
	{"vault/...", "audio/pipeline", "the pipeline hands groups over by an interface of its own; the vault need not know it"},
	{"ui/...", "drivers/line/alsa", "pages know no hardware"},
	{"ui/...", "drivers/tpm/tpmdev", "pages know no hardware"},

	// Inside the vault: what keeps bytes must stay provable without what judges people.
	{"vault/keys", "vault/register/...", "the vault's inside does not know who asks"},
	{"vault/seal", "vault/register/...", "the vault's inside does not know who asks"},
	{"vault/journal", "vault/register/...", "the vault's inside does not know who asks"},
	{"vault/store", "vault/register/...", "the vault's inside does not know who asks"},
	{"vault/check", "vault/register/...", "a check proves bytes, whatever the register says"},
	{"vault/keys", "vault/release/...", "keys are below all that is done with them"},
	{"vault/seal", "vault/release/...", "keys are below all that is done with them"},
	{"vault/journal", "vault/release/...", "open calls are never released"},
	{"vault/store", "vault/release/...", "the store is below all that is done with it"},
	{"vault/check", "vault/release/...", "a check proves bytes, and releases none"},
	{"vault/keys", "vault/retention/...", "keys are below all that is done with them"},
	{"vault/seal", "vault/retention/...", "keys are below all that is done with them"},
	{"vault/journal", "vault/retention/...", "open calls never expire"},
	{"vault/store", "vault/retention/...", "the store is below all that is done with it"},
	{"vault/check", "vault/retention/...", "a check deletes nothing"},
	{"vault/keys", "vault/archive/...", "keys are below all that is done with them"},
	{"vault/seal", "vault/archive/...", "keys are below all that is done with them"},
	{"vault/journal", "vault/archive/...", "open calls are never archived"},
	{"vault/store", "vault/archive/...", "the store is below all that is done with it"},
	{"vault/check", "vault/archive/...", "a check proves this box; the archive proves itself"},
	{"vault/keys", "vault/store", "keys are below all that is done with them"},
	{"vault/seal", "vault/store", "keys are below all that is done with them"},
	{"vault/custody", "vault/store", "keys are below all that is done with them"},
	{"vault/journal", "vault/store", "the journal is what the store is built from"},
}

func TestImportsPointUpstream(t *testing.T) {
	for _, p := range packages(t) {
		for _, to := range p.Imports {
			if !ours(to) {
				continue
			}
			for _, b := range bans {
				if within(p.rel(), b.from) && within(rel(to), b.to) {
					t.Errorf("%s imports %s: %s", p.rel(), rel(to), b.reason)
				}
			}
		}
	}
}

// TestOnlyOneFolderChoosesHardware keeps `if simulated` out: real and simulated parts are chosen in firmware/cmd alone.
func TestOnlyOneFolderChoosesHardware(t *testing.T) {
	for _, p := range packages(t) {
		if within(p.rel(), "firmware/cmd/...") || isSimulator(p.rel()) {
			continue
		}
		for _, to := range p.Imports {
			if ours(to) && isSimulator(rel(to)) {
				t.Errorf("%s imports the simulator %s: real and simulated parts are chosen in firmware/cmd alone", p.rel(), rel(to))
			}
		}
	}
}

// isSimulator says whether a package exists for laptops and tests: panelsim, linetest, vaulttest/vectors, tpmdemo.
func isSimulator(folder string) bool {
	return slices.ContainsFunc(strings.Split(folder, "/"), func(part string) bool {
		return strings.HasSuffix(part, "sim") || strings.HasSuffix(part, "test") || part == "tpmdemo"
	})
}

func TestCgoStaysInItsLeaves(t *testing.T) {
	leaves := []string{"drivers/line/alsa", "audio/opus", "audio/tone/spandsp"}
	bindings := []string{"github.com/gen2brain/malgo", "github.com/hraban/opus"}
	const reason = "C cannot be tested without its library, nor crash without taking the box with it: it stays in the leaves"
	for _, p := range packages(t) {
		if slices.Contains(leaves, p.rel()) {
			continue
		}
		if len(p.CgoFiles) > 0 {
			t.Errorf("%s has cgo in %v: %s", p.rel(), p.CgoFiles, reason)
		}
		for _, b := range bindings {
			if slices.Contains(p.Imports, b) && p.rel() != "firmware/internal_deps" {
				t.Errorf("%s imports %s: %s", p.rel(), b, reason)
			}
		}
	}
}

// TestTheProductHoldsNothingOfALaptop looks at everything linked into linekeepd, however far down.
func TestTheProductHoldsNothingOfALaptop(t *testing.T) {
	for _, name := range []string{"linekeepd", "linekeepctl"} {
		p, ok := find(t, "firmware/cmd/"+name)
		if !ok {
			t.Fatalf("there is no firmware/cmd/%s", name)
		}
		for _, dep := range p.Deps {
			switch {
			case ours(dep) && isSimulator(rel(dep)):
				t.Errorf("%s links %s: simulators and demo keys are for linekeepd-sim alone", name, rel(dep))
			case dep == "testing" || dep == "net/http/httptest" || dep == "testing/synctest":
				t.Errorf("%s links %s: what is made for tests has switches that weaken it", name, dep)
			}
		}
	}
}

// TestTheSimulatorIsTheSameAppliance shows that nothing of the product is left out where it is tried.
func TestTheSimulatorIsTheSameAppliance(t *testing.T) {
	product, ok := find(t, "firmware/cmd/linekeepd")
	if !ok {
		t.Fatal("there is no firmware/cmd/linekeepd")
	}
	simulator, ok := find(t, "firmware/cmd/linekeepd-sim")
	if !ok {
		t.Fatal("there is no firmware/cmd/linekeepd-sim")
	}
	for _, dep := range product.Deps {
		if ours(dep) && !slices.Contains(simulator.Deps, dep) {
			t.Errorf("linekeepd links %s and linekeepd-sim does not: what is tried must be what is shipped", rel(dep))
		}
	}
}

// TestTheRulesCatchWhatTheyBan plants a package that breaks rules and sees each pattern match.
func TestTheRulesCatchWhatTheyBan(t *testing.T) {
	for _, c := range []struct {
		folder, pattern string
		want            bool
	}{
		{"vault/keys", "vault/...", true},
		{"vault", "vault/...", true},
		{"vaults/keys", "vault/...", false},
		{"vault/keys/inner", "vault/keys", false},
		{"vault/keys", "vault/keys", true},
	} {
		if got := within(c.folder, c.pattern); got != c.want {
			t.Errorf("within(%q, %q): got %v, want %v", c.folder, c.pattern, got, c.want)
		}
	}
	for folder, want := range map[string]bool{
		"drivers/line/linesim": true, "drivers/line/linetest": true, "vault/vaulttest/vectors": true,
		"drivers/tpm/tpmdemo": true, "drivers/line/alsa": false, "vault/store": false,
	} {
		if got := isSimulator(folder); got != want {
			t.Errorf("isSimulator(%q): got %v, want %v", folder, got, want)
		}
	}
}
