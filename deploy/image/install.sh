#!/bin/sh
# Creates .venv from a hash-locked requirements file, without anything a container does not need:
# sh install.sh LOCK [EXTRA...], where requirements-EXTRA.txt is an extra's own lock
set -eu

lock=$1
shift
locks="$lock"
for extra in "$@"; do
    if [ ! -f "requirements-$extra.txt" ]; then
        echo "EXTRAS: there is no requirements-$extra.txt; known are anthropic, google and ollama." >&2
        exit 1
    fi
    locks="$locks requirements-$extra.txt"
done

python -m venv --without-pip .venv
for one in $locks; do
    # fails at once for a package without a wheel for this machine: there is no compiler here
    pip --python .venv/bin/python install --quiet --no-compile --no-deps --require-hashes --only-binary=:all: -r "$one"
done

# tests and sources of compiled modules are never used
find .venv -type d \( -name tests -o -name test \) -prune -exec rm -rf {} +
find .venv -type f \( -name '*.c' -o -name '*.h' -o -name '*.pyx' -o -name '*.pxd' -o -name '*.pyi' -o -name '*.a' \) -delete
# some wheels contain more debugging data than code
find .venv -type f -name '*.so*' -exec strip --strip-debug {} +
rm -f .venv/bin/activate* .venv/bin/Activate.ps1

# unchecked: packages in an image do not change, so no start has to compare dates
python -m compileall -q --invalidation-mode unchecked-hash .venv
