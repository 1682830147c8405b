"""Grafana's dashboards as code: python -m deploy.dashboards writes monitoring/grafana/dashboards/*.json."""
