#!/bin/bash
# Installs what the tests of real clients and the oracle need. Whatever is there already is left alone, so it may run every time.
#
# Needs: python3, node with npm, go, java (a JDK), maven, and apt-get (as root or through sudo) for what is missing of Debian's packages.
# CORELOG_TESTS_CACHE (default ~/.cache/corelog-tests) holds the jars and what is built here of Go and Java.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
clients=$here/../clients
cache=${CORELOG_TESTS_CACHE:-$HOME/.cache/corelog-tests}
mkdir -p "$cache"

say() { echo "install: $*"; }

apt() { # PACKAGE...
  local sudo=
  [ "$(id -u)" = 0 ] || sudo=sudo
  say "apt-get install $*"
  DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -q "$@" >/dev/null 2>&1 || {
    $sudo apt-get update -q >/dev/null
    DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -q "$@" >/dev/null
  }
}

# Debian's packages, only those that are missing.
missing=()
command -v kcat >/dev/null || missing+=(kcat)
command -v mvn >/dev/null || missing+=(maven)
command -v javac >/dev/null || missing+=(default-jdk-headless)
command -v node >/dev/null || missing+=(nodejs)
command -v npm >/dev/null || missing+=(npm)
command -v go >/dev/null || missing+=(golang-go)
# venv is a package of its own on Debian; so is the C compiler that glommio's liburing needs.
python3 -c 'import venv, ensurepip' 2>/dev/null || missing+=(python3-venv)
command -v cc >/dev/null || missing+=(build-essential)
[ ${#missing[@]} = 0 ] || apt "${missing[@]}"

"$here/kafka.sh" jars
say "Kafka's jars in $cache"

# The stamp is a copy of what was asked for, so a changed list installs again.
venv=$clients/.venv
if ! cmp -s "$clients/python/requirements.txt" "$venv/installed"; then
  say "Python clients"
  python3 -m venv "$venv"
  "$venv/bin/pip" install -q --disable-pip-version-check -r "$clients/python/requirements.txt"
  # 2.0.2 cannot be imported from Python 3.12 on; 2.0.6 is the same release with that mended.
  old=$("$venv/bin/python" -c 'import sys; print("2.0.2" if sys.version_info < (3, 12) else "2.0.6")')
  "$venv/bin/pip" install -q --disable-pip-version-check --no-deps --upgrade --target "$venv/kafka-python-2.0" "kafka-python==$old"
  cp "$clients/python/requirements.txt" "$venv/installed"
fi
say "Python clients in $venv"

js=$clients/kafkajs
if ! cmp -s "$js/package-lock.json" "$js/node_modules/installed"; then
  (cd "$js" && npm ci --no-audit --no-fund --silent)
  cp "$js/package-lock.json" "$js/node_modules/installed"
fi
say "kafkajs in $js/node_modules"

(cd "$clients/franz-go" && go build -o "$cache/franz-go" .)
(cd "$clients/franz-go" && go build -o "$cache/franz-go-member" ./member)
(cd "$clients/sarama" && go build -o "$cache/sarama-member" .)
say "franz-go and sarama in $cache"

# Members of groups are started often: they are compiled once, unlike Journey.java.
java=$cache/java-member
for source in Member ManyTools; do
  cmp -s "$clients/java/$source.java" "$java/$source.java" && continue
  mkdir -p "$java"
  javac -cp "$cache/kafka-4.3.0/*" -d "$java" "$clients/java/$source.java"
  cp "$clients/java/$source.java" "$java/"
done
say "Java members in $java"
