"""deploy/alert-test.sh (make alert-test): what the receiver does with one real alert."""

import pytest

# Prometheus takes any POST at the first address, and none at the second
TAKES = "http://prometheus:9090/api/v1/query?query=1"
REFUSES = "http://prometheus:9090/nowhere"


@pytest.fixture
def receiver(shipped):
    """Sends alerts to an address, and puts back what it was afterwards."""
    path = shipped.folder / "monitoring/alertmanager/alertmanager.yml"
    before = path.read_text()

    def use(address):
        changed = before.replace("receiver: page", "receiver: webhook", 1)
        changed = changed.replace("http://alerts.example:8080/", address)
        start, _, _ = changed.partition("        http_config:\n          authorization:")
        path.write_text(start)
        shipped.compose("restart", "alertmanager")
        shipped.compose("up", "--wait", "--no-deps", "alertmanager")

    yield use
    path.write_text(before)
    shipped.compose("restart", "alertmanager")


def test_a_receiver_that_takes_it_is_said_to(shipped, receiver):
    receiver(TAKES)
    done = shipped.run("deploy/alert-test.sh", check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert 'goes to the receiver "webhook"' in done.stdout
    assert "alert-test: sent" in done.stdout


def test_a_receiver_that_refuses_it_is_an_error(shipped, receiver):
    receiver(REFUSES)
    done = shipped.run("deploy/alert-test.sh", check=False)
    assert done.returncode == 1
    assert 'the receiver "webhook" did not take it' in done.stderr


def test_as_shipped_it_says_that_nobody_gets_it(shipped):
    done = shipped.run("deploy/alert-test.sh", check=False, ALERT_TEST_SECONDS="3")
    assert done.returncode == 1
    assert 'has the receiver "page" an address?' in done.stderr
