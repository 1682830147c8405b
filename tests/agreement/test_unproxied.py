"""A proxy that Docker's config.json puts into every container changes nothing within the stack."""

import yaml

from tests.support.service import ROOT

SERVICES = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))["services"]
# programs that heed such variables, and ask their neighbours
HEEDING = {"grafana", "nginx-exporter"}


def test_whoever_heeds_a_proxys_variables_is_told_of_none():
    curl = {
        name
        for name, service in SERVICES.items()
        if "curl" in service.get("healthcheck", {}).get("test", [])
    }
    assert curl
    for name in curl | HEEDING:
        environment = SERVICES[name]["environment"]
        assert (environment["NO_PROXY"], environment["no_proxy"]) == ("*", "*"), name
