package host_test

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// syncClose closes a descriptor so that no child has a copy of it afterwards.
func syncClose(fd int) {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	unix.Close(fd)
}
