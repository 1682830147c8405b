#!/bin/sh
# Updates the running service to a new image without breaking an answer: deploy/update.sh [IMAGE]
#
# Without IMAGE it is built from the source here. The new containers get no traffic before they are ready; then the old
# ones get no more, end the answers they are giving, and are removed. If the new ones end, or are not ready in 300 s
# (UPDATE_READY_SECONDS; a chain may load an index first), they are removed instead, the old ones serve on, and the exit code is 1.
set -eu
cd "$(dirname "$0")/.."

ready_seconds=${UPDATE_READY_SECONDS:-300}
# nginx asks for the service's addresses every 5 s
addresses_known_seconds=7
new=

say() { echo "update: $*"; }

fail() {
    echo "update: $*" >&2
    exit 1
}

replicas() { docker compose ps --quiet "$@" service; }

prepare_image() {
    if [ $# -eq 0 ]; then
        docker compose build --quiet service
        return
    fi
    export SERVICE_IMAGE="$1"
    docker image inspect "$1" >/dev/null 2>&1 || docker pull --quiet "$1" >/dev/null
}

# Next to the old ones, but not on the network where nginx would find them by the service's name. Not with --no-deps: compose
# would note another configuration for them, and replace them at the next docker compose up.
create() {
    docker compose up --no-start --no-build --no-recreate --scale "service=$((2 * count))" service >/dev/null 2>&1 ||
        fail "the new containers could not be made"
    for container in $(replicas --all); do
        case " $known " in
        *" $container "*) ;;
        *) new="$new $container" ;;
        esac
    done
    for container in $new; do docker network disconnect "$edge" "$container"; done
}

is_ready() { [ "$(docker inspect --format '{{.State.Health.Status}}' "$1")" = healthy ]; }

has_ended() { [ "$(docker inspect --format '{{.RestartCount}}' "$1")" != 0 ]; }

wait_ready() {
    until=$(($(date +%s) + ready_seconds))
    for container in $new; do
        until is_ready "$container"; do
            ! has_ended "$container" || return 1
            [ "$(date +%s)" -lt "$until" ] || return 1
            sleep 0.5
        done
    done
}

give_up() {
    for container in $new; do
        docker logs --tail 10 "$container" 2>&1 | sed 's/^/update: new container: /' >&2
        docker rm --force "$container" >/dev/null
    done
    fail "$1; the old ones serve on"
}

let_in() {
    for container in $new; do docker network connect --alias service "$edge" "$container"; done
    sleep "$addresses_known_seconds"
}

# After SIGTERM, open answers continue without new connections; Docker waits for stop_grace_period.
# shellcheck disable=SC2086  # several ids
drain() {
    docker stop $old >/dev/null
    for container in $old; do
        code=$(docker inspect --format '{{.State.ExitCode}}' "$container")
        [ "$code" = 0 ] || say "an old container ended with exit code $code, not 0"
    done
    docker rm $old >/dev/null
}

old=$(replicas --status running | tr '\n' ' ')
[ -n "$old" ] || fail "the service is not running; docker compose up starts it"
# shellcheck disable=SC2086  # counted by splitting
count=$(set -- $old && echo $#)
project=$(docker inspect --format '{{index .Config.Labels "com.docker.compose.project"}}' "${old%% *}")
edge=$(docker network ls --quiet --filter "label=com.docker.compose.project=$project" \
    --filter label=com.docker.compose.network=edge)

known=$(replicas --all | tr '\n' ' ')
prepare_image "$@"
trap 'give_up "interrupted"' INT TERM
create
say "starting the new ($count)"
# shellcheck disable=SC2086
docker start $new >/dev/null || give_up "the new containers do not start"
wait_ready || give_up "the new containers ended, or were not ready in $ready_seconds s"
trap - INT TERM
let_in
say "the new ones serve; the old ones end their answers"
drain
say "done"
[ $# -eq 0 ] || say "set SERVICE_IMAGE=$1 in .env, or the next docker compose up goes back to what is set there"
