"""What gunicorn's worker does with a connection beside the app's requests."""

import gevent
import gevent.socket

from service.web import worker


def test_a_caller_who_goes_on_sending_is_left_after_a_while(monkeypatch):
    monkeypatch.setattr(worker, "LINGER_SECONDS", 0.2)
    ours, theirs = gevent.socket.socketpair()

    def drip() -> None:
        for _ in range(100):
            theirs.send(b"x")
            gevent.sleep(0.05)

    dripping = gevent.spawn(drip)
    worker._linger(ours)
    assert not dripping.ready()
    dripping.kill()
    for end in (ours, theirs):
        end.close()
