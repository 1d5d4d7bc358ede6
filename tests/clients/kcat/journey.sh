#!/bin/bash
# kcat (Debian's 1.7.1 over librdkafka 2.0.2): an old client whose topic is created by its first message.
#
# One line per check; the first difference ends the script with exit code 1. kcat has no administration.
set -u
address=${1:?usage: journey.sh HOST:PORT}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

fail() { echo "FAIL $*"; exit 1; }
ok() { echo "ok $*"; }
kcat() { timeout 40 "$(type -P kcat)" -b "$address" "$@"; }
same() { # WHAT EXPECTED GOT
  diff "$2" "$3" >"$work/diff" || { echo "FAIL $1"; head -20 "$work/diff"; exit 1; }
  ok "$1 ($(wc -l <"$2") records)"
}
topic=kcat-$$-$(date +%s)
format='%o|%k|%K|%s|%S|%h\n'

# Each step produces ten records and says what must be read back: offset|key|key length|value|value length|headers
next=0
expect() { # KEY VALUE LENGTH HEADERS
  printf '%s|%s|%s|%s|%s|%s\n' $next "$1" "${#1}" "$2" "$3" "$4" >>"$work/expected"
  next=$((next + 1))
}
step() { # NAME KCAT-OPTION...
  local name=$1; shift
  : >"$work/in"
  for i in $(seq 10); do
    value=$(printf "value $name $i %.0s" $(seq $((i * 5))))
    [ "$i" = 7 ] && value=
    echo "key-$i:$value" >>"$work/in"
    if [ "$i" = 7 ]; then expect "key-$i" "" -1 "a=1,b="; else expect "key-$i" "$value" "${#value}" "a=1,b="; fi
  done
  # -Z: an empty value is sent as null
  kcat -P -t "$topic" -p 0 -K: -Z -H a=1 -H b= -X linger.ms=50 "$@" <"$work/in" || fail "produce $name"
  for _ in $(seq 100); do
    [ "$(kcat -Q -t "$topic:0:-1" | sed 's/.* //')" = $next ] && { ok "produce $name"; return; }
    sleep 0.1
  done
  fail "end offset after $name: $(kcat -Q -t "$topic:0:-1") instead of $next"
}

kcat -L >"$work/metadata" || fail metadata
grep -q "^ 1 brokers:" "$work/metadata" || fail "metadata: $(cat "$work/metadata")"
ok "metadata of the cluster"

for acks in 1 0 all; do
  for codec in none gzip snappy lz4 zstd; do
    step "acks=$acks $codec" -X acks=$acks -z $codec
  done
done
step "idempotent" -X acks=all -X enable.idempotence=true

kcat -L -t "$topic" | grep -q "topic \"$topic\" with 1 partitions:" || fail "metadata of the topic: $(kcat -L -t "$topic")"
ok "topic was created by its first message"

read_() { kcat -C -t "$topic" -p 0 -q -X check.crcs=true -f "$format" "$@"; }
read_ -o beginning -e >"$work/got" || fail "read"
same "read from the beginning" "$work/expected" "$work/got"
read_ -o 73 -e >"$work/got" || fail "read"
tail -n +74 "$work/expected" >"$work/part"
same "read from offset 73" "$work/part" "$work/got"
read_ -o -5 -e >"$work/got" || fail "read"
tail -n 5 "$work/expected" >"$work/part"
same "read the last five" "$work/part" "$work/got"
read_ -o 20 -c 7 >"$work/got" || fail "read"
sed -n 21,27p "$work/expected" >"$work/part"
same "read seven and stop" "$work/part" "$work/got"

# From a time: the timestamp of a record found by offset leads back to the first record that is not older.
at=$(kcat -C -t "$topic" -p 0 -o 93 -c 1 -q -f '%T')
first=$(kcat -C -t "$topic" -p 0 -o beginning -e -q -f '%T %o\n' | awk -v at="$at" '$1 >= at { print $2; exit }')
[ "$(kcat -Q -t "$topic:0:$at" | sed 's/.* //')" = "$first" ] || fail "offset for time $at: $(kcat -Q -t "$topic:0:$at")"
ok "offset for a time"
read_ -o "s@$at" -e >"$work/got" || fail "read"
tail -n +$((first + 1)) "$work/expected" >"$work/part"
same "read from a time" "$work/part" "$work/got"

head -c 600000 /dev/urandom | base64 -w0 >"$work/large"
kcat -P -t "$topic" -p 0 -X message.max.bytes=2000000 "$work/large" || fail "produce 800 kB"
kcat -C -t "$topic" -p 0 -o $next -c 1 -q -f '%s' >"$work/got" || fail "read 800 kB"
cmp "$work/large" "$work/got" || fail "800 kB differ"
ok "800 kB come back"
head -c 1500000 /dev/urandom | base64 -w0 >"$work/large"
kcat -P -t "$topic" -p 0 -X message.max.bytes=4000000 "$work/large" 2>"$work/error" && fail "2 MB were accepted"
grep -q "Message size too large" "$work/error" || fail "2 MB: $(cat "$work/error")"
ok "2 MB are refused"
echo done kcat
