#!/usr/bin/env bash
# Fuzzes every target of the repository, each with a number of inputs or for a
# while:
#   scripts/fuzz.sh 1000x
#   scripts/fuzz.sh 30s
# A number is what a machine that judges should use: with a short time, a busy
# machine can reach the end while the known inputs are still being read, and
# `go test` calls that a failure.
set -euo pipefail
span=${1:-1000x}
grep -rlE '^func Fuzz[A-Z]' --include='*_test.go' . | xargs -n1 dirname | sort -u | while read -r package; do
  grep -hoE '^func Fuzz[A-Za-z0-9_]+' "$package"/*_test.go | sed 's/^func //' | sort -u | while read -r target; do
    printf 'fuzz %s %s: ' "$package" "$target"
    if answer=$(go test "$package" -run '^$' -fuzz "^${target}\$" -fuzztime "$span" -fuzzminimizetime 1x 2>&1); then
      tail -1 <<<"$answer"
    else
      printf '\n%s\n' "$answer"
      exit 1
    fi
  done
done
