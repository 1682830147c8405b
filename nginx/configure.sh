#!/bin/sh
# shellcheck disable=SC2016,SC3045  # nginx's own variables; every shell of an image knows ulimit -H
# Before nginx starts: writes what of its configuration is a list, a choice or a sum, from the environment, as the
# templates beside it are filled in from it: configure.sh [FOLDER]
set -euf

cd "${1:-/etc/nginx/conf.d}"
# all workers together; at 12 KB for each that is half open, they fit into the container's 512 MB
ALL_CONNECTIONS=32768
MOST_WORKERS=8

refuse() {
    echo "nginx cannot start: $1." >&2
    exit 1
}

each() { printf '%s\n' "$1" | tr -s ', \t' '\n' | sed '/^$/d'; }

is_true() {
    case $(printf %s "$1" | tr '[:upper:]' '[:lower:]') in
    true | yes | on | 1) ;;
    '' | false | no | off | 0) return 1 ;;
    *) refuse "$2 must be true or false" ;;
    esac
}

# seconds NAME VALUE: rounded up, for nginx knows no fractions
seconds() {
    awk -v value="$2" 'BEGIN { if (value !~ /^[0-9]+(\.[0-9]*)?$/) exit 1; print int(value + 0.999999) }' ||
        refuse "$1 must be a number of seconds"
}

# count NAME VALUE MOST
count() {
    case $2 in '' | *[!0-9]* | ????????*) ;; *) [ "$2" -lt 1 ] || [ "$2" -gt "$3" ] || return 0 ;; esac
    refuse "$1 must be a whole number from 1 to $3"
}

# what the container may use, not what the host has
cores() {
    limit=$(cat /sys/fs/cgroup/cpu.max 2>/dev/null ||
        cat /sys/fs/cgroup/cpu/cpu.cfs_quota_us /sys/fs/cgroup/cpu/cpu.cfs_period_us 2>/dev/null || echo max)
    # shellcheck disable=SC2086  # quota and period
    set -- $limit
    number=$(nproc)
    case $1 in
    max | -1) ;;
    *) quota=$((($1 + $2 - 1) / $2)) && [ "$quota" -ge "$number" ] || number=$quota ;;
    esac
    [ "$number" -le "$MOST_WORKERS" ] || number=$MOST_WORKERS
    echo "$number"
}

processes() {
    workers=$(cores)
    connections=$((ALL_CONNECTIONS / workers))
    # a connection is a descriptor, and a body that is buffered another one
    files=$((2 * connections))
    most=$(ulimit -H -n)
    if [ "$most" != unlimited ] && [ "$most" -lt "$files" ]; then
        files=$most
        [ "$connections" -le $((files - 1024)) ] || connections=$((files - files / 8))
    fi
    cat <<CONF
worker_processes $workers;  # default 1
# a soft limit of 1024 would refuse what the connections need
worker_rlimit_nofile $files;
# default: for ever; how long the old ones may go on after a reload, and all of them after SIGQUIT
worker_shutdown_timeout ${answer_seconds}s;
events {
    # default 512: an answer holds two for its whole life, and idle callers must not crowd others out
    worker_connections $connections;
}
CONF
}

# an address or a range, of IPv4 or IPv6
is_network() {
    byte='(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])'
    four="$byte(\.$byte){3}"
    group='[0-9A-Fa-f]{1,4}'
    six="($group:){7}$group|($group:){6}$four"
    case $1 in
    *::*::*) return 1 ;;
    *::*) six="($group(:$group){0,6})?::(($group:){0,6}($group|$four))?" ;;
    esac
    printf %s "$1" | grep -Eqx "$four(/([12]?[0-9]|3[0-2]))?|($six)(/(12[0-8]|1[01][0-9]|[1-9]?[0-9]))?"
}

trusted() {
    for entry in $(each "${TRUSTED_PROXIES:-}"); do
        case $entry in
        private | cloudflare) sed 's/#.*//; /^ *$/d' "../trusted/$entry.txt" ;;
        *)
            is_network "$entry" ||
                refuse "TRUSTED_PROXIES: \"$entry\" is no address, no range such as 10.0.0.0/8, and neither private nor cloudflare"
            echo "$entry"
            ;;
        esac
    done
}

addresses() {
    proxies=$(trusted)
    header=X-Forwarded-For
    if [ -n "$proxy_protocol" ]; then
        [ -n "$proxies" ] || refuse "PROXY_PROTOCOL=true needs TRUSTED_PROXIES, which says whose word counts"
        header=proxy_protocol
    fi
    printf 'geo $realip_remote_addr $is_behind_proxy {\n    default 0;\n'
    for proxy in $proxies; do echo "    $proxy 1;"; done
    echo '}'
    for proxy in $proxies; do echo "set_real_ip_from $proxy;"; done
    # recursive: the last address that is not trusted; what stands before it was written by the caller
    [ -z "$proxies" ] || printf 'real_ip_header %s;\nreal_ip_recursive on;\n' "$header"
}

