package pretend

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// show makes the device's files. Their names and contents are those recorded on
// a real host.
func (k *RBD) show(p *rbdMapping, line string) {
	sys, dir, n := k.m.sys, p.dir(), k.m.numberOf(p.loop)
	words := strings.Fields(line)
	sys.files(dir, map[string]string{
		"client_addr": p.address, "client_id": "client" + p.client, "cluster_fsid": p.image.cluster.FSID, "config_info": line + "\n",
		"current_snap": "-", "features": fmt.Sprintf("0x%016x", p.image.Features), "image_id": p.image.ID, "major": strconv.Itoa(int(n.Major)),
		"minor": strconv.Itoa(int(n.Minor)), "name": words[3], "parent": "(no parent image)", "pool": words[2], "pool_id": "1",
		"pool_ns": p.options["_pool_ns"], "snap_id": "18446744073709551614",
	})
	sys.action(dir+"/refresh", func(string) unix.Errno { return k.refresh(p) })
	block := dir + "/block/" + p.name()
	ro := "0"
	if p.readOnly {
		ro = "1"
		k.protect(p)
	}
	sys.files(block, map[string]string{"dev": n.String(), "ro": ro})
	sys.dir(block + "/holders")
	discards := "4194304"
	if _, off := p.options["notrim"]; off {
		discards = "0"
	}
	sys.file(block+"/queue/discard_max_bytes", discards)
	k.resize(p)
	sys.link("/bus/rbd/devices/"+strconv.Itoa(p.number), dir)
	sys.link("/block/"+p.name(), block)
	sys.link("/dev/block/"+n.String(), block)
	k.m.node(p.name(), n)
}

// protect has the real kernel refuse writes.
func (k *RBD) protect(p *rbdMapping) {
	fd, err := unix.Open(p.loop.Device, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	k.m.check(err)
	defer unix.Close(fd)
	k.m.check(unix.IoctlSetPointerInt(fd, unix.BLKROSET, 1))
}

// resize shows the size that the image has.
func (k *RBD) resize(p *rbdMapping) {
	k.m.resize(p.loop)
	st, err := os.Stat(p.image.file)
	k.m.check(err)
	k.m.sys.file(p.dir()+"/size", strconv.FormatInt(st.Size(), 10))
	k.m.sys.file(p.dir()+"/block/"+p.name()+"/size", strconv.FormatInt(st.Size()/512, 10))
}

func (k *RBD) refresh(p *rbdMapping) unix.Errno {
	k.m.mu.Lock()
	defer k.m.mu.Unlock()
	if p.image.cluster.blocked[p.address] {
		return unix.ESHUTDOWN
	}
	k.resize(p)
	return 0
}

// remove acts on a device's number, as do_rbd_remove without force.
func (k *RBD) remove(text string) unix.Errno {
	k.m.mu.Lock()
	defer k.m.mu.Unlock()
	number, err := strconv.Atoi(strings.TrimSpace(text))
	if err != nil {
		return unix.EINVAL
	}
	for _, p := range k.mappings {
		if p.number != number {
			continue
		}
		fd, err := unix.Open(p.loop.Device, unix.O_RDONLY|unix.O_EXCL|unix.O_CLOEXEC, 0)
		if err != nil {
			return unix.EBUSY
		}
		unix.Close(fd)
		k.drop(p)
		return 0
	}
	return unix.ENOENT
}

func (k *RBD) drop(p *rbdMapping) {
	k.mappings = slices.DeleteFunc(k.mappings, func(o *rbdMapping) bool { return o == p })
	p.image.unlock(p.address)
	k.m.unlink(p.name())
	n := k.m.numberOf(p.loop)
	for _, path := range []string{"/dev/block/" + n.String(), "/block/" + p.name(), "/bus/rbd/devices/" + strconv.Itoa(p.number), p.dir()} {
		k.m.sys.remove(path)
	}
	k.m.clear(p.loop)
}
