#!/usr/bin/env bash
# Sizes, as Markdown: what the library adds to a program, and the text (code and constants) of each of its objects.
#
#   bench/size.sh BUILD_DIRECTORY
#
# "The XOR example" is 01_xor, linked as users link it and stripped: with a BLAS that is a shared library (Debian's default)
# it holds what it needs of libbackprop and nothing of BLAS or libc. Needs GNU binutils.
set -euo pipefail

[ $# -eq 1 ] || { echo "usage: $0 BUILD_DIRECTORY" >&2 && exit 2; }
build=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

strip -o "$work/xor" "$build/examples/01_xor"
echo "| the XOR example, stripped | bytes |"
echo "|---|---|"
echo "| file | $(wc -c <"$work/xor") |"
echo "| its text | $(size "$work/xor" | awk 'NR == 2 { print $1 }') |"
if ldd "$work/xor" | grep -qiE 'blas|blis|mkl'; then
    echo "| BLAS | a shared library, not in it |"
else
    echo "| BLAS | none, or in it |"
fi
echo

# object text : of an archive, sorted by name
texts() { size "$1" | awk 'NR > 1 { print $6, $1 }' | LC_ALL=C sort; }

echo "| object | text, f64 | text, f32 |"
echo "|---|---|---|"
join <(texts "$build/libbackprop.a") <(texts "$build/libbackpropf.a") |
    awk '{ print "| " $1 " | " $2 " | " $3 " |"; f64 += $2; f32 += $3 } END { print "| **all** | " f64 " | " f32 " |" }'
