#!/bin/bash
# Does corelog bench agree with Kafka's own kafka-producer-perf-test? Both put the same load on the same Apache Kafka, in turns,
# where that tool is not the limit: at a rate that is asked for, and where each append is flushed (the flush is the limit then).
#
#   agree.sh [DIR]      data and results under DIR (./agree-data); ends with 1 if they do not agree
#
# The broker and the clients have cores of their own. Without that a client that takes much of its time takes it from the broker.
#
# CORELOG (target/release/corelog), KAFKA_LIBS (as for peers/kafka.sh), TURNS (3), SECONDS_EACH (10), PORT (29600),
# BROKER_CPUS (0), CLIENT_CPUS (1).
# They agree if their ranges touch or their medians differ by 5 % at most. Counted are records a second: the tool's MB/s are of
# values alone, and of 2^20 bytes.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
corelog=${CORELOG:-$here/../target/release/corelog}
libs=${KAFKA_LIBS:-$HOME/.cache/kafka-${KAFKA_VERSION:-4.3.0}/libs}
dir=${1:-agree-data} turns=${TURNS:-3} length=${SECONDS_EACH:-10} port=${PORT:-29600}
broker_cpus=${BROKER_CPUS:-0} client_cpus=${CLIENT_CPUS:-1}
mkdir -p "$dir"
dir=$(cd "$dir" && pwd)

KAFKA_LIBS=$libs taskset -c "$broker_cpus" "$here/peers/kafka.sh" run "$port" "$dir/kafka" &
broker=$!
trap 'kill $broker 2>/dev/null; wait $broker 2>/dev/null || true; rm -rf "$dir/kafka"' EXIT
for _ in $(seq 300); do
  (exec 8<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null && break
  kill -0 $broker || { echo "agree.sh: Kafka ended" >&2; exit 1; }
  sleep 0.2
done
tool() { taskset -c "$client_cpus" java -Xmx512M -cp "$libs/*" "$@"; }
topic() { # NAME CONFIG...
  local name=$1; shift
  tool org.apache.kafka.tools.TopicCommand --bootstrap-server "127.0.0.1:$port" --create --topic "$name" --partitions 1 "$@" >/dev/null 2>&1
}

# One connection, 5 requests in flight, batches of 16 KiB that are full, 16 records of 1000 bytes in each.
# Its own start is left out, as the harness leaves out its warm-up: the last figure it prints is of the steady state.
# A small buffer: that state begins for the tool when the first of its records goes into the buffer, so all that lies there by
# then counts as time and not as records (64 MB made it a third slower than it was).
theirs() { # TOPIC RATE RECORDS WARMUP_RECORDS
  tool org.apache.kafka.tools.ProducerPerformance --topic "$1" --num-records "$3" --record-size 1000 --throughput "$2" \
    --warmup-records "$4" --bootstrap-server "127.0.0.1:$port" --command-property acks=all batch.size=16384 linger.ms=1000 enable.idempotence=false \
    max.in.flight.requests.per.connection=5 buffer.memory=524288 2>/dev/null |
    sed -n 's/.*records sent, \([0-9.]*\) records\/sec.*ms 99.9th.*/\1/p' | tail -1
}
ours() { # TOPIC RECORDS_PER_S (-1: as fast as it goes)
  local rate=()
  [ "$2" = -1 ] || rate=(--rate "$(awk "BEGIN { print $2 / 16 }")")
  "$corelog" bench run --bootstrap "127.0.0.1:$port" --topic "$1" --connections 1 --in-flight 5 --batch-bytes 16384 \
    --record-bytes 1000 --cpus "$client_cpus" --warmup 2s --duration "${length}s" "${rate[@]}" --json "$dir/ours.json" >"$dir/ours.txt" || cat "$dir/ours.txt" >&2
  sed -n '/"produced"/,/}/s/.*"records_per_s": \([0-9.]*\).*/\1/p' "$dir/ours.json" | head -1
}
verdict() { # reads "ours theirs" lines
  awk -v name="$1" '
    { a[NR] = $1; b[NR] = $2 }
    function median(v, n,   i, j, t) { for (i = 1; i <= n; i++) for (j = i + 1; j <= n; j++) if (v[j] < v[i]) { t = v[i]; v[i] = v[j]; v[j] = t }
      return n % 2 ? v[(n + 1) / 2] : (v[n / 2] + v[n / 2 + 1]) / 2 }
    END {
      ma = median(a, NR); mb = median(b, NR)
      touch_ = a[1] <= b[NR] && b[1] <= a[NR]; near = ma > 0 && mb > 0 && ma / mb < 1.05 && mb / ma < 1.05
      printf "%-28s corelog bench %.0f (%.0f-%.0f), kafka-producer-perf-test %.0f (%.0f-%.0f) records/s: %s\n",
        name, ma, a[1], a[NR], mb, b[1], b[NR], (touch_ || near) ? "agree" : "DIFFER"
      exit !(touch_ || near)
    }'
}

topic default
topic flushed --config flush.messages=1
failed=0
for load in "5,000 records/s asked for:default:5000" "each append flushed:flushed:-1"; do
  IFS=: read -r name topic rate <<<"$load"
  # So many records take about the same time; and once before it counts, for the broker's sake.
  expected=$(ours "$topic" "$rate")
  warmup=$(awk "BEGIN { print int($expected * 4) }")
  records=$(awk "BEGIN { print int($expected * $length + $warmup) }")
  for _ in $(seq "$turns"); do
    echo "$(ours "$topic" "$rate") $(theirs "$topic" "$rate" "$records" "$warmup")"
  done >"$dir/figures"
  verdict "$name" <"$dir/figures" || failed=1
done
exit $failed
