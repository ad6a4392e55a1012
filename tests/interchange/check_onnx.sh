#!/usr/bin/env bash
# Holds exported ONNX files to what other programs say: the checker of the standard (python3-onnx, full check), and ONNX
# Runtime (onnxruntime-node), which must compute the library's outputs for every activation, normalization and scaling.
#
#   tests/interchange/check_onnx.sh [build folder]
#
# The folder is made and configured if need be; default: a temporary one. Missing tools are installed by apt-get (as root, or
# by sudo without a password) and npm; whatever cannot be had is skipped, with the reason, and is no failure: a difference is.
# The package of ONNX Runtime has its programs in it, so that npm need not run scripts.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
source_dir=$(cd "$here/../.." && pwd)
runtime_version=${ONNXRUNTIME_VERSION:-1.17.3}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
build=${1:-$work/build}

skip() { printf 'check_onnx.sh: SKIPPED: %s\n' "$*"; }

# quietly COMMAND... : shows what a command has to say only if it fails
quietly() {
    "$@" >"$work/log" 2>&1 || { cat "$work/log" >&2 && return 1; }
}

# as_root COMMAND... : with its output in a log; fails where nobody may be root
as_root() {
    local how=()
    [ "$(id -u)" -eq 0 ] || how=(sudo -n)
    timeout 600 "${how[@]}" env DEBIAN_FRONTEND=noninteractive "$@" >>"$work/apt.log" 2>&1
}

# install PACKAGE... : what apt-get can get, with the lists of packages that are there or with new ones
install() {
    command -v apt-get >/dev/null || return 1
    local get=(apt-get -q -y install --no-install-recommends "$@")
    as_root "${get[@]}" || { as_root apt-get -q update && as_root "${get[@]}"; }
}

# ---- The files ---------------------------------------------------------------------------------------------------------

export_all() {
    [ -e "$build/CMakeCache.txt" ] || quietly cmake -S "$source_dir" -B "$build" -DBACKPROP_BUILD_EXAMPLES=OFF
    quietly cmake --build "$build" --target onnx_export_all onnx_export_all_single
    mkdir "$work/files"
    "$build/tests/onnx_export_all" "$work/files" >"$work/list"
    "$build/tests/onnx_export_all_single" "$work/files" >>"$work/list"
}

# ---- The checker -------------------------------------------------------------------------------------------------------

# Prints the first Python that has the package; the system's may not be the first of the PATH.
python_with_onnx() {
    local python
    for python in python3 /usr/bin/python3; do
        "$python" -c 'import onnx' >/dev/null 2>&1 && echo "$python" && return 0
    done
    return 1
}

check_standard() {
    local python
    if ! python=$(python_with_onnx); then
        install python3-onnx || true
        python=$(python_with_onnx) || { skip 'python3-onnx is not there and cannot be installed' && return 0; }
    fi
    "$python" "$here/onnx/check_model.py" "$work/list" "$work/files"
}

# ---- The runtime -------------------------------------------------------------------------------------------------------

install_runtime() {
    mkdir "$work/runtime"
    timeout 600 npm install --prefix "$work/runtime" --ignore-scripts --no-audit --no-fund --no-save \
        "onnxruntime-node@$runtime_version" >"$work/npm.log" 2>&1
}

check_runtime() {
    local runtime=$work/runtime/node_modules/onnxruntime-node
    if ! command -v npm >/dev/null; then
        install nodejs npm || true
        command -v npm >/dev/null || { skip 'npm is not there and cannot be installed' && return 0; }
    fi
    install_runtime || { skip "npm cannot install onnxruntime-node $runtime_version: $(tail -n 1 "$work/npm.log")" && return 0; }
    node -e 'require(process.argv[1])' "$runtime" >"$work/node.log" 2>&1 ||
        { skip "onnxruntime-node $runtime_version has no program for this system" && return 0; }
    node "$here/onnx/compare.js" "$runtime" "$work/list" "$work/files"
}

export_all
check_standard
check_runtime
