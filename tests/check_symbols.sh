#!/usr/bin/env bash
# Holds the archives to what the library promises about the process it runs in, as far as symbols tell: which names it brings,
# which functions of the system it never calls, and which of its files alone may call some.
#
#   tests/check_symbols.sh BUILD_DIRECTORY     of a build without sanitizers and coverage, which add symbols of their own
#
# Needs GNU binutils.
set -euo pipefail

[ $# -eq 1 ] || { echo "usage: $0 BUILD_DIRECTORY" >&2 && exit 2; }
build=$(cd "$1" && pwd)
source_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
n_failures=0

# reject MESSAGE LINES : complains if there are any
reject() {
    [ -n "$2" ] || return 0
    printf '%s:\n%s\n' "$1" "$2" >&2
    n_failures=$((n_failures + 1))
}

# ---- What stands in an archive -----------------------------------------------------------------------------------------

# Lines "object symbol type" of all external symbols; U, w and v are references, all others definitions.
symbols() { # ARCHIVE
    nm -A -P -g "$1" | sed -nE 's/^.*\[([^]]+)\]: *([^ ]+) ([A-Za-z]).*$/\1 \2 \3/p'
}

# defined_besides PATTERN : definitions whose name does not match
defined_besides() { awk -v pattern="$1" '$3 !~ /[Uwv]/ && $2 !~ pattern { print "  " $1 ": " $2 }'; }

# references_to PATTERN [OBJECT] : references to matching names, but for those of that object
references_to() { awk -v pattern="^($1)\$" -v but="${2:-}" '$3 ~ /[Uwv]/ && $2 ~ pattern && $1 != but { print "  " $1 ": " $2 }'; }

ends_the_process='exit|_exit|_Exit|quick_exit|abort|atexit|at_quick_exit|raise|kill'
prints='printf|vprintf|__printf_chk|__vprintf_chk|puts|putchar|putchar_unlocked|perror|psignal|stdout|stderr|syslog'
global_generators='rand|rand_r|srand|random|srandom|initstate|setstate|[dlm]rand48|[ejn]rand48|srand48|arc4random.*|getrandom|getentropy'
clocks='time|clock|gettimeofday|clock_gettime|timespec_get|ftime'
locale='setlocale|uselocale|newlocale'
signals='signal|bsd_signal|sysv_signal|__sysv_signal|sigaction|sigprocmask|pthread_sigmask|sigaltstack'
floating_mode='fesetround|fesetenv|feupdateenv|feholdexcept|feclearexcept|feraiseexcept|fesetexceptflag|feenableexcept|fedisableexcept'
process_state='setenv|putenv|unsetenv|clearenv|chdir|fchdir|umask|system'
heap='malloc|calloc|realloc|reallocarray|free|aligned_alloc|memalign|posix_memalign|strdup|strndup|asprintf|vasprintf'

check_archive() { # ARCHIVE PREFIX_PATTERN
    local archive=$1 name=${1##*/}
    printf '%s: names, and what it calls\n' "$name"
    symbols "$archive" >"$work/symbols"
    grep -q . "$work/symbols" || reject "$name" '  no symbols at all'

    # The exceptions below go by the name of an object, so there must be only one of each.
    reject "$name: objects of one name" "$(ar t "$archive" | sort | uniq -d)"
    reject "$name: external names without the prefix" "$(defined_besides "$2" <"$work/symbols")"
    reject "$name: calls that end the process" "$(references_to "$ends_the_process" <"$work/symbols")"
    reject "$name: prints where nobody asked" "$(references_to "$prints" <"$work/symbols")"
    reject "$name: random numbers of the process" "$(references_to "$global_generators" <"$work/symbols")"
    reject "$name: the clock is base/clock.c's" "$(references_to "$clocks" clock.c.o <"$work/symbols")"
    reject "$name: the locale" "$(references_to "$locale" <"$work/symbols")"
    # A pool's threads are started with all signals blocked, so that handlers run where the program expects them.
    reject "$name: signals" "$(references_to "$signals" pool.c.o <"$work/symbols")"
    reject "$name: the floating-point mode" "$(references_to "$floating_mode" <"$work/symbols")"
    reject "$name: other state of the process" "$(references_to "$process_state" <"$work/symbols")"
    reject "$name: the heap is base/memory.c's" "$(references_to "$heap" memory.c.o <"$work/symbols")"
    reject "$name: BLAS is math/gemm.c's" "$(references_to '_?cblas_.*|_?[sd]gemm_' gemm.c.o <"$work/symbols")"
}

check_archive "$build/libbackprop.a" '^bpi?_'
check_archive "$build/libbackpropf.a" '^bpfi?_'
"$source_dir/tools/single_names.sh" --check || n_failures=$((n_failures + 1))

[ "$n_failures" -eq 0 ] || { echo "check_symbols.sh: $n_failures promises broken" >&2 && exit 1; }
echo 'symbols: as promised'
