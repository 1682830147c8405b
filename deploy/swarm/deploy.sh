#!/bin/bash
# Starts or updates the stack on the Swarm that this machine manages: deploy/swarm/deploy.sh [MORE.yml...]
#
# Settings come from .env and the environment, as for docker compose. The service is replaced one task at a time, without
# breaking an answer, and rolls back if the new ones do not become ready; manually: docker service rollback chat_service.
set -euo pipefail
cd "$(dirname "$0")/../.."

stack=${STACK:-chat}
ready_seconds=${DEPLOY_READY_SECONDS:-900}

say() { echo "deploy: $*"; }

fail() {
    echo "deploy: $*" >&2
    exit 1
}

# reads .env like docker compose, except for variables within values; the environment takes precedence
load_settings() {
    local line name value setting='^[[:space:]]*(export[[:space:]]+)?([A-Za-z_][A-Za-z0-9_]*)[[:space:]]*=[[:space:]]*(.*)$'
    [ -e .env ] || return 0
    while IFS= read -r line || [ -n "$line" ]; do
        # an editor's byte order mark and line ends
        line=${line#$'\xef\xbb\xbf'} line=${line%$'\r'}
        [[ $line =~ $setting ]] || continue
        name=${BASH_REMATCH[2]} value=${BASH_REMATCH[3]}
        [ -z "${!name+set}" ] || continue
        case $value in
        \'*\'*) value=${value#\'} value=${value%%\'*} ;;
        \"*\"*) value=${value#\"} value=${value%%\"*} ;;
        '#'*) value= ;;
        *) value=${value%%[[:space:]]#*} value=${value%"${value##*[![:space:]]}"} ;;
        esac
        export "$name=$value"
    done <.env
}

require_swarm() {
    [ "$(docker info --format '{{.Swarm.ControlAvailable}}')" = true ] ||
        fail "this machine manages no Swarm; docker swarm init makes one (README: docs/deploying.md)"
    local image
    [ "$(docker node ls --quiet | wc -l)" -gt 1 ] || return 0
    for image in "${SERVICE_IMAGE:-chat-service:local}" "${NGINX_IMAGE:-chat-nginx:local}"; do
        case $image in
        */*) ;;
        *) fail "there are several nodes, and $image is on this one alone: push it to a registry, and name it with SERVICE_IMAGE and NGINX_IMAGE" ;;
        esac
    done
}

# A database's data is on one node.
pin_data() {
    local nodes
    nodes=$(docker node ls --quiet --filter node.label=chat.data=true)
    [ -n "$nodes" ] || docker node update --label-add chat.data=true "$(docker info --format '{{.Swarm.NodeID}}')" >/dev/null
}

hash_of() { sha256sum "$1" | cut -c 1-12; }

# Docker rejects an empty secret; the service reads a single newline as empty.
name_files() {
    local name
    printf '\n' >"$scratch/none"
    for name in OPENAI_API_KEY FALLBACK_API_KEY; do
        local file=${name}_FILE
        export "$file=${!file:-$scratch/none}"
        [ -s "${!file}" ] || export "$file=$scratch/none"
        export "${name}_HASH=$(hash_of "${!file}")"
    done
    export PRICES_FILE=${PRICES_FILE:-$PWD/service/llm/prices.toml}
    PRICES_HASH=$(hash_of "$PRICES_FILE")
    POSTGRES_START_HASH=$(hash_of deploy/image/postgres.sh)
    POSTGRES_USER_HASH=$(hash_of deploy/image/postgres-user.sh)
    export PRICES_HASH POSTGRES_START_HASH POSTGRES_USER_HASH
}

# SERVICE SOURCE=TARGET...: its files of monitoring/ as configs, and those in secrets/ as secrets, named as above
mount_files() {
    local service=$1 mount file kind name
    local -A uses=() known=()
    shift
    for mount in "$@"; do
        while IFS= read -r file; do
            kind=configs
            case $file in */secrets/*) kind=secrets ;; esac
            name=${service}_${file##*/}_$(hash_of "$file")
            uses[$kind]+="      - {source: $name, target: ${mount#*=}${file#"${mount%%=*}"}}"$'\n'
            known[$kind]+="  $name: {name: chat_$name, file: $PWD/$file}"$'\n'
        done < <(find "${mount%%=*}" -type f -size +0c | sort)
    done
    printf 'services:\n  %s:\n' "$service"
    for kind in "${!uses[@]}"; do printf '    %s:\n%s' "$kind" "${uses[$kind]}"; done
    for kind in "${!known[@]}"; do printf '%s:\n%s' "$kind" "${known[$kind]}"; done
}

