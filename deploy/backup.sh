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

save() {
    with_data "$1" "tar -C $2 -czf - ." >"$folder/$1.tar.gz.part" </dev/null
    mv "$folder/$1.tar.gz.part" "$folder/$1.tar.gz"
}

restore() {
    with_data "$1" "find $2 -mindepth 1 -delete && tar -C $2 -xzf -" <"$folder/$1.tar.gz"
}

# A dump is a consistent snapshot, and the server keeps running.
save_postgres() {
    docker compose exec -T postgres pg_dump --username postgres --format custom chat >"$folder/postgres.dump.part" </dev/null
    mv "$folder/postgres.dump.part" "$folder/postgres.dump"
}

# All or nothing. The service notices within seconds that its keys are older.
restore_postgres() {
    docker compose exec -T postgres pg_restore --username postgres --dbname chat --clean --if-exists \
        --single-transaction --no-owner --role chat <"$folder/postgres.dump"
}

postgres() {
    [ -n "$(docker compose ps --quiet postgres)" ] || return 0
    [ "$1" = save ] || [ -f "$folder/postgres.dump" ] || return 0
    "$1_postgres" || failed="$failed postgres"
    echo "backup: $1 postgres"
}

each() {
    while read -r name data; do
        [ -n "$(container_of "$name")" ] || continue
        [ "$1" = save ] || [ -f "$folder/$name.tar.gz" ] || continue
        docker compose stop "$name" >/dev/null 2>&1 </dev/null
        "$1" "$name" "$data" || failed="$failed $name"
        docker compose start "$name" >/dev/null 2>&1 </dev/null
        echo "backup: $1 $name"
    done <<'NAMES'
prometheus /prometheus
alertmanager /alertmanager
grafana /var/lib/grafana
NAMES
}

[ $# -eq 2 ] || usage
case $1 in save | restore) ;; *) usage ;; esac
[ "$1" = restore ] || mkdir -p "$2"
folder=$(cd "$2" && pwd)
failed=
cd "$(dirname "$0")/.."
each "$1"
postgres "$1"
[ -z "$failed" ] || { echo "backup: FAILED:$failed" >&2 && exit 1; }
