#!/usr/bin/env bash
# What a program links that only loads a model and predicts: nothing that trains, optimizes or reads data. A static archive is
# linked object by object, so one reference too many would bring a trainer into a device that never trains.
#
#   tests/check_link_map.sh BUILD_DIRECTORY
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

# Until there are model files a program has to describe its network itself.
has_model_files() { [ -f "$source_dir/src/model/model_file.c" ]; }

write_predictor() {
    local make='bp_network_init(&net, &(bp_network_config){ .n_in = 1, .n_layers = 1, .layers = &(bp_layer_config){ .n_out = 1 } })'
    ! has_model_files || make='bp_network_load(&net, "model.safetensors", NULL)'
    cat >"$work/predictor.c" <<PROGRAM
#include <backprop.h>
int main(void)
{
    const bp_real x[64] = { 0 };
    bp_real y[64];
    bp_network net;
    bp_workspace ws;
    if ($make != BP_OK || bp_workspace_init(&ws, &net, 1, BP_INFERENCE) != BP_OK)
        return 1;
    const bp_status status = net.n_in <= 64 && net.n_out <= 64 ? bp_predict(&net, &ws, x, 1, y) : BP_ERR_SHAPE;
    bp_workspace_free(&ws);
    bp_network_free(&net);
    return status != BP_OK;
}
PROGRAM
}

# Objects of the floors that a program which only predicts has no use for: check_symbols.sh sees to it that no two objects
# have one name.
not_for_predictors() { find "$source_dir"/src/{train,optim,data} -name '*.c' | sed 's:^.*/::; s:$:.o:'; }

# A relocatable link takes from the archive what an ordinary one would, and needs neither BLAS nor libc to do so.
check_predictor() { # ARCHIVE [flag...]
    local archive=$1 name=${1##*/} linked unwanted
    shift
    "${CC:-cc}" -std=c11 "$@" -I"$source_dir/include" -c "$work/predictor.c" -o "$work/predictor.o"
    "${CC:-cc}" -r -nostdlib -Wl,-Map="$work/map" "$work/predictor.o" "$archive" -o "$work/linked.o"
    linked=$(grep -oE '[[:alnum:]_]+\.c\.o' "$work/map" | sort -u || true)
    printf '%s: a program that only loads and predicts links %s\n' "$name" "$(tr '\n' ' ' <<<"$linked")"

    grep -qx propagation.c.o <<<"$linked" || reject "$name: prediction without" '  propagation.c.o'
    ! has_model_files || grep -qx model_file.c.o <<<"$linked" || reject "$name: loading without" '  model_file.c.o'
    unwanted=$(grep -Fx -f <(not_for_predictors) <<<"$linked" || true)
    [ -z "$unwanted" ] || grep -m 5 -F -A1 -f <(awk '{ print "(" $0 ")" }' <<<"$unwanted") "$work/map" >&2 # who asks for them
    reject "$name: a program that only loads and predicts has to link" "$unwanted"
}

write_predictor
check_predictor "$build/libbackprop.a"
check_predictor "$build/libbackpropf.a" -DBACKPROP_SINGLE

[ "$n_failures" -eq 0 ] || { echo "check_link_map.sh: $n_failures complaints" >&2 && exit 1; }
echo 'link map: as promised'
