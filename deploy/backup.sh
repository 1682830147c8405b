#!/bin/sh
# Saves the stack's data (API keys, the ledger, Prometheus' metrics, Alertmanager's silences, Grafana's database):
# deploy/backup.sh save FOLDER
# and restores it into the running stack: deploy/backup.sh restore FOLDER
#
# Each container but PostgreSQL is stopped for the seconds this takes. Redis has no state that matters.
set -eu

usage() {
    sed -n '2,4s/^# //p' "$0" >&2
    exit 2
}

container_of() { docker compose ps --all --quiet "$1"; }

# with_data NAME SCRIPT: in the image of that container, as its user, with its data and without network
with_data() {
    container=$(container_of "$1")
    docker run --rm --interactive --network none --volumes-from "$container" \
        --user "$(docker inspect --format '{{.Config.User}}' "$container")" \
        --entrypoint sh "$(docker inspect --format '{{.Config.Image}}' "$container")" -c "$2"
}

# keep FILE COMMAND...: FILE stays what it was unless the command succeeds. Whoever calls this with || has switched set -e off.
keep() {
    file=$1
    shift
    if "$@" >"$file.part" </dev/null; then
        mv "$file.part" "$file"
    else
        rm -f "$file.part"
        return 1
    fi
}

save() { keep "$folder/$1.tar.gz" with_data "$1" "tar -C $2 -czf - ."; }

restore() {
    tar -tzf "$folder/$1.tar.gz" >/dev/null &&
        with_data "$1" "find $2 -mindepth 1 -delete && tar -C $2 -xzf -" <"$folder/$1.tar.gz"
}

# A dump is a consistent snapshot, and the server keeps running.
save_postgres() {
    keep "$folder/postgres.dump" docker compose exec -T postgres pg_dump --username postgres --format custom chat
}

# All or nothing. The service notices within seconds that its keys are older. Its answers go on meanwhile: they do not wait
# long for a lock, so a deadlock with them ends by itself, unless PostgreSQL is quicker to end the restore.
restore_postgres() {
    docker compose exec -T --env PGOPTIONS='-c deadlock_timeout=60s' postgres pg_restore --username postgres --dbname chat --clean --if-exists \
        --single-transaction --no-owner --role chat <"$folder/postgres.dump"
}

# report NAME COMMAND...
report() {
    name=$1
    shift
    if "$@"; then
        succeeded="$succeeded $name"
        echo "backup: $action $name"
    else
        failed="$failed $name"
    fi
}

# compose may create the container of a service that is never started
has_run() {
    container=$(container_of "$1")
    [ -n "$container" ] && [ "$(docker inspect --format '{{.State.Status}}' "$container")" != created ]
}

# A server that is stopped is a failure; a stack whose DATABASE_URL is another server's has none.
postgres() {
    if [ "$action" = save ]; then
        has_run postgres || return 0
    else
        [ -f "$folder/postgres.dump" ] || return 0
    fi
    report postgres "${action}_postgres"
}

# while_stopped NAME COMMAND...
while_stopped() {
    stopped=$1 result=0
    shift
    trap 'docker compose start "$stopped" >/dev/null 2>&1; exit 1' INT TERM
    docker compose stop "$stopped" >/dev/null 2>&1 && "$@" || result=1
    trap - INT TERM
    docker compose start "$stopped" >/dev/null 2>&1 && return "$result"
}

each() {
    while read -r name data; do
        [ -n "$(container_of "$name")" ] || continue
        [ "$action" = save ] || [ -f "$folder/$name.tar.gz" ] || continue
        report "$name" while_stopped "$name" "$action" "$name" "$data" </dev/null
    done <<'NAMES'
prometheus /prometheus
alertmanager /alertmanager
grafana /var/lib/grafana
NAMES
}

fail() {
    echo "backup: FAILED: $*" >&2
    exit 1
}

[ $# -eq 2 ] || usage
case $1 in save | restore) ;; *) usage ;; esac
action=$1
[ "$action" = restore ] || mkdir -p "$2"
folder=$(cd "$2" && pwd)
succeeded=
failed=
cd "$(dirname "$0")/.."
postgres
each
[ -z "$failed" ] || fail "${failed# }"
[ -n "$succeeded" ] || fail "there was nothing to $action: is the stack here, and is $folder the right folder?"
