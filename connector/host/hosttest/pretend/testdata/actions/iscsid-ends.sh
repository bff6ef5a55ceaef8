# iscsid is two processes; the elder has the pid file.
iscsiadm -k 0
for i in 1 2 3 4 5 6 7 8 9 10; do pidof iscsid >/dev/null || exit 0; sleep 0.2; done
exit 1
