#!/bin/sh
# Run as root by docker compose: makes the files that containers mount from a clone readable for every user. Keys are not
# among them. A folder that cannot be changed is left as it is.
folders="/deploy/image /monitoring/prometheus /monitoring/grafana"
files="/monitoring /monitoring/*.* /monitoring/alertmanager /monitoring/alertmanager/*.yml /service/llm /service/llm/prices.toml"
# shellcheck disable=SC2086  # several
chmod -R go+rX $folders || true
# shellcheck disable=SC2086
chmod go+rX $files || true
touch /tmp/done
exec sleep infinity
