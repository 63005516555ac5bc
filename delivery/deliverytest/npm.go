package deliverytest

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// NPM returns a folder with one npm package of a version in its node_modules:
// $ALDABA_NPM when that has it, else a cache of the user's, into which it is
// installed at the first need. It skips the test when it cannot be had.
func NPM(tb testing.TB, name, version string) string {
	tb.Helper()
	if _, err := exec.LookPath("node"); err != nil {
		tb.Skip("needs node (Debian nodejs)")
	}
	if folder := os.Getenv("ALDABA_NPM"); folder != "" {
		if _, err := os.Stat(filepath.Join(folder, "node_modules", name)); err == nil {
			return folder
		}
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		tb.Skipf("needs a folder for npm packages: %v", err)
	}
	folder := filepath.Join(cache, "aldaba-test", name+"-"+version)
	if _, err := os.Stat(filepath.Join(folder, "node_modules", name)); err == nil {
		return folder
	}
	if err := os.MkdirAll(folder, 0o750); err != nil {
		tb.Skipf("needs a folder for npm packages: %v", err)
	}
	cmd := exec.CommandContext(tb.Context(), "npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", folder, name+"@"+version)
	if out, err := cmd.CombinedOutput(); err != nil {
		tb.Skipf("needs the npm package %s %s: %v\n%s", name, version, err, out)
	}
	return folder
}
