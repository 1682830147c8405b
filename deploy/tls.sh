#!/bin/sh
# Gives the running nginx (profile tls) a renewed certificate: deploy/tls.sh CERTIFICATE KEY
#
# nginx takes it up by a reload: open answers go on, new connections see the new one. TLS_CERT_FILE and TLS_KEY_FILE in
# .env stay what the next start reads.
set -eu

if [ $# -ne 2 ]; then
    sed -n '2s/^# //p' "$0" >&2
    exit 2
fi
certificate=$(cat "$1")
key=$(cat "$2")
cd "$(dirname "$0")/.."

# as contents, since a mounted file stays the one it was when its name is given to another
printf '%s\n%s\n' "$certificate" "$key" | docker compose --profile tls exec -T nginx-tls sh -euc '
    /etc/nginx/container/take-certificate.sh
    nginx -g "pid /tmp/nginx.pid;" -s reload'
echo "tls: nginx has the new certificate."
