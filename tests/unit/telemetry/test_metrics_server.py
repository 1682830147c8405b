"""What the master answers on METRICS_PORT."""

import http.client
import os
import socket
import struct
import threading

import pytest

from service.telemetry import metrics_server

SELF = os.getpid()


@pytest.fixture
def at(master):
    """GET a path of the running server: status, body."""
    server = metrics_server.serve(master.workers, ("127.0.0.1", 0), lambda host: "evil" not in host)

    def get(path: str, host: str = "localhost") -> tuple[int, str]:
        connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=10)
        connection.request("GET", path, headers={"Host": host})
        response = connection.getresponse()
        body = response.read().decode()
        connection.close()
        return response.status, body

    get.port = server.server_port
    yield get
    server.shutdown()
    server.server_close()


def test_ready_only_with_a_worker_that_says_so(master, at):
    assert at("/ready") == (503, '{"status": "starting"}')
    master.workers.ready.set(SELF)
    assert at("/ready") == (200, '{"status": "ready"}')
    master.alive = []
    assert at("/ready") == (503, '{"status": "starting"}')


def test_a_mark_of_a_worker_that_is_gone_does_not_count(master, at):
    master.workers.ready.set(SELF + 1)
    assert at("/ready")[0] == 503


def test_draining_from_the_moment_the_listeners_are_gone(master, at):
    master.workers.ready.set(SELF)
    master.listening = False
    assert at("/ready") == (503, '{"status": "draining"}')
    assert at("/health")[0] == 200
    assert at("/metrics")[0] == 200


def test_it_answers_under_its_own_names_alone(at):
    assert at("/metrics", "evil.test")[0] == 421
    assert at("/metrics", "localhost:8001")[0] == 200


def test_other_paths_are_not_found(at):
    assert at("/")[0] == 404
    assert at("/metrics/../x")[0] == 404
    assert at("/metrics?name[]=x")[0] == 200


def test_the_oldest_of_too_many_silent_connections_is_closed(master, at, monkeypatch):
    monkeypatch.setattr(metrics_server, "MOST_SILENT", 2)
    monkeypatch.setattr(metrics_server._Handler, "timeout", None)
    silent = [socket.create_connection(("127.0.0.1", at.port), 10) for _ in range(3)]
    assert silent[0].recv(1) == b""
    assert at("/ready")[0] == 503
    for connection in silent:
        connection.close()


def test_a_scrape_that_fails_is_one_line_in_the_log(at, monkeypatch, caplog, capfd):
    monkeypatch.setattr(metrics_server, "render", lambda _: 1 / 0)
    with pytest.raises(http.client.RemoteDisconnected):
        at("/metrics")
    assert [record.message for record in caplog.records] == ["scrape failed"]
    assert capfd.readouterr().err == ""


def test_a_scraper_that_goes_away_is_no_news(master, monkeypatch, caplog, capfd):
    gone, asked = threading.Event(), threading.Event()

    def render(_):
        asked.set()
        gone.wait(10)
        return bytes(10_000_000)

    monkeypatch.setattr(metrics_server, "render", render)
    server = metrics_server.serve(master.workers, ("127.0.0.1", 0), lambda host: "evil" not in host)
    with socket.create_connection(server.server_address, 10) as scraper:
        scraper.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        scraper.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
        assert asked.wait(10)
    gone.set()
    for thread in threading.enumerate():
        if "process_request" in thread.name:
            thread.join(10)
    server.shutdown()
    server.server_close()
    assert caplog.records == []
    assert capfd.readouterr().err == ""
