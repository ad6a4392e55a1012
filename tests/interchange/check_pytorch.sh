#!/usr/bin/env bash
# PyTorch computes what our model files say, and we compute what its state_dicts say, to 1e-12.
#
#   check_pytorch.sh BUILD   BUILD is a build folder with libbackprop.a
#
# Debian's python3-torch is installed where it can be; where it is not there in the end, this says so and passes.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
build=$(cd "$1" && pwd)
root=$(cd "$here/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

python=/usr/bin/python3
has_torch() { $python -c 'import torch' 2>/dev/null; }

if ! has_torch && command -v apt-get >/dev/null; then
    as_root=()
    [ "$(id -u)" -eq 0 ] || as_root=(sudo -n)
    echo 'installing with apt-get: python3-torch'
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -y install --no-install-recommends python3-torch >/dev/null 2>&1 || true
fi
if ! has_torch; then
    echo 'skipped: PyTorch (python3-torch) cannot be installed here'
    exit 0
fi

libraries=$(sed -n 's/^CBLAS_LIBRARY:[A-Z]*=//p' "$build/CMakeCache.txt")
cc -std=c11 -O2 -I"$root/include" "$here/pytorch/networks.c" "$build/libbackprop.a" ${libraries:+"$libraries"} -lz -lm -lpthread -o "$work/networks"
mkdir "$work/files"
"$work/networks" write "$work/files"
$python "$here/pytorch/networks.py" "$work/files"
"$work/networks" read "$work/files"
