package openstack

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// tlsPaths are the PEM files of one cloud; "" is none.
type tlsPaths struct {
	ca, cert, key string
	insecure      bool
}

func (p tlsPaths) files() []string {
	var all []string
	for _, f := range []string{p.ca, p.cert, p.key} {
		if f != "" {
			all = append(all, f)
		}
	}
	return all
}

// load reads the files. A CA given replaces the system's, as everywhere in
// OpenStack: who names one means that one.
func (p tlsPaths) load() (*tls.Config, error) {
	cfg := &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: p.insecure}
	if p.ca != "" {
		pem, err := os.ReadFile(p.ca)
		if err != nil {
			return nil, fmt.Errorf("reading cacert: %w", err)
		}
		cfg.RootCAs = x509.NewCertPool()
		if !cfg.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("cacert %s holds no PEM certificate", p.ca)
		}
	}
	if (p.cert == "") != (p.key == "") {
		return nil, errors.New("a client certificate needs both cert and key")
	}
	if p.cert != "" {
		pair, err := tls.LoadX509KeyPair(p.cert, p.key)
		if err != nil {
			return nil, fmt.Errorf("client certificate %s: %w", p.cert, err)
		}
		cfg.Certificates = []tls.Certificate{pair}
	}
	return cfg, nil
}

// beside resolves a relative path next to the settings file it came from,
// because a daemon's working directory is / and means nothing. OpenStack's own
// clients use the working directory: that is the second choice.
func beside(settings, path string) string {
	if rest, ok := strings.CutPrefix(path, "~/"); ok {
		if home, err := os.UserHomeDir(); err == nil {
			return filepath.Join(home, rest)
		}
	}
	if path == "" || filepath.IsAbs(path) || settings == "" {
		return path
	}
	near := filepath.Join(filepath.Dir(settings), path)
	if _, err := os.Stat(near); err != nil {
		if _, err := os.Stat(path); err == nil {
			return path
		}
	}
	return near
}

// stamp describes the state of files cheaply: a file that was written or
// replaced gives another one.
func stamp(files []string) string {
	var b strings.Builder
	for _, f := range files {
		info, err := os.Stat(f)
		if err != nil {
			fmt.Fprintf(&b, "%s absent\n", f)
			continue
		}
		fmt.Fprintf(&b, "%s %d %d\n", f, info.Size(), info.ModTime().UnixNano())
	}
	return b.String()
}
