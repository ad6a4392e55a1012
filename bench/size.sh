#!/usr/bin/env bash
# Sizes, as Markdown: what the library adds to a program, and the text (code and constants) of each of its objects.
#
#   bench/size.sh BUILD_DIRECTORY [--csv]
#
# "The XOR example" is 01_xor, linked as users link it and stripped: with a BLAS that is a shared library (Debian's default)
# it holds what it needs of libbackprop and nothing of BLAS or libc. With --csv the same for programs. Needs GNU binutils.
set -euo pipefail

usage() { echo "usage: $0 BUILD_DIRECTORY [--csv]" >&2 && exit 2; }
[ $# -eq 1 ] || [ "${*:2}" = --csv ] || usage
build=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

strip -o "$work/xor" "$build/examples/01_xor"
xor_file=$(wc -c <"$work/xor")
xor_text=$(size "$work/xor" | awk 'NR == 2 { print $1 }')

# texts ARCHIVE : name and text of its objects, sorted by name
texts() { size "$1" | awk 'NR > 1 { print $6, $1 }' | LC_ALL=C sort; }

# objects NAME_OF_THE_SUM : name, text in f64 and in f32 of each object, then the sums
objects() {
    LC_ALL=C join <(texts "$build/libbackprop.a") <(texts "$build/libbackpropf.a") |
        awk -v all="$1" '{ print; f64 += $2; f32 += $3 } END { print all, f64, f32 }'
}

if [ $# -eq 2 ]; then
    echo "table,what,name,bytes_f64,bytes_f32"
    echo "size,file,01_xor,$xor_file,"
    echo "size,text,01_xor,$xor_text,"
    objects all | awk '{ print "size,object," $1 "," $2 "," $3 }'
    exit
fi

echo "| the XOR example, stripped | bytes |"
echo "|---|---|"
echo "| file | $xor_file |"
echo "| its text | $xor_text |"
if ldd "$work/xor" | grep -qiE 'blas|blis|mkl'; then
    echo "| BLAS | a shared library, not in it |"
else
    echo "| BLAS | none, or in it |"
fi
echo
echo "| object | text, f64 | text, f32 |"
echo "|---|---|---|"
objects '**all**' | awk '{ print "| " $1 " | " $2 " | " $3 " |" }'
