#!/usr/bin/env bash
# Writes the two headers that rename everything for the single-precision build: bp_... to bpf_..., bpi_... to bpfi_...
# Every such identifier that stands in the public headers or in src/ is renamed, types and macros' helpers included; so a
# new name needs nothing but a run of this script. `tools/single_names.sh --check` fails if the headers are not up to date.
set -euo pipefail
cd "$(dirname "$0")/.."

# names PREFIX FILE... : the identifiers with that prefix, comments aside, sorted
names() {
    local prefix=$1
    shift
    sed -e 's://.*$::' "$@" | tr '\n' '\f' | sed -e 's:/\*[^*]*\**\([^/*][^*]*\*\**\)*/: :g' | tr '\f' '\n' |
        grep -oE "\b${prefix}_[A-Za-z0-9_]+\b" | LC_ALL=C sort -u
}

# header GUARD PURPOSE OLD NEW FILE... : the text of one rename header
header() {
    local guard=$1 purpose=$2 old=$3 new=$4
    shift 4
    printf '// SPDX-License-Identifier: MIT\n/*\n * %s\n * Written by tools/single_names.sh; do not edit.\n */\n' "$purpose"
    printf '#ifndef %s\n#define %s\n\n' "$guard" "$guard"
    names "$old" "$@" | sed -E "s/^${old}_(.*)\$/#define ${old}_\1 ${new}_\1/"
    printf '\n#endif\n'
}

public_files() { find include -name '*.h' ! -name single_names.h | LC_ALL=C sort; }
internal_files() { find src -name '*.[ch]' ! -name single_names.h | LC_ALL=C sort; }

public=include/backprop/single_names.h
internal=src/base/single_names.h
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mapfile -t files < <(public_files)
header BACKPROP_SINGLE_NAMES_H 'Public names of the single-precision build.' bp bpf "${files[@]}" >"$work/public.h"
mapfile -t files < <(internal_files)
header BPI_BASE_SINGLE_NAMES_H 'Internal names of the single-precision build.' bpi bpfi "${files[@]}" >"$work/internal.h"

if [ "${1:-}" = --check ]; then
    diff -u "$public" "$work/public.h" && diff -u "$internal" "$work/internal.h" && exit 0
    echo "the rename headers are out of date: run tools/single_names.sh" >&2
    exit 1
fi
cp "$work/public.h" "$public"
cp "$work/internal.h" "$internal"
