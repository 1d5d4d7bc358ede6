#!/bin/bash
# Apache Kafka as a peer of a comparison: one KRaft node, made of Maven artifacts, with the JVM flags of its own start
# script and default settings.
#
#   kafka.sh run PORT DIR    formats DIR and runs the broker in the foreground on 127.0.0.1:PORT (controller on PORT+1);
#                            SIGTERM ends it. The cores are those the caller runs on.
#
# KAFKA_VERSION (4.3.0), KAFKA_LIBS (a folder with its jars; fetched with Maven into ~/.cache/kafka-VERSION/libs otherwise),
# KAFKA_HEAP ("-Xms1G -Xmx1G", Kafka's own default), PROPERTIES (further lines of server.properties).
set -eu
version=${KAFKA_VERSION:-4.3.0}
libs=${KAFKA_LIBS:-$HOME/.cache/kafka-$version/libs}
[ "${1:-}" = run ] && [ $# -eq 3 ] || { echo "usage: kafka.sh run PORT DIR" >&2; exit 2; }
port=$2 dir=$3

if [ ! -f "$libs/kafka-server-$version.jar" ]; then
  command -v mvn >/dev/null || { echo "kafka.sh: no jars in $libs, and no mvn to fetch them" >&2; exit 1; }
  build=$(mktemp -d)
  artifact() { echo "<dependency><groupId>$1</groupId><artifactId>$2</artifactId><version>$3</version></dependency>"; }
  {
    echo '<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>'
    echo '<groupId>peers</groupId><artifactId>kafka</artifactId><version>1</version><dependencies>'
    artifact org.apache.kafka kafka_2.13 "$version"
    artifact org.apache.kafka kafka-tools "$version"
    artifact org.apache.logging.log4j log4j-core 2.24.3
    artifact org.apache.logging.log4j log4j-slf4j-impl 2.24.3
    echo '</dependencies></project>'
  } >"$build/pom.xml"
  mvn -q -B -f "$build/pom.xml" dependency:copy-dependencies -DincludeScope=runtime -DoutputDirectory="$libs" >&2
  rm -rf "$build"
fi

mkdir -p "$dir"
cat >"$dir/server.properties" <<EOF
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:$((port + 1))
listeners=PLAINTEXT://127.0.0.1:$port,CONTROLLER://127.0.0.1:$((port + 1))
advertised.listeners=PLAINTEXT://127.0.0.1:$port
controller.listener.names=CONTROLLER
log.dirs=$dir/logs
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
${PROPERTIES:-}
EOF

jvm="-server -XX:+UseG1GC -XX:MaxGCPauseMillis=20 -XX:InitiatingHeapOccupancyPercent=35 -XX:+ExplicitGCInvokesConcurrent -Djava.awt.headless=true"
# shellcheck disable=SC2086
java -Xmx256M -cp "$libs/*" kafka.tools.StorageTool format -t "$(head -c 16 /dev/urandom | base64 | tr '+/' 'AB' | cut -c1-21)A" \
  --ignore-formatted -c "$dir/server.properties" >"$dir/format.log" 2>&1 || { cat "$dir/format.log" >&2; exit 1; }
# shellcheck disable=SC2086
exec java ${KAFKA_HEAP:--Xms1G -Xmx1G} $jvm -cp "$libs/*" kafka.Kafka "$dir/server.properties" >"$dir/log" 2>&1
