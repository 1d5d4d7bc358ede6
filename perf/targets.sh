#!/bin/bash
# Every scenario that has targets, corelog in turns with Apache Kafka (and, where a target names it, with a Kafka that flushes
# each append), on the same core: what is held and what is missed. About an hour for all; the beginning says how long for
# those that are named. Measure on a machine that does nothing else.
#
#   targets.sh [FILE...]     scenario files, by path or by name (batches-16KiB); without any, all of perf/scenarios with targets
#
# Prints one Markdown table at the end: load | target | measured | ceiling of this host | held or missed. One comparison that
# fails does not end the others, and counts as missed. Ends with 1 if a target was missed.
#
# RESULTS (./targets-results: FILE.json and FILE.html, table.md, log), DATA (./targets-data: where the brokers write; the device
# under it is measured; removed at the end), CORELOG (target/release/corelog), KAFKA_LIBS (as for peers/kafka.sh),
# PREPARE (240s: how long Kafka is loaded before its first turn, as each of the two that it stands for), OPTIONS
# (more options of `corelog bench compare`, as "--turns 1 --duration 3s").
#
# All in one `bench compare`: one Kafka serves scenario after scenario, so that its start and its warm-up are paid once and it
# grows warmer as it goes. Who has no turn is stopped: the core belongs to the other alone. A JVM does not compile meanwhile,
# hence the long PREPARE.
set -eu -o pipefail
here=$(cd "$(dirname "$0")" && pwd)
corelog=${CORELOG:-$here/../target/release/corelog}
results=${RESULTS:-targets-results} data=${DATA:-targets-data}
[ -x "$corelog" ] || { echo "targets.sh: no $corelog: cargo build --release" >&2; exit 2; }

files=()
if [ $# -gt 0 ]; then
  for name; do
    [ -f "$name" ] || name=$here/scenarios/$(basename "$name" .toml).toml
    [ -f "$name" ] || { echo "targets.sh: no scenario $name" >&2; exit 2; }
    files+=("$name")
  done
else
  # Those that want settings of the brokers last: they need brokers of their own.
  for wanted in "-L" "-l"; do
    for name in "$here"/scenarios/*.toml; do
      grep -q '^\[\[target\]\]' "$name" || continue
      [ -z "$(grep "$wanted" '^properties' "$name" || true)" ] || files+=("$name")
    done
  done
fi

mkdir -p "$results"
json=()
for name in "${files[@]}"; do
  result=$results/$(basename "$name" .toml).json
  json+=("$result")
  # What an earlier run left is no result of this one.
  rm -f "$result" "${result%.json}.html"
done
began=$(date +%s)
# shellcheck disable=SC2086
"$corelog" bench compare --scenario "${files[@]}" --only-of-targets --pause-others --prepare "${PREPARE:-240s}" --prepare-again 8s --data-dir "$data" --ceilings "$data" --results "$results" ${OPTIONS:-} \
  > >(tee "$results/log" >&2) 2>&1 &
comparing=$!
# It stops its brokers when it is told to end: nothing is left running, and what there is already is shown.
trap 'kill "$comparing" 2>/dev/null || true' INT TERM
while kill -0 "$comparing" 2>/dev/null; do wait "$comparing" || true; done
trap - INT TERM
status=0
"$corelog" bench targets "${json[@]}" | tee "$results/table.md" || status=1
echo "targets.sh: $(($(date +%s) - began)) s; results in $results" >&2
exit $status
