// Package lab tests fuxi where its users run it: on Docker hosts of a real
// OpenStack. The hosts, the cloud and the storage are those of scripts/lab (only
// Nova is simulated, since no virtual machine fits in there; the disks that it
// plugs in are real). The plugin is the binary as it is shipped, installed as its
// manual says. It is spoken to through Docker and through its own command only.
// Whatever a run leaves behind (session, node record, device, map, mapped image,
// mount, attachment, access rule, volume, share) fails it.
//
//	make e2e            what continuous integration runs
//	make e2e FULL=1     everything, with the figures for docs/lab-figures.md
//
// The tests need the lab to be up and have the build tag e2e. They find it by
// FUXI_LAB, the lab's command; FUXI_LAB_USE="node1 node2" says which Docker
// hosts they may use, all by default.
package lab
