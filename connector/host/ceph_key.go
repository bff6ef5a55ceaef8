package host

import (
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"
)

// Keys hands the kernel a key of a Ceph client for the time of one call.
type Keys interface {
	// Hold calls act while the kernel finds the key (in Ceph's binary form) by
	// its name, and returns act's error as it is. Afterwards, and when this
	// process dies, nobody finds it any more.
	Hold(name string, key []byte, act func() error) error
}

func (h *Host) keys() Keys {
	if h.Keys == nil {
		return threadKeys{}
	}
	return h.Keys
}

// threadKeys are those in the keyring of one thread (thread-keyring(7)): no other
// thread sees it, and it ends with the thread.
type threadKeys struct{}

func (threadKeys) Hold(name string, key []byte, act func() error) error {
	answer := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with its keyring
		_, err := unix.AddKey("ceph", name, key, unix.KEY_SPEC_THREAD_KEYRING)
		if err != nil {
			answer <- fmt.Errorf("give the kernel the key %s (add_key of type ceph): %w", name, err)
			return
		}
		err = act()
		_, _ = unix.KeyctlInt(unix.KEYCTL_CLEAR, unix.KEY_SPEC_THREAD_KEYRING, 0, 0, 0)
		answer <- err
	}()
	return <-answer
}

// ErrNoCephKey says that no key of a client was found.
var ErrNoCephKey = errors.New("no key")

// CephKeyOf reads the key of a user out of the text of a keyring file, and
// returns it in the text form (base64) and in Ceph's binary form. A text without
// any section may be the key alone. The text is in no error.
func CephKeyOf(text, user string) (key string, binary []byte, err error) {
	section, sections := "", 0
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if name, ok := strings.CutPrefix(line, "["); ok {
			section, sections = strings.TrimSpace(strings.TrimSuffix(name, "]")), sections+1
			continue
		}
		name, value, found := strings.Cut(line, "=")
		if found && strings.TrimSpace(name) == "key" && (section == "client."+user || sections == 0) {
			key = strings.TrimSpace(value)
			break
		}
	}
	if key == "" && sections == 0 {
		key = strings.TrimSpace(text)
	}
	if key == "" {
		return "", nil, fmt.Errorf("there is no section [client.%s] with a key: %w", user, ErrNoCephKey)
	}
	binary, err = base64.StdEncoding.DecodeString(key)
	if err != nil || len(binary) < 12 { // type, time and length come before the secret
		return "", nil, fmt.Errorf("the key of client.%s is no Ceph key", user)
	}
	return key, binary, nil
}

// CephKey is a key that was found, and where.
type CephKey struct {
	Text   string // base64
	Binary []byte
	File   string // keyring file that has it under the user's own section; "" when it came otherwise
}

// CephKey looks for a user's key where Ceph's own tools do: the settings key,
// keyfile and keyring of the cluster's configuration, else the standard keyring
// files. The error names all places.
func (h *Host) CephKey(conf CephConf, user string) (CephKey, error) {
	if text := conf.Value(user, "key"); text != "" {
		key, binary, err := CephKeyOf(text, user)
		if err != nil {
			return CephKey{}, fmt.Errorf("setting key in %s: %w", conf.File, err)
		}
		return CephKey{Text: key, Binary: binary}, nil
	}
	var tried []string
	for _, file := range conf.keyFiles(user) {
		content, err := os.ReadFile(h.Path(file))
		if err != nil {
			tried = append(tried, fmt.Sprintf("%s (%v)", file, bare(err)))
			continue
		}
		key, binary, err := CephKeyOf(string(content), user)
		if err != nil {
			tried = append(tried, fmt.Sprintf("%s (%v)", file, err))
			continue
		}
		return CephKey{Text: key, Binary: binary, File: file}, nil
	}
	return CephKey{}, fmt.Errorf("%w of client.%s on this host: looked in %s", ErrNoCephKey, user, strings.Join(tried, ", "))
}

// bare returns an error without the path that the message has already.
func bare(err error) error {
	var pathError *os.PathError
	if errors.As(err, &pathError) {
		return pathError.Err
	}
	return err
}
