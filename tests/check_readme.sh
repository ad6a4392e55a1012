#!/usr/bin/env bash
# The programs in README.md compile without warnings and run, linked by pkg-config and by the plain line that the README has. A block
# opens with ```c and holds a whole program.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

cmake -S "$root" -B "$work/build" -DBACKPROP_BUILD_TESTS=OFF -DBACKPROP_BUILD_EXAMPLES=OFF \
    -DCMAKE_INSTALL_PREFIX="$work/prefix" >"$work/log" 2>&1 || { cat "$work/log" && exit 1; }
cmake --build "$work/build" --target install >"$work/log" 2>&1 || { cat "$work/log" && exit 1; }
PKG_CONFIG_PATH=$(dirname "$(find "$work/prefix" -name backprop.pc)")
export PKG_CONFIG_PATH

awk -v dir="$work" '/^```c$/ { n++; file = dir "/program" n ".c"; next } /^```/ { file = "" } file { print > file }' "$root/README.md"

# `cc ... program.c .../libbackprop.a FLAGS`, the flags taken from the page
# shellcheck disable=SC2016 # the back quotes are the page's
read -r -a libraries < <(sed -nE 's/^or with nothing: `cc .* program\.c [^ ]*libbackprop\.a (.*)`$/\1/p' "$root/README.md")
by_hand() { cc -std=c11 -I"$root/include" "$1" "$work/build/libbackprop.a" "${libraries[@]}" -o "$work/a.out"; }
[ ${#libraries[@]} -gt 0 ] || { echo 'README.md has no line that links with nothing' >&2 && exit 1; }

programs=("$work"/program*.c)
[ -f "${programs[0]}" ] || { echo 'README.md has no program' >&2 && exit 1; }
for program in "${programs[@]}"; do
    # shellcheck disable=SC2046 # flags are words
    cc -std=c11 -Wall -Wextra -Werror "$program" -o "$work/a.out" $(pkg-config --cflags --libs backprop)
    "$work/a.out"
    by_hand "$program"
    "$work/a.out" >/dev/null
done
printf '%d program(s) of README.md compiled and ran\n' ${#programs[@]}
