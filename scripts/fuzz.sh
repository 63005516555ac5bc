#!/usr/bin/env bash
# Fuzzes every target of the repository for a while each.
#   scripts/fuzz.sh 5s
set -euo pipefail
span=${1:-5s}
grep -rlE '^func Fuzz[A-Z]' --include='*_test.go' . | xargs -n1 dirname | sort -u | while read -r package; do
  grep -hoE '^func Fuzz[A-Za-z0-9_]+' "$package"/*_test.go | sed 's/^func //' | sort -u | while read -r target; do
    echo "fuzz $package $target"
    go test "$package" -run '^$' -fuzz "^${target}\$" -fuzztime "$span" -fuzzminimizetime 1x | tail -1
  done
done
