#!/bin/sh
# Finds a suitable Python and sets up .venv with it: sh deploy/local/setup.sh requirements.txt... .venv/.stamp
# Plain sh, because python3 is what may be wrong on a new machine.
set -eu
cd "$(dirname "$0")/../.."

fits='import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))'

for python in python3 python3.13 python3.12 python3.11; do
    if "$python" -c "$fits" 2>/dev/null; then
        exec "$python" -m deploy.local.setup "$@"
    fi
done

version=$(python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null || true)
case $version in
3.11 | 3.12 | 3.13)
    echo "setup: python3 ($version) has no venv or ensurepip; install them (Debian and Ubuntu: python3-venv)." >&2
    ;;
*)
    echo "setup: this needs Python 3.11, 3.12 or 3.13 on PATH; python3 is ${version:-missing}." >&2
    ;;
esac
exit 1
