#!/usr/bin/env bash
# run.sh package|examples FOLDER: the tests of the Python package, as a user installs it. FOLDER keeps
#   wheel/, objects/     the project as pip builds it
#   package/             venv with that wheel, NumPy, Gymnasium and pytest, for tests/python
#   examples/            venv with torch and Stable-Baselines3 besides, for examples/ (4 GB); needs the wheel
# Environments are made once, and again when their lists in tools/setup change.
set -euo pipefail
what=$1 folder=$(readlink -m -- "$2")
here=$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")
root=$(dirname -- "$(dirname -- "$here")")
lists=$root/tools/setup
python=${LETHE_BASE_PYTHON:-$([ -x /usr/bin/python3 ] && echo /usr/bin/python3 || echo python3)}
export PYTHONDONTWRITEBYTECODE=1 PIP_DISABLE_PIP_VERSION_CHECK=1
max_wheel_bytes=5000000 max_seconds=10

say() { printf 'python tests: %s\n' "$*"; }
fail() { say "$*"; exit 1; }
pip() { "$folder/$what/bin/python" -m pip --quiet "$@"; }

# make_venv LIST...: $folder/$what with all of the lists, which are complete, hence --no-deps.
make_venv() {
  local venv=$folder/$what options=() list
  for list in "$@"; do options+=(-r "$lists/$list"); done
  if ! cat "${@/#/$lists/}" | cmp -s - "$venv/lists"; then
    say "making $venv"
    rm -rf "$venv"
    "$python" -m venv "$venv" || fail "$python could not make a venv (Debian: apt-get install python3-venv)"
    pip install --no-deps --no-compile "${options[@]}" || fail "pip could not install the lists $*"
    cat "${@/#/$lists/}" >"$venv/lists"
  fi
}

build_wheel() {
  say "building the wheel"
  rm -rf "$folder/wheel"
  local jobs=${LETHE_JOBS:-$(nproc)}
  PATH=$folder/$what/bin:$PATH CMAKE_BUILD_PARALLEL_LEVEL=$jobs nice -n 10 \
    "$folder/$what/bin/python" -m pip --quiet wheel --no-build-isolation --no-deps --no-cache-dir \
    --config-settings=build-dir="$folder/objects" --wheel-dir "$folder/wheel" "$root" || fail "pip could not build the wheel"
  local bytes
  bytes=$(stat -c %s "$folder"/wheel/lethe-*.whl)
  say "the wheel has $bytes bytes"
  [ "$bytes" -lt $max_wheel_bytes ] || fail "that is too much; allowed: $max_wheel_bytes"
}

seconds_since() { awk -v from="$1" -v to="$EPOCHREALTIME" 'BEGIN { printf "%.1f", to - from }'; }

install_wheel() {
  local start=$EPOCHREALTIME middle total
  pip install --no-deps --no-index --force-reinstall "$folder"/wheel/lethe-*.whl
  middle=$EPOCHREALTIME
  (cd / && "$folder/$what/bin/python" -c 'import lethe')
  total=$(seconds_since "$start")
  say "installing and importing took $total s, importing alone $(seconds_since "$middle") s"
  [ "${total%.*}" -lt $max_seconds ] || fail "that is too much; allowed: $max_seconds"
}

run_pytest() { (cd "$here" && "$folder/$what/bin/python" -m pytest -q -p no:cacheprovider "$@"); }

run_example() {
  say "examples/$*"
  (cd / && "$folder/$what/bin/python" "$root/examples/$@") || fail "examples/$* failed"
}

mkdir -p "$folder"
case $what in
  package)
    make_venv python.txt
    build_wheel
    install_wheel
    pip check || fail "the wheel does not go with its venv"
    run_pytest
    ;;
  examples)
    make_venv python.txt torch.txt cuda.txt python_torch.txt
    install_wheel
    run_example recurrent_ppo.py --steps 4096
    run_example vector_torch.py --updates 10
    run_pytest test_docs.py test_operator.py test_agent.py
    ;;
  *) fail "usage: run.sh package|examples FOLDER" ;;
esac
