#!/usr/bin/env bash
# setup.sh program|tests KEY: brings Debian packages, .venv and build/release up to date, and leaves a stamp that holds
# KEY. ./lethe calls it when something changed. Every step looks first, says what it does, and may be interrupted:
# the next start goes on from there. A failure gives its reason and its cure.
set -euo pipefail
goal=$1 key=$2
here=$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")
root=$(dirname -- "$(dirname -- "$here")")
build=$root/build/release
venv=$root/.venv

say() { printf 'lethe: %s\n' "$*"; }
fail() { printf 'lethe: set-up failed: %s\n       cure: %s\n' "$1" "$2"; exit 1; }
entries() { sed 's/#.*//' "$here/$1" | xargs; } # of a list: one a line, comments after #

# One set-up at a time. Children keep the lock, so a killed set-up holds it until its compilers have ended.
lock() {
  mkdir -p "$root/build"
  exec 9>"$root/build/.lock"
  flock -n 9 || { say "another ./lethe is setting up this folder; waiting for it"; flock 9; }
}

missing_packages() {
  local wanted=$1
  # shellcheck disable=SC2086 # a list of words
  comm -23 <(tr ' ' '\n' <<<"$wanted" | sort) \
    <(dpkg-query -W -f='${db:Status-Abbrev} ${Package}\n' $wanted 2>/dev/null | awk '$1 ~ /^.i/ { print $2 }' | sort -u)
}

install_packages() {
  [ -z "${LETHE_SKIP_PACKAGES-}" ] && command -v dpkg-query >/dev/null || return 0
  local missing as_root=
  missing=$(missing_packages "$(entries packages.txt)" | xargs)
  [ -n "$missing" ] || return 0
  if [ "$(id -u)" != 0 ]; then
    sudo -n true 2>/dev/null || fail "Debian packages are missing and this user may not install them" \
      "sudo apt-get install --no-install-recommends $missing
             (or LETHE_SKIP_PACKAGES=1 ./lethe ... where they come from elsewhere)"
    as_root="sudo -n"
  fi
  say "installing Debian packages: $missing"
  # shellcheck disable=SC2086 # lists of words
  {
    $as_root apt-get update -qq 9>&- || say "apt-get update failed; trying with the package lists at hand"
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
      -o DPkg::Lock::Timeout=120 -o Dpkg::Use-Pty=0 $missing 9>&-
  } || fail "apt-get could not install: $missing" "look at its message above; then start ./lethe again"
}

# Debian's own interpreter where there is one: another python3 on PATH may lack venv.
python() {
  if [ -n "${LETHE_BASE_PYTHON-}" ]; then echo "$LETHE_BASE_PYTHON"
  elif [ -x /usr/bin/python3 ]; then echo /usr/bin/python3
  else echo python3; fi
}

has_gpu() { [ -e /dev/nvidia0 ] || nvidia-smi -L >/dev/null 2>&1; }

wanted_lists() {
  echo plots.txt
  [ -z "${LETHE_TORCH-}" ] || return 0
  echo torch.txt
  ! has_gpu || echo cuda.txt
}

# .venv/lethe holds a copy of every list that is installed, and `done` unless an installation was cut short.
make_venv() {
  if ! { [ -f "$venv/lethe/done" ] && "$venv/bin/python" -c 'import pip' 2>/dev/null; }; then
    say "making .venv"
    rm -rf "$venv"
    "$(python)" -m venv "$venv" || fail "$(python) could not make .venv" \
      "sudo apt-get install python3-venv, or name another interpreter: LETHE_BASE_PYTHON=/path/to/python3 ./lethe ..."
    mkdir "$venv/lethe"
  fi
  local list
  for list in $(wanted_lists); do
    cmp -s "$here/$list" "$venv/lethe/$list" || install_wheels "$list"
  done
  touch "$venv/lethe/done"
}

# Every list is complete and pinned, hence --no-deps. Nobody imports most of it: no byte code.
install_wheels() {
  local list=$1 quiet=--quiet
  ! [ -t 2 ] || quiet=
  say "installing wheels: $(sed -n '1s/^# *//p' "$here/$list")"
  rm -f "$venv/lethe/done"
  "$venv/bin/python" -m pip install $quiet --disable-pip-version-check --no-deps --no-compile -r "$here/$list" ||
    fail "pip could not install tools/setup/$list" "look at its message above: network, disk space in $root or \
another python (LETHE_BASE_PYTHON); then start ./lethe again"
  cp "$here/$list" "$venv/lethe/$list"
}

check_torch() {
  [ -z "${LETHE_TORCH-}" ] || [ -f "$LETHE_TORCH/lib/libtorch_cpu.so" ] || fail \
    "LETHE_TORCH is $LETHE_TORCH, which holds no lib/libtorch_cpu.so" \
    "name the folder of LibTorch with include/ and lib/ in it, or unset LETHE_TORCH to have it installed"
}

# Ninja runs CMake again by itself when its files change, but not when the tree or LibTorch moved.
configure() {
  local place="$key $(echo "$venv"/lib/python3*)"
  if [ -f "$build/build.ninja" ] && [ "$(cat "$build/configured" 2>/dev/null)" = "$place" ]; then return 0; fi
  say "configuring build/release"
  rm -rf "$build/CMakeCache.txt" "$build/CMakeFiles/"[0-9]*
  cmake -S "$root" --preset release -DLETHE_TORCH="${LETHE_TORCH-}" --log-level=WARNING ||
    fail "CMake could not configure build/release" "look at its message above; rm -rf build/release starts afresh"
  echo "$place" >"$build/configured"
}

# A compilation that reads LibTorch takes 1.3 GB; twice that leaves room for other programs.
jobs_that_fit() {
  awk -v cores="$(nproc)" -v limit="$(cat /sys/fs/cgroup/memory.max 2>/dev/null || echo max)" '
    /^MemAvailable:/ {
      bytes = $2 * 1024
      if (limit != "max" && limit + 0 < bytes) bytes = limit + 0
      jobs = int(bytes / 2.5e9)
      print (jobs < 1 ? 1 : (jobs > cores ? cores : jobs))  # without parentheses > would name a file
    }' /proc/meminfo
}

build() {
  local target=lethe jobs
  [ "$goal" = program ] || target=all
  jobs=${LETHE_JOBS:-$(jobs_that_fit)}
  if [ -x "$build/bin/lethe" ]; then say "building what changed"; else say "building (a first build takes minutes)"; fi
  nice -n 10 ninja -C "$build" -j "$jobs" "$target" ||
    fail "the build stopped" "look at the first error above; where memory ran out, LETHE_JOBS=1 ./lethe ... compiles one file at a time"
}

lock
install_packages
printf '%s\n' "$key" >"$build.stamp" # before the build, so that what changes meanwhile is newer
check_torch
make_venv
configure
build
[ "$goal" = program ] || cp -p "$build.stamp" "$build/tests.stamp"
mv "$build.stamp" "$build/program.stamp"
