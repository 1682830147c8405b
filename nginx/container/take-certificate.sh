#!/bin/sh
# Puts a certificate with its key, from standard input, where nginx's next reload finds it; not if they do not match.
set -eu
umask 077
cd /etc/nginx/tls

cat >renewed
sed -n '/BEGIN CERTIFICATE/,/END CERTIFICATE/p' renewed >certificate.new
sed -n '/BEGIN .*PRIVATE KEY/,/END .*PRIVATE KEY/p' renewed >key.new
rm renewed
if [ "$(openssl x509 -in certificate.new -noout -pubkey)" != "$(openssl pkey -in key.new -pubout)" ]; then
    rm certificate.new key.new
    echo "tls: the key is not the one of the certificate; nothing was changed." >&2
    exit 1
fi
mv certificate.new certificate.pem
mv key.new key.pem
