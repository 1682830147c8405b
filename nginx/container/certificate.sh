#!/bin/sh
# Before nginx starts: puts certificate and key where tls.conf expects them. certbot's, or those of TLS_CERT_FILE and
# TLS_KEY_FILE, or a self-signed pair. deploy/tls.sh and watch-certificate.sh replace them while nginx runs.
set -eu
handed_over=/var/lib/acme/certificate.pem

refuse() {
    echo "nginx cannot start with TLS: $1." >&2
    exit 1
}

readable() {
    [ -r "$2" ] || refuse "$1 cannot be read: it belongs to $(stat -L -c 'uid %u with mode %a' "$2"), and nginx is uid $(id -u)"
}

# self_signed NAME DAYS
self_signed() {
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days "$2" \
        -subj /CN=localhost -addext "subjectAltName=DNS:$1,DNS:localhost,IP:127.0.0.1" \
        -keyout /etc/nginx/tls/key.pem -out /etc/nginx/tls/certificate.pem 2>/dev/null
}

from_certbot() {
    first=$(printf %s "${DOMAIN:-}" | tr -s ', ' '\n' | sed '/^$/d' | head -n 1)
    [ -n "$first" ] || refuse "the profile acme needs DOMAIN and ACME_EMAIL"
    if [ ! -s "$handed_over" ] || ! /etc/nginx/container/take-certificate.sh <"$handed_over"; then
        echo "There is no certificate for $first yet: nginx serves a self-signed one until certbot has one."
        # few days: the alert about a certificate that expires says that something is wrong
        self_signed "$first" 7
    fi
    /etc/nginx/container/watch-certificate.sh </dev/null &
}

from_files() {
    readable TLS_CERT_FILE /run/secrets/tls_certificate
    readable TLS_KEY_FILE /run/secrets/tls_key
    certificate=$(cat /run/secrets/tls_certificate)
    key=$(cat /run/secrets/tls_key)
    if [ -n "$certificate" ] && [ -n "$key" ]; then
        printf '%s\n' "$certificate" >/etc/nginx/tls/certificate.pem
        printf '%s\n' "$key" >/etc/nginx/tls/key.pem
    elif [ -n "$certificate$key" ]; then
        refuse "TLS_CERT_FILE and TLS_KEY_FILE are set together or not at all"
    else
        echo "No TLS_CERT_FILE: the certificate is a self-signed one."
        self_signed localhost 365
    fi
}

umask 077
case " ${NGINX_EXTRAS:-} " in
*" acme "*) from_certbot ;;
*" tls "*) from_files ;;
esac
