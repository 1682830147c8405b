import pytest

from service.access.health import StoreReplaced
from service.access.keyring import Keyring
from service.access.keys import ANONYMOUS, Key
from service.access.registry import Changes


def changes(number, *keys, secrets=(), identity="store-1"):
    return Changes(identity, number, keys, tuple(secrets))


@pytest.fixture
def ring():
    ring = Keyring()
    ring.learn(changes(1, Key(ANONYMOUS)))
    return ring


def test_nobody_is_let_in_before_the_store_was_asked():
    ring = Keyring()
    assert not ring.anonymous.is_usable(0)
    assert ring.find("hash", 0) == (None, "unknown")


def test_the_first_key_ends_open_access(ring):
    assert ring.is_empty
    ring.learn(changes(2, Key("team-a", disabled=True)))
    assert not ring.is_empty


def test_a_key_is_found_by_its_hash_until_it_is_disabled(ring):
    ring.learn(changes(2, Key("team-a"), secrets=[("hash", "team-a", None)]))
    assert ring.find("hash", 0) == (Key("team-a"), None)
    assert ring.find("other", 0) == (None, "unknown")
    ring.learn(changes(3, Key("team-a", disabled=True), secrets=[("hash", "team-a", None)]))
    assert ring.find("hash", 0)[1] == "disabled"


def test_a_key_and_each_of_its_secrets_end_at_their_time(ring):
    key = Key("team-a", expires_at_us=200)
    ring.learn(changes(2, key, secrets=[("old", "team-a", 100), ("new", "team-a", None)]))
    assert [ring.find(one, 99)[1] for one in ("old", "new")] == [None, None]
    assert [ring.find(one, 100)[1] for one in ("old", "new")] == ["expired", None]
    assert ring.find("new", 200)[1] == "expired"


def test_another_store_is_not_believed(ring):
    ring.learn(changes(2, Key("team-a"), secrets=[("hash", "team-a", None)]))
    with pytest.raises(StoreReplaced):
        ring.learn(changes(1, Key(ANONYMOUS), identity="store-2"))
    assert ring.find("hash", 0)[1] is None


def test_an_older_state_of_the_same_store_is_all_there_is(ring):
    ring.learn(changes(7, Key("team-a"), secrets=[("hash", "team-a", None)]))
    ring.learn(changes(1, Key(ANONYMOUS)))
    assert ring.find("hash", 0) == (None, "unknown")
    assert ring.is_empty


@pytest.mark.parametrize(
    ("key", "model", "chain", "priced", "allowed"),
    [
        (Key("a"), "any", "any", False, True),
        (Key("a", models=frozenset({"main"})), "main", None, True, True),
        (Key("a", models=frozenset({"main"})), "small", None, True, False),
        (Key("a", chains=frozenset({"chat"})), "main", "chat", True, True),
        (Key("a", chains=frozenset({"chat"})), "main", "search", True, False),
        (Key("a", chains=frozenset({"chat"})), "main", None, True, True),
    ],
)
def test_a_key_may_use_what_it_is_for(key, model, chain, priced, allowed):
    assert key.may_use(model, chain, priced=priced) == allowed
