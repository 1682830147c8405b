#!/bin/sh
# Warns of names in .env that reach no container: deploy/check-env.sh
#
# Compose hands on only what its files mention, and says nothing about the rest.
set -eu
cd "$(dirname "$0")/.."
[ -f .env ] || exit 0

# in capitals: the last line of a private key ends in =, too
names() { sed -n 's/^[[:space:]]*\(export[[:space:]]\{1,\}\)\{0,1\}\([A-Z_][A-Z0-9_]*\)[[:space:]]*=.*/\2/p' .env | LC_ALL=C sort -u; }

mentions() { grep -qsw -- "$1" ./*.yml ./*.yaml; }

# an override that hands on the whole file
! mentions env_file || exit 0

names | while read -r name; do
    case $name in COMPOSE_* | DOCKER_*) continue ;; esac
    ! mentions "$name" || continue
    value=${name%_FILE}
    if [ "$value" != "$name" ] && mentions "$value"; then
        why="no such file is mounted. Set $value instead"
    else
        why="it is misspelt, or your chain's own, which docker-compose.override.yml has to hand on"
    fi
    echo "warning: .env: $name reaches no container: $why." >&2
done
