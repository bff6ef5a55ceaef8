for p in $P1 $P2; do
  iscsiadm -m node -T $IQN -p $p --logout
  iscsiadm -m node -T $IQN -p $p --op delete || exit
done
