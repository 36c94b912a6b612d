#!/usr/bin/env bash
# Behind `make run`: the server, and the application over it; arguments are the server's, those of the application are in APP.
# Either ends the other, and a signal ends both in good order.
set -euo pipefail
# A process group each: Ctrl-C reaches this script alone, which tells each of them once.
set -m
cd "$(dirname "$0")/.."

scratch=$(mktemp -d)
pids=()
stop() {
    trap - EXIT INT TERM HUP
    if [ "${#pids[@]}" -gt 0 ]; then
        kill "${pids[@]}" 2>/dev/null || true
        wait "${pids[@]}" 2>/dev/null || true
    fi
    rm -rf "$scratch"
}
trap stop EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# Starts a program, waits for its line "ready <name>=<address> ...", and leaves the address of the first name in $address.
start() {
    mkfifo "$scratch/$1"
    "${@:2}" >"$scratch/$1" &
    pids+=($!)
    exec {out}<"$scratch/$1"
    local ready
    if ! read -r -u "$out" ready; then
        echo "make: $1 has not started" >&2
        exit 1
    fi
    address=${ready#*=}
    address=${address%% *}
    # What else it writes there, an access log say.
    cat <&"$out" &
}

start server target/release/hippocamp --model-repository model_repository "$@"
server=$address
# shellcheck disable=SC2086 # several flags
start app target/release/hippocamp-app --server "$server" ${APP:-}
printf '\n  films, and why:    http://%s\n  inference server:  http://%s/docs\n\n' "$address" "$server"
status=0
wait -n "${pids[@]}" || status=$?
echo "make: one of the two has ended (status $status), so the other one is told to" >&2
exit "$status"
