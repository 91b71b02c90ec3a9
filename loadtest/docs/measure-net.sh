#!/bin/bash
# Measures how exact `loadtest net` is, in namespaces of its own, and writes target/results/link.json.
# Run as root from the root of the workspace after `cargo build -p loadtest`; needs ping and iperf3. Takes two minutes.
set -euo pipefail
LOADTEST=${LOADTEST:-target/debug/loadtest}
WORK=$(mktemp -d)
COMMAND=loadtest/docs/measure-net.sh
NET=
SERVER=

stop() {
  [ -z "$SERVER" ] || kill "$SERVER" 2>/dev/null || true
  [ -z "$NET" ] || { kill "$NET" 2>/dev/null && wait "$NET" || true; }
  NET= SERVER=
}
trap 'stop; rm -rf "$WORK"' EXIT

# start SETTINGS: a link lt-a to lt-b that is alike both ways, and an iperf3 server behind it.
start() {
  : >"$WORK/out"
  "$LOADTEST" net --create --link measure=lt-a:10.79.0.1,lt-b:10.79.0.2 --set "both $1" \
    --stats "$WORK/stats.jsonl" </dev/null >"$WORK/out" &
  NET=$!
  until grep -q ready "$WORK/out"; do kill -0 "$NET"; sleep 0.1; done
  ip netns exec lt-b iperf3 -s >/dev/null 2>&1 & SERVER=$!
  sleep 0.5
}

row() { "$LOADTEST" result link --command "$COMMAND" --row "$1" >/dev/null; }

# of FIELD FILTER: the mean of a field over the steady seconds of the direction ab.
steady() {
  python3 - "$WORK/stats.jsonl" "$1" "$2" <<'P'
import json, sys
rows = [json.loads(line) for line in open(sys.argv[1])]
rows = [row for row in rows if row["direction"] == "ab" and row["offered"] > int(sys.argv[3])][2:-2]
print("%.4f" % (sum(row[sys.argv[2]] for row in rows) / len(rows)))
P
}

for rate in 1 5 10 50; do
  start "rate=${rate}M,delay=30ms,queue=250ms"
  # 60 ms and the time that 84 bytes take to send, twice.
  expected=$(python3 -c "print(60 + 2 * 84 * 8 / (${rate} * 1e3))")
  rtt=$(ip netns exec lt-a ping -q -c 100 -i 0.05 10.79.0.2 | sed -n 's|.*= [0-9.]*/\([0-9.]*\)/.*|\1|p')
  row "round trip at ${rate} Mbit/s, error=$(python3 -c "print(round($rtt - $expected, 3))") ms <=0.5"
  ip netns exec lt-a iperf3 -u -b "$((rate * 13 / 10 + 1))M" -l 1200 -t 8 -c 10.79.0.2 >/dev/null
  served=$(steady delivered_kbps 50)
  row "rate at ${rate} Mbit/s, error=$(python3 -c "print(round(abs($served / ${rate}e3 - 1) * 100, 4))") % <=0.5"
  row "mean lateness at ${rate} Mbit/s=$(steady late_mean_us 50) us <=100"
  row "worst lateness of a mean second at ${rate} Mbit/s=$(steady late_max_us 50) us"
  ticks=$(awk '{print $14 + $15}' "/proc/$NET/stat")
  row "processor at ${rate} Mbit/s=$(python3 -c "
import os,time
print(round($ticks / os.sysconf('SC_CLK_TCK') / (time.time() - os.stat('/proc/$NET').st_mtime) * 100, 2))") % of a core"
  stop
done

start "rate=5M,delay=30ms,loss=1%"
# An unlucky set-up packet of iperf3 is not repeated, so it may have to try again.
for _ in 1 2 3; do
  ip netns exec lt-a iperf3 -u -b 3M -l 300 -t 10 -c 10.79.0.2 >/dev/null && break
done
stop
row "loss of 1 %, measured=$(python3 - "$WORK/stats.jsonl" <<'P'
import json, sys
rows = [json.loads(line) for line in open(sys.argv[1])]
rows = [row for row in rows if row["direction"] == "ab"]
print("%.3f" % (100 * sum(row["lost"] for row in rows) / sum(row["offered"] for row in rows)))
P
) % >=0.8"

"$LOADTEST" result link --command "$COMMAND"
