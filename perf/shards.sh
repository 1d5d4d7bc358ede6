#!/bin/bash
# What a second shard brings on two cores, and what it costs that a request comes to a shard that does not own its partition:
# the same loads on one shard and on two, in turns, with a client that no core is kept for.
#
#   shards.sh [DIR]      data under DIR (./shards-data); about 3 minutes
#
# CORELOG (target/release/corelog), TURNS (2), SECONDS_EACH (5), ALONE (6: runs of one client with one request at a time, each with a
# topic and a connection of its own: with two shards it finds its partition on its own shard or on the other, by chance),
# PORT (29700), SHARDS ("1 2").
set -eu -o pipefail
here=$(cd "$(dirname "$0")" && pwd)
corelog=${CORELOG:-$here/../target/release/corelog}
dir=${1:-shards-data} turns=${TURNS:-2} length=${SECONDS_EACH:-5} alone=${ALONE:-6} port=${PORT:-29700} shards=${SHARDS:-1 2}
[ -x "$corelog" ] || { echo "shards.sh: no $corelog: cargo build --release" >&2; exit 2; }
mkdir -p "$dir"
dir=$(cd "$dir" && pwd)
broker=
stop() {
  [ -n "$broker" ] || return 0
  kill "$broker" 2>/dev/null || true
  wait "$broker" 2>/dev/null || true
  rm -rf "$dir/broker"
  broker=
}
trap stop EXIT
start() { # SHARDS
  "$corelog" start --override node.id=1 --override "listeners=PLAINTEXT://127.0.0.1:$port" --override "log.dirs=$dir/broker" \
    --override "corelog.cores=$1" >"$dir/broker.log" 2>&1 &
  broker=$!
  for _ in $(seq 100); do
    (exec 8<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null && return
    kill -0 "$broker" 2>/dev/null || { cat "$dir/broker.log" >&2; exit 1; }
    sleep 0.1
  done
  echo "shards.sh: the broker does not listen" >&2
  exit 1
}
figures() { # OPTIONS... -> "MB/s requests/s us-of-CPU-a-request p50-ms"
  "$corelog" bench run --bootstrap "127.0.0.1:$port" --warmup 2s "$@" >"$dir/run.txt" || { cat "$dir/run.txt" >&2; exit 1; }
  awk '/^produced/ { mb = $2; requests = $4 } /^latency/ && !p50 { p50 = $3 }
    / us\/request/ { for (i = 2; i <= NF; i++) if ($i == "us/request") us = $(i - 1) } END { print mb, requests, us, p50 }' "$dir/run.txt"
}
row() { # LOAD FIGURES
  printf '%-8s %-34s %s\n' "$these" "$@"
}
printf '%-8s %-34s %s\n' shards load 'MB/s, requests/s, us of CPU a request, p50 in ms'
for _ in $(seq "$turns"); do
  for these in $shards; do
    start "$these"
    # Assigned first: a load that fails ends the script.
    found=$(figures --duration "${length}s" --batch-bytes 64KiB --connections 4 --in-flight 4 --partitions 16)
    row '64 KiB, 4 x 4, 16 partitions' "$found"
    found=$(figures --duration "${length}s" --batch-bytes 1KiB --record-bytes 1KiB --connections 16 --in-flight 16 --partitions 16)
    row '1 KiB, 16 x 16, 16 partitions' "$found"
    for _ in $(seq "$alone"); do
      figures --duration 2s --batch-bytes 1KiB --record-bytes 1KiB --connections 1 --in-flight 1 --partitions 1
    done | sort -k 4n | while read -r found; do row '1 KiB, one at a time' "$found"; done
    stop
  done
done
