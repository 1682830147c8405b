#!/bin/sh
# Deletes everything that setup, tests and checks created. Never .env, which a person wrote.
set -eu
cd "$(dirname "$0")/../.."

rm -rf .venv build .pytest_cache .ruff_cache .mypy_cache .import_linter_cache .hypothesis .schemathesis
find . -name __pycache__ -type d -prune -exec rm -rf {} +
