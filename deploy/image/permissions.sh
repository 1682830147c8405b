#!/bin/sh
# Run as root by docker compose: lets every user read the files that containers are given from a clone. Keys are not among
# them. A folder that cannot be changed is as its owner wants it.
folders="/deploy/image /monitoring/prometheus /monitoring/grafana"
files="/monitoring /monitoring/*.* /monitoring/alertmanager /monitoring/alertmanager/*.yml /service/llm /service/llm/prices.toml"
# shellcheck disable=SC2086  # several
chmod -R go+rX $folders || true
# shellcheck disable=SC2086
chmod go+rX $files || true
touch /tmp/done
exec sleep infinity
