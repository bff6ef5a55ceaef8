# multipathd takes a path out of a map only when udev is done with it.
udevadm settle
sleep 5