origins() {
    echo 'map $http_origin $cors_origin {'
    for origin in $(each "${CORS_ORIGINS:-}"); do
        printf %s "$origin" | grep -Eq '^https?://[A-Za-z0-9.:_-]+$|^https?://\[[0-9A-Fa-f:.]+\](:[0-9]+)?$' ||
            refuse "CORS_ORIGINS: each origin must be scheme://host[:port], without a path, and not *"
        printf '    "~*^%s$" $http_origin;\n' "$(printf %s "$origin" | sed 's/[].[]/\\&/g')"
    done
    printf '    default "";\n}\n'
}

# An address as host is no name that somebody else could have pointed here, nor is a name without a dot.
hosts() {
    printf 'server_name "" *.localhost *.internal ~^[0-9.]+$ ~^\\[[0-9a-f:.]+\\]$ ~^[a-z0-9_-]+$'
    for host in $(each "${ALLOWED_HOSTS:-},${DOMAIN:-}"); do
        printf %s "$host" | grep -Eq '^(\*\.)?[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$' ||
            refuse "ALLOWED_HOSTS or DOMAIN: \"$host\" is no host name; *.example.com stands for every name below it, and a name with other letters is written as xn--..."
        printf ' %s' "$host"
    done
    echo ';'
}

base_path() {
    path=$(printf %s "${BASE_PATH:-}" | sed 's:/*$::')
    [ -n "$path" ] || return 0
    printf %s "$path" | grep -Eq '^(/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)+$' ||
        refuse "BASE_PATH must be a path such as /chat-service"
    grep -Fq "location = $path {" ../templates/server.conf.template &&
        refuse "BASE_PATH must not be one of the service's own paths, as $path is"
    pattern=$(printf %s "$path" | sed 's/[.]/\\&/g')
    # never one of nginx's own locations: after a rewrite they would be open
    printf 'rewrite ^%s(/([^.].*)?)$ $1;\nlocation = %s { return 308 %s/; }\n' "$pattern" "$path" "$path"
}

# RESOLVER, or the container's own: Docker's and podman's know the replicas
resolver() {
    address=${RESOLVER:-$(awk '$1 == "nameserver" { print $2; exit }' /etc/resolv.conf)}
    [ -n "$address" ] || refuse "RESOLVER is not set, and /etc/resolv.conf names no server"
    # resolved again every 5 s, so that replicas come and go; Docker's own answer would be valid for 10 minutes
    echo "resolver $address valid=5s ipv6=off;"
}

# a port alone: on IPv6, too, where the container has it
everywhere() {
    echo "$1"
    case $1 in *[!0-9]*) ;; *) [ ! -s /proc/net/if_inet6 ] || echo "[::]:$1" ;; esac
}

# where port 80 leads, and where it is
acme() {
    port=${HTTPS_PORT:-443}
    count HTTPS_PORT "$port" 65535
    [ "$port" = 443 ] && port= || port=:$port
    printf 'map "" $https_port { default "%s"; }\n' "$port" >https-port.conf
    for address in $(everywhere "$NGINX_PLAIN"); do echo "listen $address$proxy_protocol default_server;"; done >acme-listen.inc
}

# listeners MORE: every line but the first of a socket has to repeat its protocols
listeners() {
    for address in $listen; do echo "listen $address$protocols$1;"; done
    [ -z "${NGINX_INSIDE:-}" ] || echo "listen $NGINX_INSIDE$1;"
}

answer_seconds=$(($(seconds TURN_TIMEOUT_SECONDS "$TURN_TIMEOUT_SECONDS") + 30))
proxy_protocol=
if is_true "${PROXY_PROTOCOL:-}" PROXY_PROTOCOL; then proxy_protocol=' proxy_protocol'; fi
protocols=$proxy_protocol
for extra in ${NGINX_EXTRAS:-}; do
    cp "../container/$extra.conf" .
    case $extra in
    tls) protocols=" ssl$protocols" ;;
    acme) acme ;;
    esac
done
listen=$(everywhere "$NGINX_LISTEN")
# limit_conn counts to 65535, and an address gets ten times what a key does
count CLIENT_MAX_STREAMS "$CLIENT_MAX_STREAMS" 6553
count CLIENT_REQUESTS_PER_SECOND "$CLIENT_REQUESTS_PER_SECOND" 100000

processes >processes.inc
addresses >addresses.conf
origins >origins.conf
# longer than a turn can last, for /chat is silent all the while
echo "proxy_read_timeout ${answer_seconds}s;" >read-timeout.conf
hosts >hosts.inc
resolver >resolver.inc
base_path >base-path.inc
# default backlog 511: a crowd that arrives at once waits a moment instead of a second
listeners " default_server backlog=4096" >listen-default.inc
listeners "" >listen.inc
