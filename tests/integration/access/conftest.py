"""A store in SQLite and in PostgreSQL, with keys in it."""

import uuid

import pytest

from service.access import registry
from service.access.database import Database, database_url
from service.access.keys import Key
from service.access.migrate import migrate
from service.access.periods import Calendar
from service.access.secret import digest, new_secret
from service.access.store import Store
from tests.support.postgres import PostgresServer

WORKER = "worker-1"


@pytest.fixture(scope="session")
def postgres():
    with PostgresServer() as server:
        yield server


@pytest.fixture
def postgres_address(postgres):
    """A database that nobody has used."""
    name = f"test_{uuid.uuid4().hex}"
    postgres.sql(f"CREATE DATABASE {name} OWNER chat", "postgres")
    yield postgres.address(name)
    postgres.sql(f"DROP DATABASE {name} WITH (FORCE)", "postgres")


@pytest.fixture
def own_postgres():
    """A server that a test may take away or lock, with the store's tables."""
    with PostgresServer() as server:
        migrate(database_url(server.address()))
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def address(request, tmp_path):
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/access.sqlite3"
    return request.getfixturevalue("postgres_address")


@pytest.fixture
def database(address):
    url = database_url(address)
    migrate(url)
    database = Database(url)
    yield database
    database.forget()


@pytest.fixture
def store(database):
    return Store(database, Calendar("UTC"), WORKER)


@pytest.fixture
def create(database):
    """Makes a key, and returns its secret."""

    def make(name, **fields):
        secret = new_secret()
        with database.writing(background=True) as connection:
            assert registry.create(connection, Key(name, **fields), digest(secret), 0)
        return secret

    return make
