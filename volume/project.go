package volume

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// ProjectKeeper returns the guard of a state directory's project: the first
// project that a token was for is written down, and any other is refused with
// ErrInvalid. All that the directory tells of is that project's; another
// one would answer "not found" about all of it.
func ProjectKeeper(stateDir string) func(projectID string) error {
	path := filepath.Join(stateDir, "project")
	return func(id string) error {
		data, err := os.ReadFile(path)
		kept := strings.TrimSpace(string(data))
		switch {
		case errors.Is(err, fs.ErrNotExist), err == nil && kept == "":
			if err := os.WriteFile(path, []byte(id+"\n"), 0o600); err != nil {
				return Errorf(ErrUnavailable, "%s cannot be written: %w", path, err)
			}
		case err != nil:
			return Errorf(ErrUnavailable, "%s cannot be read: %w", path, err)
		case kept != id:
			return Errorf(ErrInvalid, "the credentials are for project %s, but the volumes of this host are in project %s: mend clouds.yaml, or give the other project a state_dir of its own", id, kept)
		}
		return nil
	}
}
