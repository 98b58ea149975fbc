#!/bin/bash
# Submits the array, and the merging that waits for it. Prints both job numbers.
#
#   submit.sh SOURCE N_SHARDS OUT MERGED [OPTIONS...]
#   submit.sh proteins.fasta.gz 16 run/ proteins.tsv --model localization
#
# The environment variable COMMAND chooses predict (the default) or embed.
set -euo pipefail

if (($# < 4)); then
    echo "usage: submit.sh SOURCE N_SHARDS OUT MERGED [OPTIONS...]" >&2
    exit 2
fi
if ! [[ "$2" =~ ^[1-9][0-9]*$ ]]; then
    echo "submit.sh: N_SHARDS is '$2'; give a whole number from 1" >&2
    exit 2
fi

export SOURCE="$1" N_SHARDS="$2" OUT="$3" MERGED="$4" OPTIONS="${*:5}" COMMAND="${COMMAND:-predict}"
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"

# --parsable answers "number" or "number;cluster".
array="$(sbatch --parsable --export=ALL --array="1-$N_SHARDS" "$here/array.sbatch")"
merge="$(sbatch --parsable --export=ALL --dependency="afterok:${array%%;*}" --kill-on-invalid-dep=yes \
    "$here/merge.sbatch")"
echo "array ${array%%;*}, merge ${merge%%;*}"
