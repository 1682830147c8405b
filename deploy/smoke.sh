#!/bin/sh
# Checks a running stack from outside: deploy/smoke.sh [URL]
#
# Without a URL it asks compose for nginx's address, and checks the monitoring as well. Where a question needs an API key,
# it takes that of CHAT_API_KEY.
# shellcheck disable=SC2329  # check calls the functions
set -u
cd "$(dirname "$0")/.." || exit

failed=0
question='{"question": "What is the capital of France?"}'

# check NAME PATTERN COMMAND...: the command succeeds and its output matches.
check() {
    name=$1 pattern=$2
    shift 2
    if output=$("$@" 2>&1) && printf '%s' "$output" | grep -Eq -- "$pattern"; then
        echo "smoke: $name: ok"
    else
        failed=1
        echo "smoke: $name: FAILED, got: $(printf '%s' "$output" | tail -c 400)"
    fi
}

# a header of curl's, which reads it from a file: every user of the machine may see its arguments
authorization() { [ -z "${CHAT_API_KEY:-}" ] || printf 'header = "Authorization: Bearer %s"\n' "$CHAT_API_KEY"; }

# one request; a small model on a small machine may take long
get() { curl --silent --show-error --max-time 90 --noproxy "127.0.0.1,localhost,${no_proxy:-${NO_PROXY:-}}" "$@"; }
post() { authorization | get --config - --header 'Content-Type: application/json' "$@"; }
# status get|post ARGUMENTS...
status() { "$@" --output /dev/null --write-out '%{http_code}'; }

stream_ending() { post --no-buffer --data "$question" "$url/chat/stream" | grep -E '^(event:|data: \[DONE\])' | tail -n 2 | tr '\n' ' '; }
request_id() { get --head --header 'X-Request-ID: smoke-test-1' "$url/health"; }
refusal() { post --data '{"question": ""}' "$url/chat"; }
down_targets() { get "$prometheus/api/v1/query?query=count(up==0)%20or%20vector(0)"; }
address() { docker compose port "$1" "$2" 2>/dev/null | sed 's/^0\.0\.0\.0:/127.0.0.1:/'; }

if [ $# -gt 0 ]; then
    url=${1%/} prometheus='' alertmanager='' grafana=''
else
    url=http://$(address nginx 8080)
    prometheus=$(address prometheus 9090) alertmanager=$(address alertmanager 9093) grafana=$(address grafana 3000)
fi

check "health" '"ok"' get --fail "$url/health"
check "ready" '"ready"' get --fail "$url/ready"
check "the page" '<html' get --fail "$url/"
check "an answer" '"answer": ?"..*"request_id"' post --fail --data "$question" "$url/chat"
check "a stream ends by done" '^event: done data: \[DONE\]' stream_ending
check "the caller's request id comes back" '[Xx]-[Rr]equest-[Ii][Dd]: smoke-test-1' request_id
check "a bad request is refused in the contract's words" '"code": ?"invalid_request"' refusal
check "metrics stay inside" '^404$' status get "$url/metrics"
check "nginx's counters stay inside" '^404$' status get "$url/stub_status"
[ -z "$prometheus" ] || check "Prometheus reaches all its targets" '"0"\]' down_targets
[ -z "$alertmanager" ] || check "Alertmanager is ready" OK get --fail "$alertmanager/-/ready"
[ -z "$grafana" ] || check "Grafana is ready" '"database": ?"ok"' get --fail "$grafana/api/health"

[ "$failed" = 0 ] || [ "$(status post --data '{}' "$url/chat")" != 401 ] ||
    echo "smoke: a question needs an API key: set CHAT_API_KEY to a valid one"
exit "$failed"
