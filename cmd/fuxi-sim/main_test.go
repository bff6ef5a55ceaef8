package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// binary builds the program as it is shipped.
func binary(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "fuxi-sim")
	if out, err := exec.Command("go", "build", "-o", path, ".").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	return path
}

// process is a running program.
type process struct {
	t   *testing.T
	cmd *exec.Cmd
	url string
}

func launch(t *testing.T, path, dir string, args ...string) *process {
	t.Helper()
	cmd := exec.Command(path, append([]string{"serve", "--dir", dir, "--listen", "127.0.0.1:0"}, args...)...)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("no line on standard output: %v", err)
	}
	return &process{t: t, cmd: cmd, url: strings.TrimSpace(line)}
}

// end sends a signal and returns how the program ended.
func (p *process) end(sig syscall.Signal) error {
	p.t.Helper()
	if err := p.cmd.Process.Signal(sig); err != nil {
		p.t.Fatal(err)
	}
	return p.cmd.Wait()
}

type client struct {
	t              *testing.T
	token, project string
}

// clouds returns clouds.yaml without the address, which differs from start to
// start.
func (p *process) clouds(dir string) string {
	p.t.Helper()
	raw, err := os.ReadFile(filepath.Join(dir, "clouds.yaml"))
	if err != nil {
		p.t.Fatal(err)
	}
	return strings.ReplaceAll(string(raw), p.url, "")
}

func (p *process) login(dir string) *client {
	p.t.Helper()
	_, after, _ := strings.Cut(p.clouds(dir), `password: "`)
	password, _, _ := strings.Cut(after, `"`)
	body := fmt.Sprintf(`{"auth":{"identity":{"methods":["password"],"password":{"user":
		{"name":"demo","domain":{"id":"default"},"password":%q}}}}}`, password)
	res, err := http.Post(p.url+"/auth/tokens", "application/json", strings.NewReader(body))
	if err != nil {
		p.t.Fatal(err)
	}
	defer res.Body.Close()
	var answer struct {
		Token struct {
			Project struct{ ID string }
		}
	}
	if err := json.NewDecoder(res.Body).Decode(&answer); err != nil || res.StatusCode != http.StatusCreated {
		p.t.Fatalf("login: %v, %d", err, res.StatusCode)
	}
	return &client{t: p.t, token: res.Header.Get("X-Subject-Token"), project: answer.Token.Project.ID}
}

func (c *client) do(p *process, method, path, body string) (int, map[string]map[string]any) {
	c.t.Helper()
	req, err := http.NewRequest(method, p.url+"/"+c.project+path, bytes.NewReader([]byte(body)))
	if err != nil {
		c.t.Fatal(err)
	}
	req.Header.Set("X-Auth-Token", c.token)
	req.Header.Set("OpenStack-API-Version", "volume 3.44")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		c.t.Fatal(err)
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	var answer map[string]map[string]any
	_ = json.Unmarshal(raw, &answer)
	return res.StatusCode, answer
}

func (c *client) make(p *process) string {
	c.t.Helper()
	status, body := c.do(p, "POST", "/volumes", `{"volume":{"size":1,"metadata":{"k":"v"}}}`)
	if status != http.StatusAccepted {
		c.t.Fatalf("create: %d %v", status, body)
	}
	return body["volume"]["id"].(string)
}

func (c *client) until(p *process, id, status string) map[string]any {
	c.t.Helper()
	for range 1000 {
		if _, body := c.do(p, "GET", "/volumes/"+id, ""); body["volume"]["status"] == status {
			return body["volume"]
		}
		time.Sleep(5 * time.Millisecond)
	}
	c.t.Fatalf("volume %s never became %s", id, status)
	return nil
}

// TestKill kills the program with volumes in every state and finds all of it
// again, with the same credentials and the same token.
func TestKill(t *testing.T) {
	path, dir := binary(t), t.TempDir()
	first := launch(t, path, dir, "--seed-volumes", "3")
	c := first.login(dir)
	done := c.make(first)
	c.until(first, done, "available")
	_, body := c.do(first, "POST", "/attachments", `{"attachment":{"volume_uuid":"`+done+`"}}`)
	attachment := body["attachment"]["id"].(string)
	clouds := first.clouds(dir)
	_ = first.end(syscall.SIGKILL)

	slow := launch(t, path, dir, "--settle", "1h")
	creating := c.make(slow)
	_, list := c.do(slow, "GET", "/volumes/summary", "")
	if list["volume-summary"]["total_count"] != 5.0 {
		t.Errorf("after the first kill: %v", list)
	}
	if status, _ := c.do(slow, "DELETE", "/volumes/"+done, ""); status != http.StatusBadRequest {
		t.Errorf("delete of a reserved volume: %d", status)
	}
	if status, _ := c.do(slow, "DELETE", "/attachments/"+attachment, ""); status != http.StatusOK {
		t.Errorf("delete of the attachment: %d", status)
	}
	if got := c.until(slow, done, "available"); got["metadata"].(map[string]any)["k"] != "v" {
		t.Errorf("volume: %v", got)
	}
	c.do(slow, "DELETE", "/volumes/"+done, "")
	c.until(slow, creating, "creating")
	_ = slow.end(syscall.SIGKILL)

	last := launch(t, path, dir)
	c.until(last, creating, "available")
	for range 1000 {
		if status, _ := c.do(last, "GET", "/volumes/"+done, ""); status == http.StatusNotFound {
			break
		}
		time.Sleep(5 * time.Millisecond)
	}
	if _, err := os.Stat(filepath.Join(dir, "volumes", done+".raw")); !os.IsNotExist(err) {
		t.Errorf("the deleted volume's disk: %v", err)
	}
	if last.clouds(dir) != clouds {
		t.Error("the credentials changed")
	}
	if err := last.end(syscall.SIGTERM); err != nil {
		t.Errorf("SIGTERM: %v", err)
	}
}

func TestSecondProcess(t *testing.T) {
	path, dir := binary(t), t.TempDir()
	launch(t, path, dir)
	began := time.Now()
	out, err := exec.Command(path, "serve", "--dir", dir, "--listen", "127.0.0.1:0").CombinedOutput()
	if err == nil || !strings.Contains(string(out), "in use by another fuxi-sim") || time.Since(began) > 2*time.Second {
		t.Errorf("%v after %v: %s", err, time.Since(began), out)
	}
	if out, err := exec.Command(path, "serve").CombinedOutput(); err == nil || !strings.Contains(string(out), "dir") {
		t.Errorf("without --dir: %v: %s", err, out)
	}
}

// TestReadyWithManyVolumes measures the time to the first answer, new and on a
// directory that has them already.
func TestReadyWithManyVolumes(t *testing.T) {
	path, dir := binary(t), t.TempDir()
	for _, what := range []string{"seeding", "restarting"} {
		began := time.Now()
		p := launch(t, path, dir, "--seed-volumes", "10000")
		p.login(dir)
		took := time.Since(began)
		t.Logf("%s with 10000 volumes: ready and logged in after %v", what, took)
		if took > 30*time.Second {
			t.Errorf("%s took %v", what, took)
		}
		_ = p.end(syscall.SIGKILL)
	}
}
