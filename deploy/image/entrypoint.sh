#!/bin/sh
# Starts the service. The last step of make run, make serve and the container, so that all three start it the same way.
# Uses exec, so that signals reach gunicorn rather than a shell.
set -eu
cd "$(dirname "$0")/../.."

# With any of these set, LangSmith's client would send prompts and answers to its vendor.
for name in $(env | sed -n 's/^\(LANG\(SMITH\|CHAIN\)_[A-Za-z0-9_]*\)=.*/\1/p'); do
    unset "$name"
    echo "warning: $name is not used: a tracer is configured in chain.py, as a callback" >&2
done

# gunicorn reads this before our settings do, and would fail with a stack trace
case "${WEB_CONCURRENCY:-1}" in
    *[!0-9]*)
        echo "The service cannot start: WEB_CONCURRENCY: must be a whole number from 1 to 64." >&2
        exit 1
        ;;
esac

# tiktoken downloads its vocabulary if it does not find it.
export TIKTOKEN_CACHE_DIR="${TIKTOKEN_CACHE_DIR:-$PWD/.venv/share/tiktoken}"

# The workers count their metrics in files. Files of an earlier start would be counted again, so the directory is
# emptied at each start; it is in memory where possible, because a slow disk would block the workers.
if [ -n "${PROMETHEUS_MULTIPROC_DIR:-}" ]; then
    mkdir -p "$PROMETHEUS_MULTIPROC_DIR"
    rm -rf "$PROMETHEUS_MULTIPROC_DIR"/*.db "$PROMETHEUS_MULTIPROC_DIR"/ready "$PROMETHEUS_MULTIPROC_DIR"/left
else
    base=${TMPDIR:-/tmp}
    if [ -d /dev/shm ] && [ -w /dev/shm ]; then base=/dev/shm; fi
    # The name contains our process id, which becomes gunicorn's, so that leftovers of a killed one can be recognized.
    for left in "$base"/chat-metrics.*.*; do
        owner=${left#"$base"/chat-metrics.}
        kill -0 "${owner%.*}" 2>/dev/null || rm -rf "$left" 2>/dev/null || true # another user's stays
    done
    PROMETHEUS_MULTIPROC_DIR=$(mktemp -d "$base/chat-metrics.$$.XXXXXX")
    export PROMETHEUS_MULTIPROC_DIR
fi

exec python -m gunicorn -c service/gunicorn.conf.py service.wsgi:app
