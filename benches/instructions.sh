#!/bin/bash
# Instructions per operation of benches/hot.rs, counted by callgrind: the same on a busy machine as on an idle one.
#
#   instructions.sh [NAME...]     all that can be counted without a name; needs valgrind
#
# Operations that need a shard (stage, gather, plan, hop) are timed only: valgrind does not run io_uring's executor to its end.
# Each operation is run COUNT and 2 x COUNT times; the difference leaves start and preparation out.
set -eu
cd "$(dirname "$0")/.."
command -v valgrind >/dev/null || { echo "instructions.sh: valgrind is not installed" >&2; exit 1; }
program=$(cargo bench --bench hot --no-run --message-format=json 2>/dev/null |
  sed -n 's/.*"name":"hot".*"executable":"\([^"]*\)".*/\1/p' | tail -1)
[ -n "$program" ] || { echo "instructions.sh: benches/hot.rs does not build" >&2; exit 1; }
counted() { # NAME COUNT
  timeout -k 5 300 valgrind --tool=callgrind --callgrind-out-file=/dev/null "$program" "$1" "$2" 2>&1 | sed -n 's/.*Collected : \([0-9]*\).*/\1/p'
}
[ $# -gt 0 ] || set -- check-1KiB check-64KiB crc-1KiB crc-64KiB walk-64-batches
for name in "$@"; do
  count=200
  few=$(counted "$name" $count) many=$(counted "$name" $((2 * count)))
  if [ -n "$few" ] && [ -n "$many" ]; then
    printf '%-20s %12d instructions\n' "$name" $(((many - few) / count))
  else
    printf '%-20s not counted: it does not run under valgrind here\n' "$name"
  fi
done
