package dockerd

import (
	"archive/tar"
	"bytes"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strings"
)

// Import makes an image of nothing but a static busybox, whose applets are all
// in /bin, and the given files by absolute path: a path that ends in / is a
// directory. A volume mounted where the image has files gets a copy of them.
func (e *Env) Import(image string, files map[string]string) error {
	archive, err := busyboxTar(files)
	if err != nil {
		return err
	}
	_, err = e.docker(archive, "import", "--change", "ENV PATH=/bin", "-", image)
	return err
}

func busyboxTar(files map[string]string) (*bytes.Buffer, error) {
	path, err := exec.LookPath("busybox")
	if err != nil {
		return nil, err
	}
	binary, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	applets, err := exec.Command(path, "--list").Output()
	if err != nil {
		return nil, fmt.Errorf("listing busybox's applets: %w", err)
	}
	var archive bytes.Buffer
	w := tar.NewWriter(&archive)
	err = add(w, tar.Header{Name: "bin/busybox", Mode: 0o755}, string(binary))
	for _, name := range strings.Fields(string(applets)) {
		if err == nil && name != "busybox" {
			err = add(w, tar.Header{Name: "bin/" + name, Typeflag: tar.TypeSymlink, Linkname: "busybox"}, "")
		}
	}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		h := tar.Header{Name: strings.TrimPrefix(name, "/"), Mode: 0o644}
		if strings.HasSuffix(name, "/") {
			h.Typeflag, h.Mode = tar.TypeDir, 0o755
		}
		if err == nil {
			err = add(w, h, files[name])
		}
	}
	if err != nil {
		return nil, err
	}
	return &archive, w.Close()
}

func add(w *tar.Writer, h tar.Header, content string) error {
	h.Size = int64(len(content))
	if err := w.WriteHeader(&h); err != nil {
		return err
	}
	_, err := w.Write([]byte(content))
	return err
}
