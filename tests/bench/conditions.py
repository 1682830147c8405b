"""What a row needs beside the servers: a model behind TLS, or a key."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from service.access.allowance import Limits
from service.access.database import database_url
from service.access.migrate import migrate
from tests.bench.rows import Row
from tests.support.access_store import make_key
from tests.support.simulator import SimulatorProcess
from tests.support.tls import self_signed

PRICES = '[models."sim"]\ninput = 1\ncached_input = 1\noutput = 1\nas_of = 2026-01-01\n'
# every limit is set, and none is reached
AMPLE = Limits(10**9, 10**10, 10**6, 10**17, 10**18)


@dataclass(frozen=True)
class Condition:
    """environment: of both servers; settings: of ours alone."""

    simulator: SimulatorProcess
    environment: dict[str, object] = field(default_factory=dict)
    settings: dict[str, object] = field(default_factory=dict)
    key: str = ""


@contextmanager
def conditions(row: Row, simulator: SimulatorProcess) -> Iterator[Condition]:
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        if row.tls:
            certificate, key = self_signed(Path(folder))
            with SimulatorProcess(tls_certificate=certificate, tls_key=key) as secure:
                yield Condition(secure, environment={"SSL_CERT_FILE": certificate})
        elif row.keyed:
            address = f"sqlite:///{folder}/access.sqlite3"
            settings, secret = keyed(Path(folder), address)
            yield Condition(simulator, settings=settings, key=secret)
        else:
            yield Condition(simulator)


def keyed(folder: Path, address: str) -> tuple[dict[str, object], str]:
    """Settings of a service that keeps its keys there, and a key of it. address: of an empty database."""
    migrate(database_url(address))
    secret = make_key(address, "bench", limits=AMPLE)
    return priced(folder) | {"DATABASE_URL": address, "DATA_DIR": folder / "data"}, secret


def priced(folder: Path) -> dict[str, object]:
    """Settings of a service whose model costs something."""
    prices = folder / "prices.toml"
    prices.write_text(PRICES)
    return {"PRICES_FILE": prices}
