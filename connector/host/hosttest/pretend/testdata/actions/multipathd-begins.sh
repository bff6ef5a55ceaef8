[ ! -x /lab/unit ] || exec /lab/unit multipathd start
multipathd
for i in 1 2 3 4 5 6 7 8 9 10; do multipathd show daemon && exit 0; sleep 0.2; done
exit 1
