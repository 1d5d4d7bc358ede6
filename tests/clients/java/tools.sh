#!/bin/bash
# The command line tools of Kafka 4.3, unchanged, against a broker.
#
# One line per check; the first difference ends the script with exit code 1.
set -u
address=${1:?usage: tools.sh HOST:PORT}
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
topic=tools-$$-$(date +%s)

fail() { echo "FAIL $*"; exit 1; }
ok() { echo "ok $*"; }
# Runs a tool; what it prints stands in $work/out, what it complains about in $work/err.
tool() { timeout 60 "$here/../../support/kafka.sh" tool "$@" >"$work/out" 2>"$work/err"; }
must() { # WHAT CLASS ARG...
  local what=$1; shift
  tool "$@" || fail "$what: exit code $?: $(tail -5 "$work/out" "$work/err")"
}
says() { # WHAT PATTERN
  grep -Eq -- "$2" "$work/out" || fail "$1: no line matches $2: $(cat "$work/out" "$work/err")"
  ok "$1"
}
topics() { must "$1" org.apache.kafka.tools.TopicCommand --bootstrap-server "$address" "${@:2}"; }
configs() { must "$1" kafka.admin.ConfigCommand --bootstrap-server "$address" "${@:2}"; }
offsets() { must "$1" org.apache.kafka.tools.GetOffsetShell --bootstrap-server "$address" --topic "$topic" "${@:2}"; }

must "kafka-broker-api-versions" org.apache.kafka.tools.BrokerApiVersionsCommand --bootstrap-server "$address"
says "kafka-broker-api-versions: Produce" "Produce\(0\): 0 to 13 \[usable: 13\]"
grep -Eq "FindCoordinator\(10\): [0-9]" "$work/out" && groups=1 || groups=

topics "kafka-topics --create" --create --topic "$topic" --partitions 2 --config retention.ms=86400000
says "kafka-topics --create" "Created topic $topic"
topics "kafka-topics --list" --list
says "kafka-topics --list" "^$topic$"
topics "kafka-topics --describe" --describe --topic "$topic"
says "kafka-topics --describe" "PartitionCount: 2.*ReplicationFactor: 1.*retention.ms=86400000"
says "kafka-topics --describe names the leader" "Partition: 1	Leader: [0-9]+	Replicas: ([0-9]+)	Isr: [0-9]+"
tool org.apache.kafka.tools.TopicCommand --bootstrap-server "$address" --create --topic "$topic" && fail "a topic was created twice"
grep -q "already exists" "$work/out" "$work/err" || fail "creating a topic twice: $(cat "$work/out" "$work/err")"
ok "kafka-topics --create of a topic that exists"

configs "kafka-configs --alter" --alter --topic "$topic" --add-config max.message.bytes=500000,retention.ms=172800000
configs "kafka-configs --describe" --describe --topic "$topic"
says "kafka-configs --describe" "max.message.bytes=500000 "
says "kafka-configs --describe shows synonyms" "retention.ms=172800000 sensitive=false synonyms=\{DYNAMIC_TOPIC_CONFIG:retention.ms=172800000"
configs "kafka-configs --alter --delete-config" --alter --topic "$topic" --delete-config max.message.bytes
configs "kafka-configs --describe --all" --describe --all --topic "$topic"
says "kafka-configs --describe --all" "max.message.bytes=1048588 sensitive=false synonyms=\{DEFAULT_CONFIG:message.max.bytes=1048588\}"

