#!/bin/bash
# A real Apache Kafka 4.3 for the tests: the oracle, the tools, and the broker that must be able to start on our data.
#
#   kafka.sh jars                       fetches the jars once (Maven)
#   kafka.sh format DIR PORT [LINE...]  writes DIR/server.properties and formats DIR/data
#   kafka.sh config DIR PORT [LINE...]  only writes DIR/server.properties, for data that is already in DIR/data
#   kafka.sh run DIR                    becomes the broker of DIR (foreground; end it with SIGTERM)
#   kafka.sh up DIR PORT [LINE...]      format, start in the background, wait until the port answers; prints the pid
#   kafka.sh down DIR                   ends what `up` started
#   kafka.sh tool CLASS [ARG...]        becomes one of Kafka's tools
#
# LINE is one more line of server.properties. The controller listens on PORT+1.
# CORELOG_TESTS_CACHE (default ~/.cache/corelog-tests) holds the jars; KAFKA_HEAP is the heap of the broker.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
cache=${CORELOG_TESTS_CACHE:-$HOME/.cache/corelog-tests}
version=$(sed -n 's:.*<kafka>\(.*\)</kafka>.*:\1:p' "$here/pom.xml")
libs=$cache/kafka-$version
usage() { sed -n '2,/^set/p' "$0" | sed -n 's/^# \{0,1\}//p' >&2; exit 2; }

jars() {
  [ -e "$libs/complete" ] && return
  mkdir -p "$libs"
  mvn -q -B -f "$here/pom.xml" dependency:copy-dependencies -DincludeScope=runtime -DoutputDirectory="$libs" >&2
  touch "$libs/complete"
}

properties() { # DIR PORT LINE...
  local dir=$1 port=$2; shift 2
  mkdir -p "$dir"
  {
    echo "process.roles=broker,controller"
    echo "node.id=1"
    echo "controller.quorum.voters=1@127.0.0.1:$((port + 1))"
    echo "controller.listener.names=CONTROLLER"
    echo "listeners=PLAINTEXT://127.0.0.1:$port,CONTROLLER://127.0.0.1:$((port + 1))"
    echo "advertised.listeners=PLAINTEXT://127.0.0.1:$port"
    echo "log.dirs=$dir/data"
    echo "offsets.topic.replication.factor=1"
    echo "transaction.state.log.replication.factor=1"
    echo "transaction.state.log.min.isr=1"
    echo "share.coordinator.state.topic.replication.factor=1"
    echo "share.coordinator.state.topic.min.isr=1"
    printf '%s\n' "$@"
  } >"$dir/server.properties"
}

format() {
  properties "$@"
  # A fixed cluster id would let two brokers of one test run be taken for each other.
  local id
  id=$(java -Xshare:auto -XX:TieredStopAtLevel=1 -cp "$libs/*" kafka.tools.StorageTool random-uuid 2>/dev/null)
  java -XX:TieredStopAtLevel=1 -cp "$libs/*" kafka.tools.StorageTool format -t "$id" -c "$1/server.properties" >"$1/format.log" 2>&1 ||
    { cat "$1/format.log" >&2; exit 1; }
}

# The exec makes the process id of the caller that of the JVM.
broker() {
  # shellcheck disable=SC2086
  exec java ${KAFKA_HEAP:--Xms256M -Xmx768M} -server -XX:+UseSerialGC -Djava.awt.headless=true \
    -Dlog4j2.configurationFile="$here/log4j2.properties" -Dlog4j.configurationFile="$here/log4j2.properties" \
    -cp "$libs/*" kafka.Kafka "$1/server.properties"
}

case ${1:-} in
jars) jars ;;
format) shift; jars; format "$@" ;;
config) shift; properties "$@" ;;
run) jars; broker "$2" ;;
up)
  shift; jars; format "$@"
  (broker "$1") >"$1/log" 2>&1 </dev/null &
  pid=$!
  echo $pid >"$1/pid"
  for _ in $(seq 600); do
    (exec 8<>"/dev/tcp/127.0.0.1/$2") 2>/dev/null && break
    kill -0 $pid 2>/dev/null || { tail -5 "$1/log" >&2; exit 1; }
    sleep 0.1
  done
  echo $pid ;;
down)
  pid=$(cat "$2/pid")
  kill "$pid" 2>/dev/null || exit 0
  for _ in $(seq 150); do kill -0 "$pid" 2>/dev/null || exit 0; sleep 0.1; done
  kill -9 "$pid" ;;
tool)
  shift; jars
  exec java -Xmx384M -XX:TieredStopAtLevel=1 -XX:+UseSerialGC -Dlog4j2.configurationFile="$here/log4j2-tools.properties" -cp "$libs/*" "$@" ;;
*) usage ;;
esac
