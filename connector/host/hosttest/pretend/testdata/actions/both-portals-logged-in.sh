for p in $P1 $P2; do
  r="iscsiadm -m node -T $IQN -p $p"
  $r --op new
  $r --op update -n node.session.scan -v manual
  $r --op update -n node.session.auth.authmethod -v CHAP
  $r --op update -n node.session.auth.username -v $USER
  $r --op update -n node.session.auth.password -v $PASS
  $r --login || exit
done
