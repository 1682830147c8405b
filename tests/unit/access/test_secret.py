import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.access.secret import ALPHABET, digest, is_well_formed, new_secret


def test_a_new_secret_is_well_formed_and_unlike_any_other():
    secrets = {new_secret() for _ in range(200)}
    assert len(secrets) == 200
    assert all(is_well_formed(secret) and len(secret) == 53 for secret in secrets)


@given(st.integers(4, 52), st.sampled_from(ALPHABET))
def test_one_wrong_character_is_noticed(place, character):
    secret = new_secret()
    wrong = secret[:place] + character + secret[place + 1 :]
    assert is_well_formed(wrong) == (wrong == secret)


@pytest.mark.parametrize(
    "text",
    ["", "csk_", "sk-abc", "csk_" + "0" * 49, f"{new_secret()}x"],
    ids=["empty", "prefix", "openai", "checksum", "longer"],
)
def test_a_foreign_key_is_not_well_formed(text):
    assert not is_well_formed(text)


@given(st.text())
def test_any_text_can_be_looked_at(text):
    assert not is_well_formed(text)


def test_the_digest_says_nothing_of_the_secret():
    secret = new_secret()
    assert len(digest(secret)) == 64
    assert secret[4:12] not in digest(secret)
