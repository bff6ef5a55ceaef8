pid=$(cat /run/held.pid) && rm /run/held.pid && kill "$pid"
while kill -0 "$pid" 2>/dev/null; do sleep 0.1; done
sleep 0.5
