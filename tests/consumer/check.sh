#!/usr/bin/env bash
# Uses the library as others do: as a subdirectory of a CMake project, as an installed CMake package, and by pkg-config; from
# C and C++, in both precisions, and holds the public headers to what they promise a compiler.
#
#   tests/consumer/check.sh [cmake argument...]     for example -DBACKPROP_BLAS=OFF
#
# CC and CXX choose the compilers. Everything is built in a temporary directory.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
source_dir=$(cd "$here/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

prefix=$work/prefix
export CC=${CC:-cc} CXX=${CXX:-c++}
export PKG_CONFIG_PATH=$prefix/lib/pkgconfig

say() { printf '\n-- %s\n' "$*"; }

fail() {
    printf 'check.sh: %s\n' "$*" >&2
    exit 1
}

# quietly COMMAND... : shows what a command has to say only if it fails
quietly() {
    "$@" >"$work/log" 2>&1 || { cat "$work/log" && fail "failed: $*"; }
}

# configure_and_build DIRECTORY NAME [cmake argument...]
configure_and_build() {
    quietly cmake -S "$1" -B "$work/$2" "${@:3}"
    quietly cmake --build "$work/$2" --parallel
}

run_programs() { # BUILD_DIRECTORY
    quietly ctest --test-dir "$work/$1" --output-on-failure
    local program
    for program in "$work/$1"/backprop{,f}_{c,cpp}; do
        printf '%s: ' "${program##*/}" && "$program" | tail -n 1
    done
}

# ---- CMake -------------------------------------------------------------------------------------------------------------

# Without PkgConfig nothing could find cmocka: that it works shows that the tests are off.
as_subdirectory() {
    say 'as a subdirectory, in which tests and examples are off'
    configure_and_build "$here" subdirectory -DBACKPROP_SOURCE_DIR="$source_dir" \
        -DCMAKE_DISABLE_FIND_PACKAGE_PkgConfig=ON "$@"
    grep -q '^BACKPROP_BUILD_TESTS:BOOL=OFF$' "$work/subdirectory/CMakeCache.txt" || fail 'BACKPROP_BUILD_TESTS is not OFF'
    grep -q '^BACKPROP_BUILD_EXAMPLES:BOOL=OFF$' "$work/subdirectory/CMakeCache.txt" ||
        fail 'BACKPROP_BUILD_EXAMPLES is not OFF'
    grep -q '^BACKPROP_INSTALL:BOOL=OFF$' "$work/subdirectory/CMakeCache.txt" || fail 'BACKPROP_INSTALL is not OFF'
    run_programs subdirectory
}

# installs_files BUILD_DIRECTORY : whether installing that project installs anything
installs_files() {
    rm -rf "$work/installed"
    mkdir "$work/installed"
    quietly cmake --install "$work/$1" --prefix "$work/installed"
    [ -n "$(find "$work/installed" -type f)" ]
}

# The consumer itself installs nothing, so what is installed is the library's.
as_subdirectory_installs_on_request() {
    say 'as a subdirectory the library is installed only if BACKPROP_INSTALL is set'
    if installs_files subdirectory; then
        fail 'a project that only uses libbackprop installs it'
    fi
    configure_and_build "$here" installing -DBACKPROP_SOURCE_DIR="$source_dir" -DBACKPROP_INSTALL=ON "$@"
    installs_files installing || fail 'BACKPROP_INSTALL=ON installs nothing'
    printf 'not by default; with BACKPROP_INSTALL=ON %d files\n' "$(find "$work/installed" -type f | wc -l)"
}

install_library() {
    say 'installing into a prefix'
    configure_and_build "$source_dir" library -DBACKPROP_BUILD_TESTS=OFF -DBACKPROP_BUILD_EXAMPLES=OFF "$@" \
        -DCMAKE_INSTALL_PREFIX="$prefix" -DCMAKE_INSTALL_LIBDIR=lib
    quietly cmake --install "$work/library"
}

as_package() {
    say 'as an installed package: find_package(backprop)'
    configure_and_build "$here" package -DCMAKE_PREFIX_PATH="$prefix"
    run_programs package
}

# ---- pkg-config --------------------------------------------------------------------------------------------------------

# flags_of NAME... : what pkg-config says, as the array `flags`
flags_of() {
    local text
    text=$(pkg-config --cflags --libs "$@")
    read -ra flags <<<"$text"
}

by_pkgconfig() {
    local name flags
    for name in backprop backpropf; do
        say "by pkg-config: $name"
        flags_of "$name"
        quietly "$CC" "$here/main.c" "${flags[@]}" -o "$work/$name-c"
        "$work/$name-c" | tail -n 1
        quietly "$CXX" -std=c++17 "$here/main.cpp" "${flags[@]}" -o "$work/$name-cpp"
        "$work/$name-cpp"
    done
}

# ---- Headers -----------------------------------------------------------------------------------------------------------

strict=(-Wall -Wextra -Wpedantic -Werror -fsyntax-only)

# Twice in one file, for the guard; a declaration of its own, since a file of macros alone is no C.
header_alone() { # HEADER [flag...]
    local header=$1
    shift
    printf '#include <%s>\n#include <%s>\nextern int translation_unit;\n' "$header" "$header" >"$work/alone.c"
    cp "$work/alone.c" "$work/alone.cpp"
    quietly "$CC" -std=c11 "${strict[@]}" -I"$prefix/include" "$@" "$work/alone.c"
    quietly "$CXX" -std=c++17 "${strict[@]}" -I"$prefix/include" "$@" "$work/alone.cpp"
}

headers_alone() {
    say 'each public header compiles alone as C11 and as C++17, in both precisions'
    local headers header n
    mapfile -t headers < <(cd "$prefix/include" && find . -name '*.h' | sed 's:^\./::' | LC_ALL=C sort)
    n=$(find "$source_dir/include" -name '*.h' | wc -l)
    [ "${#headers[@]}" -eq "$n" ] || fail "${#headers[@]} headers are installed, there are $n"
    for header in "${headers[@]}"; do
        header_alone "$header"
        header_alone "$header" -DBACKPROP_SINGLE
    done
    printf '%d headers\n' "${#headers[@]}"
}

# ---- One archive with the headers of the other -------------------------------------------------------------------------

# mix_fails ARCHIVE SYMBOL [flag...] : a program compiled with these flags does not link with that archive, for lack of SYMBOL
mix_fails() {
    local archive=$1 symbol=$2 flags
    shift 2
    flags_of "$archive"
    quietly "$CC" -c "$@" -I"$prefix/include" "$here/main.c" -o "$work/mixed.o"
    # -DBACKPROP_SINGLE among the flags does nothing now that the object is made
    if "$CC" "$work/mixed.o" "${flags[@]}" -o "$work/mixed" >"$work/log" 2>&1; then
        fail "a program that needs $symbol has linked with lib$archive.a"
    fi
    grep -Eq "undefined.*[^a-z_]_?${symbol}\b" "$work/log" || { cat "$work/log" && fail 'linking failed for another reason'; }
    printf 'needs %s, lib%s.a has none\n' "$symbol" "$archive"
}

mixing_fails() {
    say 'headers of one precision with the archive of the other do not link'
    mix_fails backpropf bp_network_init
    mix_fails backprop bpf_network_init -DBACKPROP_SINGLE
}

both_together() {
    say 'one program uses both, in separate files'
    local flags
    printf 'int double_main(void);\nint single_main(void);\nint main(void) { return double_main() || single_main(); }\n' \
        >"$work/both.c"
    quietly "$CC" -c -Dmain=double_main -I"$prefix/include" "$here/main.c" -o "$work/double.o"
    quietly "$CC" -c -Dmain=single_main -DBACKPROP_SINGLE -I"$prefix/include" "$here/main.c" -o "$work/single.o"
    flags_of backprop backpropf
    quietly "$CC" "$work/both.c" "$work/double.o" "$work/single.o" "${flags[@]}" -o "$work/both"
    "$work/both" | grep bytes
}

as_subdirectory "$@"
as_subdirectory_installs_on_request "$@"
install_library "$@"
as_package
by_pkgconfig
headers_alone
mixing_fails
both_together
say 'all ways of using the library work'
