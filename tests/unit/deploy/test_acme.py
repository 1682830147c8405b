"""When the certificate authority is asked again, and what certbot's words come down to."""

import pytest

from deploy import CannotStart
from deploy.acme.certbot import Wanted, explain, hand_over
from deploy.acme.memory import COUNTED_SECONDS, MOST_SECONDS, SOON_SECONDS, Memory

RATE_LIMITED = """\
Saving debug log to /tmp/logs/letsencrypt.log
An unexpected error occurred:
Error creating new order :: too many certificates (5) already issued for this exact set of identifiers
Ask for help or search for solutions at https://community.letsencrypt.org. See the logfile
"""
FAILED_CHALLENGE = """\
Certbot failed to authenticate some domains (authenticator: webroot). The Certificate Authority reported these problems:
  Domain: chat.example.com
  Type:   dns
  Detail: DNS problem: NXDOMAIN looking up A for chat.example.com

Hint: The Certificate Authority failed to download the temporary challenge files created by Certbot.
Some challenges have failed.
Ask for help or search for solutions at https://community.letsencrypt.org.
"""


class Clock:
    now = 1_000_000.0

    def __call__(self):
        return self.now


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        (RATE_LIMITED, "too many certificates (5) already issued for this exact set"),
        (FAILED_CHALLENGE, "DNS problem: NXDOMAIN looking up A for chat.example.com"),
        ("Another instance of Certbot is already running.\nAsk for help", "Another instance"),
        ("", "said nothing"),
    ],
)
def test_one_line_of_certbots_says_what_is_wrong(said, sentence):
    explained = explain(said)
    assert sentence in explained
    assert "\n" not in explained


def test_an_authority_that_counts_is_asked_once_an_hour_at_most_over_restarts(tmp_path):
    clock = Clock()
    waits = []
    for _ in range(6):
        memory = Memory(tmp_path / "attempts.json", "a", clock)
        waits.append(memory.failed(counted=True))
        assert Memory(tmp_path / "attempts.json", "a", clock).seconds_left() == waits[-1]
        clock.now += waits[-1]
    assert waits[0] == COUNTED_SECONDS
    assert waits == sorted(waits)
    assert waits[-1] == MOST_SECONDS


def test_what_did_not_count_is_tried_again_soon_and_success_forgets(tmp_path):
    memory = Memory(tmp_path / "attempts.json", "a", Clock())
    memory.failed(counted=True)
    assert memory.failed(counted=False) == SOON_SECONDS
    assert memory.failed(counted=False) == 2 * SOON_SECONDS
    memory.succeeded()
    assert memory.seconds_left() == 0
    assert memory.failed(counted=True) == COUNTED_SECONDS


def test_another_domain_need_not_wait_nor_one_whose_clock_was_far_ahead(tmp_path):
    clock = Clock()
    Memory(tmp_path / "attempts.json", "a", clock).failed(counted=True)
    assert Memory(tmp_path / "attempts.json", "b", clock).seconds_left() == 0
    clock.now -= 365 * 86400
    assert Memory(tmp_path / "attempts.json", "a", clock).seconds_left() == 0


@pytest.mark.parametrize("lost", [{"DOMAIN": ""}, {"ACME_EMAIL": " "}])
def test_what_is_missing_is_named(lost):
    given = {"DOMAIN": "a.example", "ACME_EMAIL": "b@a.example", "ACME_SERVER": "https://ca/dir"}
    assert Wanted.of(given).domains == ("a.example",)
    with pytest.raises(CannotStart, match="needs DOMAIN and ACME_EMAIL"):
        Wanted.of(given | lost)


def test_a_pair_is_handed_over_once_and_whole(tmp_path):
    (tmp_path / "fullchain.pem").write_text("chain\n")
    (tmp_path / "privkey.pem").write_text("key\n")
    target = tmp_path / "certificate.pem"
    assert hand_over(tmp_path, target)
    assert target.read_text() == "chain\nkey\n"
    assert not hand_over(tmp_path, target)
    (tmp_path / "privkey.pem").write_text("another\n")
    assert hand_over(tmp_path, target)
