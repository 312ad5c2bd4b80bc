package appliance

import "runtime/debug"

// version is what the toolchain stamped into the program: a tag, or a commit, or (devel) where it was built without git.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && info.Main.Version == "(devel)" {
			return s.Value
		}
	}
	return info.Main.Version
}
