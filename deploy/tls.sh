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
    umask 077
    cd /etc/nginx/tls
    cat >renewed
    sed -n "/BEGIN CERTIFICATE/,/END CERTIFICATE/p" renewed >certificate.new
    sed -n "/BEGIN .*PRIVATE KEY/,/END .*PRIVATE KEY/p" renewed >key.new
    rm renewed
    if [ "$(openssl x509 -in certificate.new -noout -pubkey)" != "$(openssl pkey -in key.new -pubout)" ]; then
        rm certificate.new key.new
        echo "tls: the key is not the one of the certificate; nothing was changed." >&2
        exit 1
    fi
    mv certificate.new certificate.pem
    mv key.new key.pem
    nginx -g "pid /tmp/nginx.pid;" -s reload'
echo "tls: nginx has the new certificate."
