#!/usr/bin/env bash
# Installs what the tests need and is missing: a C compiler for the race
# detector and the PostgreSQL server. It only installs on Debian and as root;
# elsewhere it says what to install.
set -euo pipefail

need=()
command -v gcc >/dev/null || need+=(gcc libc6-dev)
if ! ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 && ! command -v initdb >/dev/null; then
  need+=(postgresql)
fi
command -v curl >/dev/null || need+=(curl)
[ ${#need[@]} -eq 0 ] && exit 0

echo "missing: ${need[*]}"
if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
  echo "Install these with your system's package manager and run make test again, for example:" >&2
  echo "  sudo apt-get install ${need[*]}" >&2
  exit 1
fi
export DEBIAN_FRONTEND=noninteractive
# The package would start a server of its own; the tests start theirs.
if [[ " ${need[*]} " == *" postgresql "* ]]; then
  mkdir -p /etc/postgresql-common
  [ -e /etc/postgresql-common/createcluster.conf ] || echo 'create_main_cluster = false' >/etc/postgresql-common/createcluster.conf
fi
apt-get update -qq
apt-get install -y -qq --no-install-recommends "${need[@]}"
