rm -f /run/lock/iscsi/lock.write
