#!/usr/bin/env bash
# Plants each defect of e2e/planted into a copy of the tree and demands that the
# tests which its header names fail, and pass without it:
#   scripts/planted.sh                                   all of them
#   scripts/planted.sh e2e/planted/reset-on-resend.patch these alone
# The copy is HEAD with the changes of the working tree to files that git knows.
# Red is a named test that ran and failed; a patch that does not apply or does
# not compile, a test that hangs or is not there, is none.
set -euo pipefail
cd "$(dirname "$0")/.."
patches=("$@")
[ $# -gt 0 ] || patches=(e2e/planted/*.patch)

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
tree=$scratch/tree log=$scratch/log
mkdir "$tree"
changed=$(git stash create)
git archive "${changed:-HEAD}" | tar -x -C "$tree"
git -C "$tree" init -q # so that no repository around the folder has a say in what applies
# Without it the folder's name is part of each package in the build cache.
export GOFLAGS="${GOFLAGS:--buildvcs=false} -trimpath"

# commands FILE...: package and expression of each header line
#   Red: go test PACKAGE -run 'EXPRESSION'
commands() { sed -nE "s/^Red: go test (\S+) -run '(.+)'$/\1 \2/p" "$@"; }

# names EXPRESSION: the tests of ^(A|B)$, one a line.
names() { sed -E 's/^\^\(?//; s/\)?\$$//; s/\|/\n/g' <<<"$1"; }

# say EXPRESSION WORD: whether each named test ended with PASS or FAIL.
say() {
  local name
  while read -r name; do
    grep -qE "^--- $2: $name " "$log" || { why="$name did not ${2,,}"; return 1; }
  done < <(names "$1")
}

# tested PACKAGE EXPRESSION WORD: sets why when the tests did not end so.
tested() {
  why='it does not compile'
  (cd "$tree" && go test -c -o "$scratch/tests" "$1") >"$log" 2>&1 || return 1
  local status=0
  (cd "$tree/$1" && timeout 120 "$scratch/tests" -test.v -test.timeout 100s -test.run "$2") >"$log" 2>&1 || status=$?
  if [ "$3" = PASS ] && [ "$status" != 0 ]; then
    why="it ended with status $status"
    return 1
  fi
  say "$2" "$3"
}

began=$SECONDS
while read -r package expression; do
  tested "$package" "$expression" PASS || { echo "without any defect: $package $expression: $why"; cat "$log"; exit 1; }
done < <(commands "${patches[@]}" | sort -u)
echo "without any defect all named tests pass ($((SECONDS - began)) s)"

# judge PATCH: sets why when it is not red.
judge() {
  local package expression
  why='it names no test'
  [ -n "$(commands "$1")" ] || return 1
  while read -r package expression; do
    tested "$package" "$expression" FAIL || return 1
  done < <(commands "$1")
}

bad=0
for patch in "${patches[@]}"; do
  start=$SECONDS result=red why=
  if ! git -C "$tree" apply "$PWD/$patch" 2>"$log"; then
    result='NOT APPLIED' bad=$((bad + 1))
  else
    judge "$patch" || { result="GREEN: $why" bad=$((bad + 1)); }
    git -C "$tree" apply -R "$PWD/$patch"
  fi
  printf '%-32s %s, %d s\n' "$(basename "$patch" .patch)" "$result" $((SECONDS - start))
  [ "$result" = red ] || tail -20 "$log"
done
echo "${#patches[@]} defects planted, $bad of them not noticed ($((SECONDS - began)) s)"
[ "$bad" = 0 ]
