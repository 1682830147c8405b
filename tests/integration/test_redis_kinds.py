"""A Redis of another kind: a cluster serves, and a replica that takes no writes is a missing Redis, no more."""

import time
from contextlib import ExitStack

import pytest

from tests.support.redis import RedisServer
from tests.support.service import Service, free_port
from tests.support.simulator import directive

FAILING = directive(fault="status", status=503)
SETTINGS = {"BREAKER_FAILURES": 1, "RETRY_ATTEMPTS": 1, "BREAKER_OPEN_SECONDS": 60}
SLOTS = 16384


@pytest.fixture
def cluster():
    """Two servers, each with half of the slots."""
    with ExitStack() as stack:
        buses = str(free_port()), str(free_port())
        options = {"cluster_enabled": "yes", "cluster_announce_ip": "127.0.0.1"}
        first, second = (
            stack.enter_context(RedisServer(cluster_port=bus, **options)) for bus in buses
        )
        assert first.says("CLUSTER", "ADDSLOTSRANGE", "0", str(SLOTS // 2 - 1)) == "+OK"
        assert second.says("CLUSTER", "ADDSLOTSRANGE", str(SLOTS // 2), str(SLOTS - 1)) == "+OK"
        assert first.says("CLUSTER", "MEET", "127.0.0.1", str(second.port), buses[1]) == "+OK"
        until = time.monotonic() + 20
        while {first.says("SET", key, "1")[:3] for key in ("a", "b")} != {"+OK", "-MO"}:
            assert time.monotonic() < until
            time.sleep(0.05)
        yield first, second


def test_a_breaker_is_shared_through_any_server_of_a_cluster(cluster, simulator):
    with ExitStack() as stack:
        services = [
            stack.enter_context(Service(simulator.base_url, REDIS_URL=server.url, **SETTINGS))
            for server in cluster
        ]
        for service in services:
            service.until("chat_dependency_up", 1, dependency="redis")
        services[0].chat(FAILING)
        services[1].until("chat_breaker_state", 2)


def test_a_replica_is_a_missing_redis(simulator):
    with RedisServer() as primary, RedisServer() as replica:
        assert replica.says("REPLICAOF", "127.0.0.1", str(primary.port)) == "+OK"
        with Service(simulator.base_url, REDIS_URL=replica.url, **SETTINGS) as service:
            service.until("chat_dependency_up", 0, dependency="redis")
            news = service.event("dependency", '"redis"')
            assert (news["up"], news["cause"]) == (False, "ReadOnlyError")
            assert service.chat(directive(tokens=2))[0] == 200
            assert service.chat(FAILING)[0] == 502
            assert service.chat()[0] == 503
            assert service.metric("chat_breaker_state") == 2
            # the replica becomes the primary
            assert replica.says("REPLICAOF", "NO", "ONE") == "+OK"
            service.until("chat_dependency_up", 1, dependency="redis")
