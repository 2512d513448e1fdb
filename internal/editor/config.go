package editor

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"cuelang.org/go/unstable/lspaux/validatorconfig"
)

// profileName is how the configuration names this server.
const profileName = "contain"

// Config makes the file that cue lsp -extconfig reads, for a server at an
// address like "127.0.0.1:7464", and returns the token in it. A language server
// reads the file once, so a token that is there for the same address stays.
func Config(file, address string) (token string, err error) {
	url := "http://" + address
	switch old, err := validatorconfig.Parse(file); {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return "", fmt.Errorf("%s is not a file of contain editor: remove it, or name another with --config", file)
	case old.Profiles[profileName] == nil:
		return "", fmt.Errorf("%s is somebody else's: it has no profile %q; name another with --config", file, profileName)
	case old.Profiles[profileName].ServerURL == url && old.Profiles[profileName].Token != "":
		return old.Profiles[profileName].Token, nil
	}
	token = rand.Text()
	text := fmt.Sprintf("// For cue lsp -extconfig; contain editor writes it. The token is a secret.\n"+
		"activeProfile: %q\nprofiles: %s: {serverURL: %q, name: %q, token: %q}\n",
		profileName, profileName, url, profileName, token)
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return "", err
	}
	return token, os.WriteFile(file, []byte(text), 0o600)
}