mount_monitoring() {
    mount_files prometheus monitoring/prometheus/prometheus.yml=/etc/prometheus/prometheus.yml \
        monitoring/prometheus/rules=/etc/prometheus/rules monitoring/runbook.md=/usr/share/runbook/runbook.md \
        monitoring/runbook.ko.md=/usr/share/runbook/runbook.ko.md >"$scratch/prometheus.yml"
    mount_files alertmanager monitoring/alertmanager=/etc/alertmanager >"$scratch/alertmanager.yml"
    mount_files grafana monitoring/grafana=/etc/grafana >"$scratch/grafana.yml"
    mount_files blackbox-exporter monitoring/blackbox.yml=/etc/blackbox_exporter/config.yml \
        >"$scratch/blackbox-exporter.yml"
}

# The password is generated, and stored only in the Swarm's secrets.
make_database_url() {
    export DATABASE_URL_SECRET="${stack}_database_url"
    docker secret inspect "$DATABASE_URL_SECRET" >/dev/null 2>&1 && return
    printf 'postgresql://chat:%s@postgres/chat' "$(od -An -N24 -tx1 /dev/urandom | tr -d ' \n')" |
        docker secret create "$DATABASE_URL_SECRET" - >/dev/null
}

names() { docker service ls --quiet --filter "label=com.docker.stack.namespace=$stack"; }

# updating, paused, rollback_started, ...; empty if it was never updated
update_state() { docker service inspect --format '{{if .UpdateStatus}}{{.UpdateStatus.State}}{{end}}' "$1"; }

is_complete() {
    local running wanted
    IFS=/ read -r running wanted < <(docker service ls --filter "id=$1" --format '{{.Replicas}}' | cut -d ' ' -f 1)
    [ "$running" = "$wanted" ]
}

all_complete() {
    local service
    for service in $(names); do
        case $(update_state "$service") in
        paused | rollback_*)
            fail "$(docker service inspect --format '{{.Spec.Name}}: {{.UpdateStatus.Message}}' "$service"); the old tasks serve on"
            ;;
        '' | completed) is_complete "$service" || return 1 ;;
        *) return 1 ;;
        esac
    done
}

# checks three times: a container that exits at once also appears for a moment
wait_until_ready() {
    local until=$((SECONDS + ready_seconds)) looks=0
    while [ "$looks" -lt 3 ]; do
        if all_complete; then looks=$((looks + 1)); else looks=0; fi
        [ "$SECONDS" -lt "$until" ] || fail "not ready in $ready_seconds s: docker stack ps $stack says why"
        sleep 1
    done
}

# Removes those of earlier deploys; what a rollback may need is still in use.
prune() {
    local kind
    for kind in secret config; do
        docker "$kind" ls --quiet --filter "label=com.docker.stack.namespace=$stack" |
            xargs -r -n 1 docker "$kind" rm >/dev/null 2>&1 || true
    done
}

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
load_settings
require_swarm
pin_data
name_files
mount_monitoring
make_database_url
files=()
for more in deploy/swarm/stack.yml deploy/swarm/monitoring.yml "$scratch"/*.yml "$@"; do files+=(--compose-file "$more"); done
# changed: an image that no registry knows is taken as it is here
docker stack deploy "${files[@]}" --resolve-image changed --detach=true "$stack" >"$scratch/said" 2>&1 ||
    fail "$(tail -n 3 "$scratch/said")"
say "waiting until all of it is ready"
wait_until_ready
prune
say "done"
