#!/usr/bin/env bash
# Installs what the tests need and is missing, on Debian and as root; elsewhere
# it says what to install.
#
#   scripts/setup.sh                 what must be there (a C compiler for the race
#                                    detector, PostgreSQL, curl), and counterparts
#   scripts/setup.sh counterparts    installs nothing; prints "required" when all
#                                    counterparts are there, else "optional"
#
# Counterparts are mail servers, short message centres and gateways of others
# that the providers are tested with. Without them their tests are skipped.
# Those of npm go to $ALDABA_NPM, in the versions of scripts/npm.
set -euo pipefail
cd "$(dirname "$0")"

npm_folder=${ALDABA_NPM:-${XDG_CACHE_HOME:-$HOME/.cache}/aldaba/npm}

there() { PATH=$PATH:/usr/sbin command -v "$1" >/dev/null; }

need=()
there gcc || need+=(gcc libc6-dev)
if ! ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 && ! there initdb; then
  need+=(postgresql)
fi
there curl || need+=(curl)

want=()
[ -x /usr/bin/aiosmtpd ] || want+=(python3-aiosmtpd)
[ -e /usr/lib/python3/dist-packages/dkim/__init__.py ] || want+=(python3-dkim)
{ there bearerbox && there smsbox; } || want+=(kannel)
[ -e /usr/share/perl5/Net/SMPP.pm ] || want+=(libnet-smpp-perl)
[ -x /usr/bin/tshark ] || want+=(tshark)
there node || want+=(nodejs)
there npm || want+=(npm)

npm_ready() { cmp -s npm/package-lock.json "$npm_folder/installed.json"; }

if [ "${1:-}" = counterparts ]; then
  if [ ${#want[@]} -eq 0 ] && npm_ready; then echo required; else echo optional; fi
  exit 0
fi

# install installs Debian packages. Those that bring a server would start it;
# the tests start their own.
install() {
  local policy=/usr/sbin/policy-rc.d
  if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod +x "$policy"
    trap 'rm -f /usr/sbin/policy-rc.d' EXIT
  fi
  if [[ " $* " == *" postgresql "* ]]; then
    mkdir -p /etc/postgresql-common
    [ -e /etc/postgresql-common/createcluster.conf ] || echo 'create_main_cluster = false' >/etc/postgresql-common/createcluster.conf
  fi
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@"
}

# skipped tells what the lack of counterparts means.
skipped() { echo "not here: $*; the tests that need them are skipped" >&2; }

if [ $((${#need[@]} + ${#want[@]})) -gt 0 ]; then
  echo "missing: ${need[*]} ${want[*]}"
  if [ "$(id -u)" -eq 0 ] && there apt-get; then
    apt-get update -qq || true # the lists that are there may do
    if ! install "${need[@]}" "${want[@]}"; then
      skipped "${want[@]}"
      [ ${#need[@]} -eq 0 ] || install "${need[@]}"
    fi
  else
    echo "Install these with your system's package manager, for example:" >&2
    echo "  sudo apt-get install --no-install-recommends ${need[*]} ${want[*]}" >&2
    [ ${#want[@]} -eq 0 ] || skipped "${want[@]}"
    if [ ${#need[@]} -gt 0 ]; then
      echo "make test cannot do without: ${need[*]}" >&2
      exit 1
    fi
  fi
fi

if ! npm_ready; then
  if there npm && mkdir -p "$npm_folder" && cp npm/package.json npm/package-lock.json "$npm_folder" &&
    timeout 300 npm ci --prefix "$npm_folder" --ignore-scripts --no-audit --no-fund --fetch-retries=1 --loglevel=error; then
    cp npm/package-lock.json "$npm_folder/installed.json"
  else
    skipped "npm's packages of scripts/npm (in $npm_folder)"
  fi
fi

there promtool || skipped "promtool (Debian's package prometheus, which is large)"
