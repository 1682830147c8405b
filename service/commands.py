"""The entry of `flask keys`, `flask usage` and `flask ledger`: the composition root of the terminal commands.

Deliberately small: it loads neither the chain nor an HTTP client, and nothing is monkey-patched.
"""

from pathlib import Path

import click
from flask import Flask

from service import settings as environment
from service.access.commands import keys, ledger, usage
from service.access.commands.office import Office


def create_app() -> Flask:
    try:
        settings = environment.load_for_commands()
    except environment.UnsafeSettings as refusal:
        raise click.ClickException(f"{refusal}.") from None
    office = Office(settings.store_address, Path(settings.data_dir), settings.tz, settings.models)
    app = Flask("chat", static_folder=None)
    app.cli.add_command(keys.group(office))
    app.cli.add_command(usage.command(office))
    app.cli.add_command(ledger.group(office))
    return app
