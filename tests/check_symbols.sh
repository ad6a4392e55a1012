#!/usr/bin/env bash
# Holds the archives to what the library promises about the process it runs in, as far as symbols tell: which names it brings,
# which functions of the system it never calls, which of its files alone may call some, and what a small program links.
#
#   tests/check_symbols.sh BUILD_DIRECTORY     of a build without sanitizers and coverage, which add symbols of their own
#
# Needs GNU binutils. CC chooses the compiler.
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
    reject "$name: signals" "$(references_to "$signals" <"$work/symbols")"
    reject "$name: the floating-point mode" "$(references_to "$floating_mode" <"$work/symbols")"
    reject "$name: other state of the process" "$(references_to "$process_state" <"$work/symbols")"
    reject "$name: the heap is base/memory.c's" "$(references_to "$heap" memory.c.o <"$work/symbols")"
    reject "$name: BLAS is math/gemm.c's" "$(references_to '_?cblas_.*|_?[sd]gemm_' gemm.c.o <"$work/symbols")"
}

# ---- What a small program links ----------------------------------------------------------------------------------------

write_predictor() {
    cat >"$work/predictor.c" <<'PROGRAM'
#include <backprop.h>
int main(void)
{
    const bp_layer_config layer = { .n_out = 1 };
    const bp_network_config config = { .n_in = 1, .n_layers = 1, .layers = &layer };
    const bp_real x = 1;
    bp_real y;
    bp_network net;
    bp_workspace ws;
    if (bp_network_init(&net, &config) != BP_OK || bp_workspace_init(&ws, &net, 1, BP_INFERENCE) != BP_OK)
        return 1;
    const bp_status status = bp_predict(&net, &ws, &x, 1, &y);
    bp_network_free(&net);
    return status != BP_OK;
}
PROGRAM
}

# Objects of the floors that a program which only predicts has no use for.
not_for_predictors() { find "$source_dir"/src/{train,optim,data} -name '*.c' | sed 's:^.*/::; s:$:.o:'; }

# A relocatable link takes from the archive what an ordinary one would, and needs neither BLAS nor libc to do so.
check_predictor() { # ARCHIVE [flag...]
    local archive=$1 linked unwanted
    shift
    "${CC:-cc}" -std=c11 "$@" -I"$source_dir/include" -c "$work/predictor.c" -o "$work/predictor.o"
    "${CC:-cc}" -r -nostdlib -Wl,-Map="$work/map" "$work/predictor.o" "$archive" -o "$work/linked.o"
    linked=$(grep -oE '[[:alnum:]_]+\.c\.o' "$work/map" | sort -u || true)
    printf '%s: a program that only predicts links %s\n' "${archive##*/}" "$(tr '\n' ' ' <<<"$linked")"

    grep -qx propagation.c.o <<<"$linked" || reject "${archive##*/}: prediction without" '  propagation.c.o'
    unwanted=$(grep -Fx -f <(not_for_predictors) <<<"$linked" || true)
    reject "${archive##*/}: a program that only predicts has to link" "$unwanted"
}

check_archive "$build/libbackprop.a" '^bpi?_'
check_archive "$build/libbackpropf.a" '^bpfi?_'
write_predictor
check_predictor "$build/libbackprop.a"
check_predictor "$build/libbackpropf.a" -DBACKPROP_SINGLE
"$source_dir/tools/single_names.sh" --check || n_failures=$((n_failures + 1))

[ "$n_failures" -eq 0 ] || { echo "check_symbols.sh: $n_failures promises broken" >&2 && exit 1; }
echo 'symbols: as promised'
