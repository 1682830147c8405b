#!/bin/sh
# Sends one alert through the running stack's Alertmanager, as Prometheus would, and says whether the receiver took it.
set -eu
cd "$(dirname "$0")/.."

# a critical one goes out 10 s after it arrives (alertmanager.yml)
sent_seconds=${ALERT_TEST_SECONDS:-60}

fail() {
    echo "alert-test: $*" >&2
    exit 1
}

amtool() { docker compose exec -T alertmanager amtool --alertmanager.url=http://127.0.0.1:9093 "$@"; }

# total NAME: over all receivers
total() {
    curl -fsS --noproxy '*' "http://$address/metrics" | awk -v name="$1" 'index($1, name "{") == 1 { sum += $2 } END { print sum + 0 }'
}

address=$(docker compose port alertmanager 9093 2>/dev/null) || fail "Alertmanager is not running: docker compose up starts it, docker compose logs alertmanager says why it ended"
name=AlertTest$(date +%s)
sent=$(total alertmanager_notifications_total)
failed=$(total alertmanager_notifications_failed_total)
amtool alert add "$name" severity=critical --annotation=summary="This is a test; nothing is wrong." \
    --annotation=description="make alert-test sent it." >/dev/null
receiver=$(amtool config routes test severity=critical alertname="$name")
echo "alert-test: $name is at http://$address and goes to the receiver \"$receiver\"; waiting until it is sent"

waited=0
while [ "$waited" -lt "$sent_seconds" ]; do
    if [ "$(total alertmanager_notifications_failed_total)" -gt "$failed" ]; then
        fail "the receiver \"$receiver\" did not take it; docker compose logs alertmanager says why"
    fi
    if [ "$(total alertmanager_notifications_total)" -gt "$sent" ]; then
        # an attempt is counted before it fails
        sleep 2
        [ "$(total alertmanager_notifications_failed_total)" -gt "$failed" ] || { echo "alert-test: sent"; exit 0; }
        continue
    fi
    sleep 1
    waited=$((waited + 1))
done
fail "nothing was sent in $sent_seconds s: has the receiver \"$receiver\" an address? (monitoring/alertmanager/alertmanager.yml)"
