package mount

import (
	"context"
	"fmt"
	"strings"

	"github.com/openstack/fuxi/connector"
	"github.com/openstack/fuxi/connector/host"
)

// reading is what the own reading of a device found.
type reading struct {
	sb      superblock
	known   bool  // sb was recognised completely and nothing contradicts it
	nonzero int64 // offset of the first byte found that is not zero, -1 for none
}

// Probe reads what is on the device, in three values: something (Kind says
// what), provably blank, or an error, which means unknown.
//
// It reads the device directly and then, unless that recognised a filesystem
// completely, lets blkid probe it at low level. blkid's "nothing found" alone is
// worth nothing: it says the same of a device whose reads fail. And its own
// reading alone would miss the names of signatures. Blank needs both: complete,
// zero reads everywhere, and no signature.
func (m *Mounter) Probe(ctx context.Context, src connector.Source) (connector.Content, error) {
	r, err := m.read(ctx, src.Device)
	if err != nil {
		return connector.Content{}, fmt.Errorf("probe %s: what is on it is unknown: %w", src.Device, err)
	}
	if r.known {
		return connector.Content{Kind: r.sb.kind, UUID: r.sb.uuid, Unfinished: r.sb.unfinished,
			Where: fmt.Sprintf("superblock at offset %d", r.sb.where)}, nil
	}
	content, found, err := m.blkid(ctx, src.Device)
	switch {
	case err != nil:
		return connector.Content{}, fmt.Errorf("probe %s: what is on it is unknown: %w", src.Device, err)
	case found:
		return content, nil
	case r.nonzero >= 0:
		return connector.Content{Kind: "data", Where: fmt.Sprintf("offset %d", r.nonzero)}, nil
	}
	return connector.Content{Blank: true}, nil
}

// read looks at the head and the tail and, unless these show a filesystem, at
// all sampled places. Every error means that the content is unknown.
func (m *Mounter) read(ctx context.Context, device string) (reading, error) {
	return host.ReadDisk(ctx, m.host, device, func(d *host.Disk) (reading, error) {
		r, err := readEnds(d)
		if err == nil && !r.known {
			r.nonzero, err = firstNonzero(d)
		}
		return r, err
	})
}

// readHead looks at the head and the tail only.
func (m *Mounter) readHead(ctx context.Context, device string) (reading, error) {
	return host.ReadDisk(ctx, m.host, device, readEnds)
}

func readEnds(d *host.Disk) (reading, error) {
	r := reading{nonzero: -1}
	if d.Size < headLen {
		return r, fmt.Errorf("the device has only %d bytes", d.Size)
	}
	head, err := d.Read(0, endLen)
	if err != nil {
		return r, err
	}
	sb, known := decode(head) // before the next Read
	tail, err := d.Read(d.Size-endLen, endLen)
	if err != nil {
		return r, err
	}
	// One that is larger than the device was cut off, or is not the device's own.
	if known && sb.size <= d.Size && !foreignTail(tail, d.Size) {
		r.sb, r.known = sb, true
	}
	return r, nil
}

// firstNonzero reads every place that must be zero on a blank device.
func firstNonzero(d *host.Disk) (int64, error) {
	for _, place := range places(d.Size) {
		b, err := d.Read(place.Off, place.Len)
		if err != nil {
			return -1, err
		}
		if i := firstData(b); i >= 0 {
			return max(place.Off, 0) + int64(i), nil
		}
	}
	return -1, nil
}

// places lists what is read of a device before it may be called blank: the
// head, the tail (with GPT's backup), 64 samples in between, and where the
// second superblocks lie: a filesystem whose first two MiB were wiped shows
// nothing at head and tail.
func places(size int64) []host.Range {
	const sample, count = 64 << 10, 64
	list := append([]host.Range{{Off: 0, Len: headLen}, {Off: size - tailLen, Len: tailLen}}, seconds(size)...)
	for i := range int64(count) {
		list = append(list, host.Range{Off: (size - sample) / (count - 1) * i, Len: sample})
	}
	return list
}

// seconds lists the places of second superblocks, a margin around them
// included.
func seconds(size int64) []host.Range {
	const margin = 32 << 10
	at := []int64{
		8193 << 10,             // ext4 with blocks of 1 KiB
		32768 * 4096,           // ext4 with blocks of 4 KiB
		64 << 20,               // btrfs
		256 << 30,              // btrfs
		size / 4,               // xfs: mkfs makes four allocation groups,
		size / 2, size / 4 * 3, // and each begins with a superblock
	}
	var list []host.Range
	for _, off := range at {
		if off < size {
			list = append(list, host.Range{Off: off - margin, Len: 2 * margin})
		}
	}
	return list
}

// blkid probes at low level, past the udev database. found is false only for
// its exit code 2 without a complaint.
func (m *Mounter) blkid(ctx context.Context, device string) (content connector.Content, found bool, err error) {
	res, err := m.host.Run(ctx, host.Command{Name: "blkid", Args: []string{"-p", "-o", "export", device}})
	if err != nil {
		return connector.Content{}, false, err
	}
	const nothing, ambivalent = 2, 8
	switch {
	case res.ExitCode == 0:
		content = parseBlkid(string(res.Stdout))
		content.Where = "blkid"
		return content, true, nil
	case res.ExitCode == ambivalent:
		return connector.Content{Kind: "ambivalent", Where: "blkid found several signatures"}, true, nil
	case res.ExitCode == nothing && len(res.Stderr) == 0:
		return connector.Content{}, false, nil
	}
	return connector.Content{}, false, res.Check("blkid")
}

// parseBlkid reads blkid's export format. What has neither a type nor a
// partition table is data of some kind.
func parseBlkid(export string) connector.Content {
	values := map[string]string{}
	for line := range strings.Lines(export) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		values[key] = value
	}
	switch {
	case values["TYPE"] != "":
		return connector.Content{Kind: values["TYPE"], UUID: values["UUID"]}
	case values["PTTYPE"] != "":
		return connector.Content{Kind: values["PTTYPE"], UUID: values["PTUUID"]}
	}
	return connector.Content{Kind: "data"}
}
