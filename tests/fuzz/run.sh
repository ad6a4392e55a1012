#!/usr/bin/env bash
# Fuzzes every target for a number of seconds, two at a time, from the committed corpora; fails on any finding.
#
#   tests/fuzz/run.sh SECONDS [FOLDER]
#
# Needs clang with libFuzzer. FOLDER (build-fuzz) gets the build, what libFuzzer finds out (corpus/<target>, from which the next run
# goes on), and findings: inputs that crash, hang, or take too much memory, each to be run by giving it to its target's program.
set -euo pipefail
cd "$(dirname "$0")/../.."

seconds=${1:?how many seconds for each target}
folder=${2:-build-fuzz}

cmake -S . -B "$folder" -DCMAKE_C_COMPILER="${CC:-clang}" -DCMAKE_BUILD_TYPE=Release -DBACKPROP_BUILD_FUZZERS=ON \
    -DBACKPROP_BLAS=OFF -DBACKPROP_BUILD_EXAMPLES=OFF >"$folder.log" 2>&1 || { cat "$folder.log" && exit 1; }
cmake --build "$folder" --target fuzzers --parallel 2 >>"$folder.log" 2>&1 || { cat "$folder.log" && exit 1; }
rm "$folder.log"
mkdir -p "$folder/findings"

# fuzz TARGET
fuzz() {
    local name=$1 log="$folder/$1.log" dictionary=()
    mkdir -p "$folder/corpus/$name"
    [ ! -f "tests/fuzz/$name.dict" ] || dictionary=("-dict=tests/fuzz/$name.dict")
    if ! "$folder/tests/fuzz/$name" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=1024 -max_len=8192 -print_final_stats=1 \
        "${dictionary[@]}" -artifact_prefix="$folder/findings/$name-" "$folder/corpus/$name" "tests/fuzz/corpus/$name" >"$log" 2>&1; then
        tail -n 60 "$log"
        echo "$name: FOUND something, see $folder/findings"
        return 1
    fi
    echo "$name: $(sed -n 's/^stat::number_of_executed_units: *//p' "$log") inputs, $(grep -oE 'cov: [0-9]+' "$log" | tail -n 1)"
}
export -f fuzz
export seconds folder

find "$folder/tests/fuzz" -maxdepth 1 -name 'fuzz_*' -type f -perm -u+x -printf '%f\0' | sort -z |
    xargs -0 -P 2 -I '{}' bash -euo pipefail -c 'fuzz {}'
