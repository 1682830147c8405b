#!/bin/sh
# In the background of the profile acme: nginx reloads when certbot has put a new certificate into the folder that both
# have. Open answers go on under the old one.
set -eu
handed_over=/var/lib/acme/certificate.pem
taken=$(cat "$handed_over" 2>/dev/null || true)

while sleep 2; do
    found=$(cat "$handed_over" 2>/dev/null || true)
    [ -n "$found" ] && [ "$found" != "$taken" ] || continue
    # once, whether it is good or not
    taken=$found
    printf '%s\n' "$found" | "$(dirname "$0")/take-certificate.sh" || continue
    nginx -g "pid /tmp/nginx.pid;" -s reload && echo "tls: nginx has a new certificate."
done
