#!/bin/sh
# Membership beside serf: bytes that an idle node sends, and how long a crash takes to be known.
# Usage: membership.sh REPLICANT [NODES [KILLS [SECONDS]]]
#
# Each cluster runs in a network of its own that has loopback only, so that its counters count
# nothing else: the bytes of packets, headers of IP, UDP and TCP included. Needs Linux, `unshare`,
# `serf`, and the right to make namespaces. All processes end with the script.
set -eu
me=$(readlink -f "$0")
replicant=$(readlink -f "$1")
nodes=${2:-30} kills=${3:-5} seconds=${4:-60}
patience=120

now() { date +%s%3N; }

# Bytes that were sent on loopback up to now.
sent() { awk '$1 == "lo:" { print $10 }' /proc/net/dev; }

# Starts node $1. Prints nothing; adds its process to the file `processes`.
start_serf() {
    serf agent -node="127.0.0.1:$((7000 + $1))" -bind="127.0.0.1:$((7000 + $1))" \
        -rpc-addr="127.0.0.1:$((8000 + $1))" -profile=lan -log-level=err \
        -event-handler="member-failed=$folder/failed" \
        $([ "$1" -eq 1 ] || echo -retry-join=127.0.0.1:7001 -retry-interval=1s) \
        >"$folder/log$1" 2>&1 &
    echo $! >>"$folder/processes"
}

start_replicant() {
    "$replicant" init "$folder/node$1" >"$folder/log$1"
    "$replicant" serve --data "$folder/node$1" --listen "127.0.0.1:$((7000 + $1))" \
        --api "127.0.0.1:$((8000 + $1))" --compiled-modules "$folder/compiled" --log warn \
        $([ "$1" -eq 1 ] || echo --join 127.0.0.1:7001) \
        >>"$folder/log$1" 2>&1 &
    echo $! >>"$folder/processes"
}

# How many members node $1 knows to be alive.
alive_serf() { serf members -status=alive -rpc-addr="127.0.0.1:$((8000 + $1))" | wc -l; }
alive_replicant() {
    "$replicant" members --api "http://127.0.0.1:$((8000 + $1))" | grep -c ' alive ' || true
}

# From here on each node's word that a member is dead goes to the file `events`, as
# "milliseconds, who says it, address, state".
watch_serf() { :; } # The agents' event handlers do it.
watch_replicant() {
    for node in $(seq "$nodes"); do
        "$replicant" members --watch --api "http://127.0.0.1:$((8000 + node))" 2>/dev/null |
            while read -r _ address state _; do
                state=${state%,}
                [ "$state" = alive ] || echo "$(now) $node $address $state" >>"$folder/events"
            done &
    done
}

await() { # COUNT, COMMAND...: waits until the command prints that number.
    wanted=$1 deadline=$(($(now) + patience * 1000))
    shift
    while [ "$("$@" 2>/dev/null)" != "$wanted" ]; do
        if [ "$(now)" -gt "$deadline" ]; then
            echo "$* does not come to $wanted within $patience s" >&2
            return 1
        fi
        sleep 0.2
    done
}

# Who said that $1 is in state $2, one line each, the earliest first.
said() { awk -v of="$1" -v is="$2" '$3 == of && $4 == is && !seen[$2]++' "$folder/events" | sort -n; }
said_count() { said "$@" | wc -l; }

median() { sort -n | awk '{ all[NR] = $1 } END { print all[int((NR + 1) / 2)] }'; }

measure() {
    kind=$1
    printf '#!/bin/sh\nread -r name _\necho "$(date +%%s%%3N) $SERF_SELF_NAME $name dead" >>%s\n' \
        "$folder/events" >"$folder/failed"
    chmod +x "$folder/failed"
    : >"$folder/events"
    for node in $(seq "$nodes"); do
        "start_$kind" "$node"
        # The first has to be there before others can join it.
        [ "$node" -gt 1 ] || await 1 "alive_$kind" 1
    done
    for node in $(seq "$nodes"); do await "$nodes" "alive_$kind" "$node"; done
    sleep 30
    before=$(sent) start=$(now)
    sleep "$seconds"
    after=$(sent) end=$(now)
    echo "$kind: $(((after - before) * 1000 / (end - start) / nodes)) bytes a node and second"
    "watch_$kind"
    sleep 10
    for kill in $(seq "$kills"); do
        victim=$((nodes + 1 - kill)) address=127.0.0.1:$((7001 + nodes - kill))
        at=$(now)
        kill -9 "$(sed -n "${victim}p" "$folder/processes")"
        await $((nodes - kill)) said_count "$address" dead
        said "$address" dead | awk -v at="$at" 'NR == 1 { first = $1 } END { print first - at, $1 - at }' |
            tee -a "$folder/times" | sed "s/^/$kind: ms until the first and the last know: /"
        sleep $((5 + kill))
    done
    echo "$kind: medians: first $(awk '{ print $1 }' "$folder/times" | median) ms," \
        "all $(awk '{ print $2 }' "$folder/times" | median) ms"
    echo "$kind: said to be dead though it ran: $(awk -v last="$((7000 + nodes - kills))" \
        '{ split($3, of, ":") } $4 == "dead" && of[2] <= last' "$folder/events" | wc -l)"
}

case ${BENCH_KIND:-} in
"")
    for kind in serf replicant; do
        folder=$(mktemp -d)
        BENCH_KIND=$kind BENCH_FOLDER=$folder unshare --map-root-user --net --pid --fork \
            --kill-child "$me" "$replicant" "$nodes" "$kills" "$seconds" || echo "$kind: failed" >&2
        rm -rf "$folder"
    done
    ;;
*)
    folder=$BENCH_FOLDER
    ip link set lo up
    measure "$BENCH_KIND"
    ;;
esac
