# Whoever supervises it would start it again.
[ ! -x /lab/unit ] || /lab/unit multipathd stop
pidof multipathd >/dev/null && multipathd shutdown
for i in 1 2 3 4 5 6 7 8 9 10; do pidof multipathd >/dev/null || exit 0; sleep 0.2; done
exit 1
