#!/bin/bash
# Starts PostgreSQL in the stack. Where no DATABASE_URL_FILE is mounted, a password is made at the first start: nobody has
# to think of one, and it is nowhere but in the volume that the service reads DATABASE_URL_FILE from.
set -eu

shared=/var/run/postgresql
if [ -z "${DATABASE_URL_FILE:-}" ] && [ ! -s "$shared/url" ]; then
    password=$(od -An -N24 -tx1 /dev/urandom | tr -d ' \n')
    printf 'postgresql://chat:%s@postgres/chat' "$password" >"$shared/url.part"
    mv "$shared/url.part" "$shared/url"
fi

# The server's own user is reached from inside this container alone, and has a password that is known to nobody.
POSTGRES_PASSWORD=$(od -An -N24 -tx1 /dev/urandom | tr -d ' \n')
export POSTGRES_PASSWORD
exec docker-entrypoint.sh postgres "$@"
