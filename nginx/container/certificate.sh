#!/bin/sh
# Before nginx starts: lays certificate and key where tls.conf expects them. Those of TLS_CERT_FILE and TLS_KEY_FILE, or,
# where none are given, a self-signed pair. deploy/tls.sh replaces them while nginx runs.
set -eu
case " ${NGINX_EXTRAS:-} " in *" tls "*) ;; *) exit 0 ;; esac

refuse() {
    echo "nginx cannot start with TLS: $1." >&2
    exit 1
}

readable() {
    [ -r "$2" ] || refuse "$1 cannot be read: it belongs to $(stat -L -c 'uid %u with mode %a' "$2"), and nginx is uid $(id -u)"
}

readable TLS_CERT_FILE /run/secrets/tls_certificate
readable TLS_KEY_FILE /run/secrets/tls_key
certificate=$(cat /run/secrets/tls_certificate)
key=$(cat /run/secrets/tls_key)
umask 077

if [ -n "$certificate" ] && [ -n "$key" ]; then
    printf '%s\n' "$certificate" >/etc/nginx/tls/certificate.pem
    printf '%s\n' "$key" >/etc/nginx/tls/key.pem
elif [ -n "$certificate$key" ]; then
    refuse "TLS_CERT_FILE and TLS_KEY_FILE are set together or not at all"
else
    echo "No TLS_CERT_FILE: the certificate is a self-signed one."
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 365 \
        -subj /CN=localhost -addext subjectAltName=DNS:localhost,IP:127.0.0.1 \
        -keyout /etc/nginx/tls/key.pem -out /etc/nginx/tls/certificate.pem 2>/dev/null
fi
