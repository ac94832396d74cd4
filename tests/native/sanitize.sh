#!/usr/bin/env bash
# Builds the native code with the address and undefined-behaviour sanitizers, in a folder of its own, and runs pytest on
# it with the words given (by default the exactness tests). Any report ends it.
#
#   tests/native/sanitize.sh [pytest arguments]
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cmake -S "$root" -B "$work/build" -DFIREBIT_SANITIZE=ON -DCMAKE_BUILD_TYPE=RelWithDebInfo \
  -Dnanobind_DIR="$(python -m nanobind --cmake_dir)" -DPython_EXECUTABLE="$(command -v python)" >"$work/log"
cmake --build "$work/build" --parallel 2 >>"$work/log" || { cat "$work/log"; exit 1; }

# A copy of the package with that code in it, found before any other.
mkdir "$work/path"
cp -r "$root/src/firebit" "$work/path/firebit"
rm -f "$work"/path/firebit/engine/_native*.so
cp "$work"/build/_native*.so "$work/path/firebit/engine/"
cat >"$work/path/sitecustomize.py" <<'PYTHON'
import sys
sys.meta_path[:] = [finder for finder in sys.meta_path if "ditable" not in type(finder).__name__]
PYTHON
[ $# -gt 0 ] || set -- tests/engine/test_exactness.py tests/engine/test_executor.py tests/engine/test_native.py
cd "$root"
compiler=${CXX:-g++}
LD_PRELOAD="$("$compiler" -print-file-name=libasan.so) $("$compiler" -print-file-name=libubsan.so) \
$("$compiler" -print-file-name=libstdc++.so)" \
  ASAN_OPTIONS=detect_leaks=0 PYTHONPATH="$work/path" python -m pytest -q -s -p no:cacheprovider "$@"
