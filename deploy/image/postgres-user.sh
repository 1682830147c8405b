#!/bin/bash
# Called once by the image's entrypoint when the database is created: creates the service's user, who owns only its database.
set -eu

password=$(sed 's|.*//chat:\(.*\)@.*|\1|' "${DATABASE_URL_FILE:-/run/postgresql/url}")
psql -v ON_ERROR_STOP=1 -v password="$password" --username postgres <<'SQL'
CREATE ROLE chat LOGIN PASSWORD :'password';
CREATE DATABASE chat OWNER chat;
REVOKE CONNECT ON DATABASE chat FROM PUBLIC;
SQL
