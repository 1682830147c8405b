#!/bin/sh
# Installs a renewed certificate in the running nginx (profile tls): deploy/tls.sh CERTIFICATE KEY
#
# nginx is reloaded: open answers continue, and new connections get the new certificate. TLS_CERT_FILE and TLS_KEY_FILE in
# .env stay what the next start reads.
set -eu

if [ $# -ne 2 ]; then
    sed -n '2s/^# //p' "$0" >&2
    exit 2
fi
certificate=$(cat "$1")
key=$(cat "$2")
cd "$(dirname "$0")/.."

# copies the contents, because a mounted file stays the same when another file takes its name
printf '%s\n%s\n' "$certificate" "$key" | docker compose --profile tls exec -T nginx-tls sh -euc '
    /etc/nginx/container/take-certificate.sh
    nginx -g "pid /tmp/nginx.pid;" -s reload'
echo "tls: nginx has the new certificate."
