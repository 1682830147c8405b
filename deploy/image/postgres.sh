#!/bin/bash
# Starts PostgreSQL in the stack. If no DATABASE_URL_FILE is mounted, the first start generates a password, which is stored
# only in the volume from which the service reads DATABASE_URL_FILE.
set -eu

shared=/run/postgresql
if [ -z "${DATABASE_URL_FILE:-}" ] && [ ! -s "$shared/url" ]; then
    password=$(od -An -N24 -tx1 /dev/urandom | tr -d ' \n')
    printf 'postgresql://chat:%s@postgres/chat' "$password" >"$shared/url.part"
    mv "$shared/url.part" "$shared/url"
fi

# The superuser can only log in from inside this container, and its password is random and not stored.
POSTGRES_PASSWORD=$(od -An -N24 -tx1 /dev/urandom | tr -d ' \n')
export POSTGRES_PASSWORD
exec docker-entrypoint.sh postgres "$@"
