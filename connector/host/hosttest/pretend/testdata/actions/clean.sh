# What an earlier run left. A map without paths queues: whoever reads it hangs,
# and it stays in use.
[ -s /run/held.pid ] && kill "$(cat /run/held.pid)"
rm -f /run/held.pid
iscsiadm -m node -T "$IQN" --logout
pidof multipathd >/dev/null || { [ -x /lab/unit ] && /lab/unit multipathd start; } || multipathd
multipathd disablequeueing maps
for i in 1 2 3 4 5 6 7 8 9 10; do
  multipath -F
  [ -z "$(multipath -l)" ] && break
  sleep 0.5
done
rm -f /run/lock/iscsi/lock.write
pidof iscsid >/dev/null || iscsid
iscsiadm -m node -T "$IQN" --op delete
rm -f /etc/multipath/wwids
multipathd reconfigure
while [ "$(multipathd show daemon | cut -d' ' -f3)" != idle ]; do sleep 0.2; done
exit 0
