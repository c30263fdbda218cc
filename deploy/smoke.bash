#!/usr/bin/env bash
# What the smoke scripts share, sourced as their first step: `work`, a folder that is removed; `install`, set by
# --install; and the three ends: 0 and "OK: …", 77 and "NOT RUN: …", anything else is a failure.
# shellcheck disable=SC2034  # used by those that source it
set -euo pipefail

install=''
for argument in "$@"; do
  case $argument in
    --install) install=yes ;;
    *) echo "usage: $0 [--install]   --install: get what is lacking, by apt-get and pip, into a temporary folder" >&2; exit 2 ;;
  esac
done

here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d "${TMPDIR:-/tmp}/dgd-smoke.XXXXXX")
export DASK_TEMPORARY_DIRECTORY=$work # of workers, which leave a folder there
started=()

leave() {
  local pid
  for pid in "${started[@]}"; do kill -TERM -- "-$pid" 2>/dev/null || true; done
  for ((i = 0; i < 300; i++)); do # a fit may end its pass, and take down a cluster of its own
    for pid in "${started[@]}"; do kill -0 -- "-$pid" 2>/dev/null && { sleep 0.1; continue 2; }; done
    break
  done
  for pid in "${started[@]}"; do kill -KILL -- "-$pid" 2>/dev/null || true; done
  rm -rf "$work" 2>/dev/null || { sleep 1; rm -rf "$work"; }
}
trap leave EXIT
trap 'exit 130' INT TERM HUP

step() { echo "-- $*"; }
ok() { echo "OK: $*"; exit 0; }
shown='' # the log that a failure shows
failed() {
  [[ -z $shown ]] || tail -n 30 "$shown" || true
  echo "FAILED: $*"
  exit 1
}
not_run() { echo "NOT RUN: $*"; exit 77; }

# A process that leads a group of its own, ended with all that it started when the script ends. `log` is where it writes.
start() {
  local log=$1
  shift
  set -m
  "$@" </dev/null >"$log" 2>&1 &
  set +m
  started+=("$!")
}

# wait_for SECONDS WHAT COMMAND…: until the command succeeds.
wait_for() {
  local seconds=$1 what=$2
  shift 2
  for ((i = 0; i < 5 * seconds; i++)); do
    "$@" >/dev/null 2>&1 && return 0
    sleep 0.2
  done
  failed "waited $seconds s for $what"
}

# unpack PACKAGE…: Debian packages, into $work/root, beside the system; for --install alone.
unpack() {
  mkdir -p "$work/debs" "$work/root"
  (cd "$work/debs" && apt-get download -q "$@" >apt.log 2>&1) || not_run "apt-get download $* failed: $(tail -n 1 "$work/debs/apt.log")"
  local package
  for package in "$work"/debs/*.deb; do dpkg -x "$package" "$work/root"; done
}

# with_packages PACKAGE…: a Python with these packages beside those of the `python` on the PATH; for --install alone.
with_packages() {
  python -m venv "$work/venv" || not_run 'python -m venv does not work here'
  python -c 'import sys; print("\n".join(path for path in sys.path if path.endswith("-packages")))' \
    >"$(echo "$work"/venv/lib/python*/site-packages)/beside.pth"
  "$work/venv/bin/python" -m pip install -q --disable-pip-version-check "$@" >"$work/pip.log" 2>&1 ||
    not_run "pip install $* failed: $(grep -v '^WARNING' "$work/pip.log" | tail -n 1)"
}

# write_data FOLDER ROWS COLUMNS: a dataset of 40 chunks.
write_data() {
  python - "$@" <<'PYTHON'
import sys

import numpy as np

import dgd

path, rows, columns = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
rng = np.random.default_rng(0)
X = rng.normal(size=(rows, columns))
with dgd.DatasetWriter(path, chunk_rows=rows // 40) as writer:
    writer.append(X, X @ rng.normal(size=columns) + rng.normal(size=rows))
PYTHON
}

# same_bits MODEL MODEL: whether two saved models have the same coefficients, to the bit.
same_bits() {
  cmp "$1/coef.npy" "$2/coef.npy" && cmp "$1/intercept.npy" "$2/intercept.npy"
}

PATH=$(dirname "$(command -v python)"):$PATH
command -v dgd >/dev/null || not_run 'there is no `dgd` on the PATH; activate the environment that it is installed in'
