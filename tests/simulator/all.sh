#!/bin/sh
# Runs every built-in scenario but the canary, each with its own number of nodes.
# Usage: all.sh REPLICANT SEEDS
set -u
replicant=$1
seeds=$2
failed=""
for scenario in $("$replicant" sim --list | awk 'NR > 1 && $1 != "canary" { print $1 }'); do
    "$replicant" sim "$scenario" --seeds "$seeds" || failed="$failed $scenario"
    echo
done
if [ -n "$failed" ]; then
    echo "beyond a bound:$failed"
    exit 1
fi
echo "every scenario holds"