# The console producer and consumer: keys, headers, null values, all codecs and acks.
: >"$work/expected"
n=0
for settings in "0 none" "1 gzip" "all snappy" "all lz4" "all zstd"; do
  acks=${settings% *} codec=${settings#* }
  printf 'h%d:x,g:y\tkey-%d\tvalue %d %s\nNULL\tno-headers\tNULL\n' $n $n $n "$codec" >"$work/in"
  tool org.apache.kafka.tools.ConsoleProducer --bootstrap-server "$address" --topic "$topic" --compression-codec "$codec" \
    --command-property acks="$acks" --command-property partitioner.class=org.apache.kafka.clients.producer.RoundRobinPartitioner \
    --reader-property parse.key=true --reader-property parse.headers=true --reader-property null.marker=NULL <"$work/in" ||
    fail "kafka-console-producer: $(cat "$work/out" "$work/err")"
  ok "kafka-console-producer acks=$acks $codec"
  n=$((n + 2))
  cat "$work/in" >>"$work/expected"
done
for _ in 1 2 3 4 5; do
  offsets "kafka-get-offsets" --time latest
  total=$(awk -F: '{ n += $3 } END { print n }' "$work/out")
  [ "$total" = $n ] && break
  sleep 1
done
[ "$total" = $n ] || fail "kafka-get-offsets: $total records instead of $n"
ok "kafka-get-offsets --time latest"
: >"$work/got"
for partition in 0 1; do
  must "kafka-console-consumer" org.apache.kafka.tools.consumer.ConsoleConsumer --bootstrap-server "$address" --topic "$topic" \
    --partition $partition --offset earliest --timeout-ms 3000 --formatter-property print.key=true \
    --formatter-property print.headers=true --formatter-property null.literal=NULL
  cat "$work/out" >>"$work/got"
done
sed 's|^NULL\t|NO_HEADERS\t|' "$work/expected" | sort >"$work/a"
sort "$work/got" >"$work/b"
diff "$work/a" "$work/b" || fail "kafka-console-consumer reads something else"
ok "kafka-console-consumer --partition reads what was written"
must "kafka-console-consumer from an offset" org.apache.kafka.tools.consumer.ConsoleConsumer --bootstrap-server "$address" --topic "$topic" \
  --partition 0 --offset 1 --max-messages 1 --timeout-ms 5000 --formatter-property print.offset=true
says "kafka-console-consumer --offset 1" "^Offset:1	"

offsets "kafka-get-offsets" --time earliest
says "kafka-get-offsets --time earliest" "^$topic:0:0$"
offsets "kafka-get-offsets" --time max-timestamp
says "kafka-get-offsets --time max-timestamp" "^$topic:1:[0-9]+$"
offsets "kafka-get-offsets" --time 1
says "kafka-get-offsets of a time" "^$topic:1:0$"

must "kafka-log-dirs" org.apache.kafka.tools.LogDirsCommand --bootstrap-server "$address" --describe --topic-list "$topic"
says "kafka-log-dirs" "\"partition\":\"$topic-1\",\"size\":[1-9][0-9]*,\"offsetLag\":0,\"isFuture\":false"

must "kafka-producer-perf-test" org.apache.kafka.tools.ProducerPerformance --bootstrap-server "$address" --topic "$topic" \
  --num-records 20000 --record-size 1000 --throughput -1 --command-property acks=all
says "kafka-producer-perf-test" "^20000 records sent"
if [ -n "$groups" ]; then
  must "kafka-consumer-perf-test" org.apache.kafka.tools.ConsumerPerformance --bootstrap-server "$address" --topic "$topic" --num-records 15000
  says "kafka-consumer-perf-test" "[0-9], 1[5-9][0-9]{3}|, 2[0-9]{4}, "
else
  # The tool can only subscribe: without a group coordinator it has nothing to join.
  echo "skipped kafka-consumer-perf-test: the broker does not offer consumer groups"
fi

printf '{"partitions":[{"topic":"%s","partition":0,"offset":3}],"version":1}' "$topic" >"$work/delete.json"
must "kafka-delete-records" org.apache.kafka.tools.DeleteRecordsCommand --bootstrap-server "$address" --offset-json-file "$work/delete.json"
says "kafka-delete-records" "low_watermark: 3"
offsets "kafka-get-offsets" --time earliest
says "kafka-get-offsets after deleting records" "^$topic:0:3$"
topics "kafka-topics --alter" --alter --topic "$topic" --partitions 4
topics "kafka-topics --describe" --describe --topic "$topic"
says "kafka-topics --alter --partitions" "PartitionCount: 4"
topics "kafka-topics --delete" --delete --topic "$topic"
for _ in 1 2 3; do
  topics "kafka-topics --list" --list
  grep -q "^$topic$" "$work/out" || { ok "kafka-topics --delete"; echo "done java tools"; exit 0; }
done
fail "the deleted topic is still listed"
