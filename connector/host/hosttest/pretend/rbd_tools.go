package pretend

import (
	"encoding/base64"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/openstack/fuxi/connector/host"
)

// cephTool is one call of rbd or ceph that got through to its cluster.
type cephTool struct {
	k       *RBD
	program string
	cluster *Cluster
	user    *User
	words   []string // without the options
	dry     string   // all the words, for the test's complaints
}

// tool reads the options that every call has and logs in. A nil tool has its
// answer already.
func (k *RBD) tool(c host.Command) (*cephTool, host.Result) {
	options, words := map[string]string{}, []string{}
	for i := 0; i < len(c.Args); i++ {
		if strings.HasPrefix(c.Args[i], "-") && i+1 < len(c.Args) {
			options[c.Args[i]] = c.Args[i+1]
			i++
		} else {
			words = append(words, c.Args[i])
		}
	}
	t := &cephTool{k: k, program: c.Name, words: words, dry: c.String()}
	var key string
	for _, env := range c.Env {
		if text, ok := strings.CutPrefix(env, "CEPH_ARGS=--key="); ok {
			key = text
		}
	}
	if file := options["--keyring"]; file != "" {
		content, _ := os.ReadFile(k.m.Host.Path(file))
		if text, _, err := host.CephKeyOf(string(content), options["--id"]); err == nil {
			key = text
		}
	}
	binary, _ := base64.StdEncoding.DecodeString(key)
	t.cluster = k.clusterOf(options)
	if t.cluster != nil {
		t.user, _ = t.cluster.admit(options["--id"], string(binary))
	}
	if t.user == nil {
		return nil, failed(13, c.Name+": couldn't connect to the cluster!")
	}
	return t, host.Result{}
}

// clusterOf finds the cluster by the monitors of the command or of its file.
func (k *RBD) clusterOf(options map[string]string) *Cluster {
	monitors := options["-m"]
	if monitors == "" {
		content, _ := os.ReadFile(k.m.Host.Path(options["--conf"]))
		monitors = string(content)
	}
	for _, c := range k.clusters {
		if slices.ContainsFunc(c.Monitors, func(m string) bool { return strings.Contains(monitors, m[:strings.LastIndex(m, ":")]) }) {
			return c
		}
	}
	return nil
}

func (t *cephTool) run() host.Result {
	switch words := strings.Join(t.words[:len(t.words)-1], " "); t.program + " " + words {
	case "rbd info", "rbd status", "rbd lock ls":
		return t.ofImage(words, t.words[len(t.words)-1])
	case "ceph osd blocklist":
		return t.list()
	case "ceph service":
		return failed(13, "", "Error EACCES: access denied: does your client key have mgr caps? See http://docs.ceph.com/en/latest/mgr/administrator/#client-authentication")
	}
	if len(t.words) > 3 && t.program == "ceph" && t.words[1] == "blocklist" {
		return t.block(t.words[2], t.words[3])
	}
	return t.k.m.unknown(t.dry)
}

func (t *cephTool) ofImage(what, name string) host.Result {
	parts := strings.Split(name, "/")
	if !t.cluster.pools[parts[0]] {
		return failed(2, "rbd: error opening pool '"+parts[0]+"': (2) No such file or directory")
	}
	if len(parts) == 2 {
		name = strings.Replace(name, "/", "//", 1)
	}
	image := t.cluster.images[name]
	if image == nil {
		return failed(2, "rbd: error opening image "+parts[len(parts)-1]+": (2) No such file or directory")
	}
	var list []string
	switch what {
	case "info":
		return said(image.json())
	case "status":
		for _, c := range image.clients {
			list = append(list, fmt.Sprintf(`{"address":%q,"client":%s,"cookie":18446462598732840961}`, c.Address, strings.TrimPrefix(c.Name, "client.")))
		}
		return said(`{"watchers":[` + strings.Join(list, ",") + `]}`)
	}
	if o := image.owner; o != nil {
		list = append(list, fmt.Sprintf(`{"id":"auto 18446462598732840961","locker":%q,"address":%q}`, o.Name, o.Address))
	}
	return said("[" + strings.Join(list, ",") + "]")
}

// block changes the list. The usual capabilities let a user add only.
func (t *cephTool) block(what, address string) host.Result {
	if t.user.NoFence || what == "rm" && !t.user.Unfence {
		return failed(13, "Error EACCES: access denied")
	}
	if what == "rm" {
		delete(t.cluster.blocked, address)
		return host.Result{Stderr: []byte("un-blocklisting " + address + "\n")}
	}
	t.cluster.blocked[address] = true
	return host.Result{Stderr: []byte("blocklisting " + address + " until 2027-11-23T07:08:20.840221+0000 (3.1536e+07 sec)\n")}
}

// list prints the clients, and then the ranges as a value of its own.
func (t *cephTool) list() host.Result {
	var list []string
	for address := range t.cluster.blocked {
		list = append(list, fmt.Sprintf(`{"addr":%q,"until":"2027-11-23T07:08:20.840221+0000"}`, address))
	}
	return host.Result{Stdout: []byte("\n[" + strings.Join(list, ",") + "][]"), Stderr: fmt.Appendf(nil, "listed %d entries\n", len(list))}
}
