"""What nginx answers in the service's place: the page, its files, preflights, and probes once a second."""

import gzip
import json
import re
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urljoin

import pytest

from service.web import pages
from tests.support.nginx import Nginx
from tests.support.service import ROOT, Service
from tests.support.upstream import Upstream, problem, whole

STATIC = ROOT / "service/web/static"
FILES = sorted(str(path.relative_to(STATIC)) for path in STATIC.rglob("*") if path.is_file())
ALLOWED = "https://app.example.com"
OF_EACH_RESPONSE = {"x-request-id", "date", "server", "connection", "etag", "last-modified"}


def ready(request, connection):
    connection.sendall(whole(200, b'{"status": "ready"}', Cache_Control="no-store"))


@pytest.fixture(scope="module")
def stage():
    settings = {
        "CLIENT_REQUESTS_PER_SECOND": 1000,
        "CORS_ORIGINS": f"{ALLOWED.replace('app', 'App')}, http://[::1]:5500",
    }
    with Upstream(ready) as upstream, Nginx(upstream.address, **settings) as nginx:
        yield nginx, upstream


@pytest.fixture(scope="module")
def nginx(stage):
    return stage[0]


# --- the page and its files ---


@pytest.mark.parametrize("name", FILES)
def test_a_file_is_served_as_the_service_serves_it(nginx, service, name):
    path = f"/static/{name}"
    status, headers, body = nginx.request("GET", path)
    expected_status, expected, expected_body = service.request("GET", path)
    assert (status, body) == (expected_status, expected_body)
    assert told(headers) == told(expected)


def test_the_page_is_served_as_the_service_serves_it(nginx, service):
    status, headers, body = nginx.request("GET", "/")
    expected_status, expected, expected_body = service.request("GET", "/")
    assert (status, body) == (expected_status, expected_body)
    assert told(headers) == told(expected)
    assert headers["content-security-policy"] == pages.POLICY


def told(headers):
    """What does not depend on time or server. accept-ranges: nginx's alone; vary: compression's."""
    other = OF_EACH_RESPONSE | {"accept-ranges", "vary", "content-disposition"}
    return {name: value for name, value in headers.items() if name not in other}


def test_a_known_version_is_not_sent_again(nginx, stage):
    _, headers, _ = nginx.request("GET", "/static/chat.js")
    status, again, body = nginx.request(
        "GET", "/static/chat.js", headers={"If-None-Match": headers["etag"]}
    )
    assert (status, body) == (304, b"")
    assert again["cache-control"] == "no-cache"
    assert stage[1].requests == [] or not any(
        each.path.startswith("/static") for each in stage[1].requests
    )


def test_the_page_and_its_files_are_compressed(nginx):
    for path in ("/", "/static/chat.js", "/static/favicon.svg"):
        _, headers, body = nginx.request("GET", path, headers={"Accept-Encoding": "gzip"})
        _, _, plain = nginx.request("GET", path)
        assert headers.get("content-encoding") == "gzip" or len(plain) < 1000, path
        if "content-encoding" in headers:
            assert gzip.decompress(body) == plain


@pytest.mark.parametrize(
    "path",
    ["/static/none.js", "/static/", "/static", "/static/../app.py", "/static/%2e%2e/app.py",
     "/static/..%2fapp.py", "/index.html", "/static/.",
     "/.problem", "/.preflight", "/static/../../settings/model.py"],
)  # fmt: skip
def test_no_other_file_is_served(nginx, path):
    """As the bytes stand: an HTTP client would tidy the path up."""
    with socket.create_connection(("127.0.0.1", nginx.port), 30) as connection:
        connection.sendall(f"GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n".encode())
        with connection.makefile("rb") as reader:
            answer = reader.read()
    # above the root there is not even an address
    assert answer.split()[1] in (b"404", b"400"), answer
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["error"]["code"]


def test_a_file_takes_no_other_method(nginx):
    assert nginx.request("POST", "/static/chat.js", b"x")[0] == 405
    assert nginx.request("HEAD", "/")[0] == 200


# --- probes ---


@pytest.mark.parametrize("path", ["/ready", "/health", "/openapi.json"])
def test_a_flood_of_probes_reaches_the_service_once_a_second(path):
    with (
        Upstream(ready) as upstream,
        Nginx(upstream.address, CLIENT_REQUESTS_PER_SECOND=1000) as nginx,
        ThreadPoolExecutor(20) as pool,
    ):
        began = time.monotonic()
        asked = [pool.submit(nginx.request, "GET", f"{path}?x={n}") for n in range(400)]
        answers = [each.result() for each in asked]
        seconds = time.monotonic() - began
        assert {status for status, _, _ in answers} == {200}
        assert {body for _, _, body in answers} == {b'{"status": "ready"}'}
        # each caller has an id, which is not the one of who asked first
        assert len({headers["x-request-id"] for _, headers, _ in answers}) == 400
        assert len(upstream.requests) <= 2 * seconds + 2


def test_a_probe_tells_within_a_second_that_the_service_drains():
    state = {"status": 200}

    def answer(request, connection):
        code = state["status"]
        body = whole(200, b'{"status": "ready"}') if code == 200 else problem(503, "draining")
        connection.sendall(body)

    with Upstream(answer) as upstream, Nginx(upstream.address) as nginx:
        assert nginx.request("GET", "/ready")[0] == 200
        state["status"] = 503
        until = time.monotonic() + 10
        while nginx.request("GET", "/ready")[0] != 503:
            assert time.monotonic() < until
            time.sleep(0.1)


def test_nothing_of_one_caller_reaches_the_next():
    with Upstream(ready) as upstream, Nginx(upstream.address) as nginx:
        mine = {"Origin": ALLOWED, "X-Request-ID": "mine-0001", "Authorization": "Bearer a",
                "Cookie": "a=b", "Host": "mine.localhost"}  # fmt: skip
        nginx.request("GET", "/ready", headers=mine)
        received = upstream.requests[0].headers
    assert set(received) == {"host"}
    assert received["host"] == "localhost"


# --- other origins ---


def granted(headers):
    return {name: value for name, value in headers.items() if name.startswith("access-control-")}


def preflight(nginx, origin, path="/chat"):
    return nginx.request(
        "OPTIONS",
        path,
        headers={
            "Origin": origin,
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "content-type",
        },
    )


REFUSED = [
    *(
        "https://evil.example",
        "null",
        "*",
        "",
        "https://app.example.com.",
        "http://app.example.com",
    ),
    *(
        "https://appXexample.com",
        "https://app.example.com.evil.example",
        "https://xapp.example.com",
    ),
    *("https://app.example.com:8443", "http://[::1]:55001", "http://[::2]:5500"),
]


@pytest.mark.parametrize("origin", [ALLOWED, "http://[::1]:5500"])
def test_an_allowed_page_may_read_a_refusal_of_nginx(nginx, origin):
    for path in ("/nothing", "/metrics", "/static/none.js"):
        status, headers, _ = nginx.request("GET", path, headers={"Origin": origin})
        assert status == 404
        assert headers["access-control-allow-origin"] == origin
        assert headers["vary"] == "Origin"
        assert "Retry-After" in headers["access-control-expose-headers"]


def test_an_allowed_page_may_read_that_it_asks_too_much_or_that_nobody_is_there():
    with Nginx("127.0.0.1:1", CORS_ORIGINS=ALLOWED, CLIENT_REQUESTS_PER_SECOND=1) as nginx:
        answers = [nginx.request("POST", "/chat", b"{}", {"Origin": ALLOWED}) for _ in range(5)]
    assert {status for status, _, _ in answers} == {429, 502}
    assert {headers["access-control-allow-origin"] for _, headers, _ in answers} == {ALLOWED}


@pytest.mark.parametrize("origin", REFUSED)
def test_another_page_may_read_nothing(nginx, origin):
    assert granted(nginx.request("GET", "/nothing", headers={"Origin": origin})[1]) == {}
    assert granted(nginx.request("GET", "/ready", headers={"Origin": origin})[1]) == {}
    assert granted(preflight(nginx, origin)[1]) == {}


@pytest.mark.parametrize("path", ["/ready", "/", "/static/chat.js"])
def test_an_allowed_page_may_read_what_nginx_serves(nginx, path):
    headers = nginx.request("GET", path, headers={"Origin": ALLOWED})[1]
    assert headers["access-control-allow-origin"] == ALLOWED
    assert granted(nginx.request("GET", path)[1]) == {}


def test_what_the_service_grants_is_not_granted_twice():
    def answer(request, connection):
        connection.sendall(whole(200, b"{}", Access_Control_Allow_Origin=ALLOWED))

    with Upstream(answer) as upstream, Nginx(upstream.address, CORS_ORIGINS=ALLOWED) as nginx:
        headers = nginx.request("POST", "/chat", b"{}", {"Origin": ALLOWED})[1]
    assert headers["access-control-allow-origin"] == ALLOWED


def test_a_preflight_is_answered_by_nginx_as_the_service_would(serve):
    """And as often as somebody asks."""
    service = serve(CORS_ORIGINS=ALLOWED)
    with (
        Upstream(ready) as upstream,
        Nginx(upstream.address, CORS_ORIGINS=ALLOWED, CLIENT_REQUESTS_PER_SECOND=1) as nginx,
    ):
        asked = {"Origin": ALLOWED, "Access-Control-Request-Method": "POST",
                 "Access-Control-Request-Headers": "content-type, x-request-id, x-user-id, x-session-id"}  # fmt: skip
        expected = granted(service.request("OPTIONS", "/chat", None, asked)[1])
        for _ in range(50):
            status, headers, body = nginx.request("OPTIONS", "/chat", headers=asked)
            assert (status, body) == (204, b"")
        assert upstream.requests == []
    assert sets(granted(headers)) == sets(expected)


def sets(headers):
    return {
        name: {one.strip().lower() for one in value.split(",")} for name, value in headers.items()
    }


@pytest.mark.parametrize(
    ("asked", "may"),
    [
        ("content-type,authorization,x-stainless-os, x-stainless-retry-count", True),
        ("X-Hold-Answer", True),
        ("content-type, cookie", False),
        ("content-type, x-api-key", False),
        ("x-stainless-os\tx", False),
        ("content-type,,x", False),
    ],
)
def test_a_page_may_send_what_openais_clients_send_and_no_more(nginx, asked, may):
    _, headers, _ = nginx.request(
        "OPTIONS",
        "/v1/chat/completions",
        headers={
            "Origin": ALLOWED,
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": asked,
        },
    )
    wanted = {one.strip().lower() for one in asked.split(",")}
    allowed = sets(headers)["access-control-allow-headers"]
    assert (wanted <= allowed) is may


def test_a_question_for_options_that_is_no_preflight_is_the_services():
    with Upstream(ready) as upstream, Nginx(upstream.address) as nginx:
        assert nginx.request("OPTIONS", "/chat")[0] == 200
        assert upstream.requests[0].method == "OPTIONS"


# --- names and paths ---

# as long as a cloud's names are
BALANCER = "internal-chat-service-production-1234567890.ap-northeast-2.elb.amazonaws.com"


@pytest.mark.parametrize(
    ("host", "status"),
    [
        *((name, 200) for name in ("localhost", "LOCALHOST:8080", "127.0.0.1", "[::1]:8080")),
        *((name, 200) for name in ("192.0.2.7:8080", "[2001:db8::1]", "nginx:8082", "a.localhost")),
        *((name, 200) for name in ("host.docker.internal:8000", "a.b.internal")),
        *((name, 200) for name in ("localhost.", "chat.example.com.:8080", BALANCER)),
        *((name, 421) for name in ("internal.evil.test", "a.internal.evil.test", "a.notinternal")),
        *((name, 200) for name in ("chat.example.com", "CHAT.example.com", "a.b.example.org")),
        *((name, 421) for name in ("evil.test", "example.com", "chat.example.com.evil.test")),
        *((name, 421) for name in ("example.org", "127.0.0.1.evil.test", "localhost.evil.test")),
        *((name, 421) for name in ("a.chat.example.com", "127.0.0.1.nip.io", "evil.test.")),
    ],
)
def test_it_answers_under_its_own_names(host, status, by_name):
    nginx, service = by_name
    answered, headers, body = nginx.request("GET", "/health", headers={"Host": host})
    assert answered == status
    if status == 421:
        assert json.loads(body)["error"]["code"] == "misdirected_request"
        assert headers["x-request-id"]
    # and so does the service without nginx
    answered, _, body = service.request("GET", "/health", None, {"Host": host})
    assert answered == status
    assert status == 200 or b'"misdirected_request"' in body


@pytest.fixture(scope="module")
def by_name(_simulator):
    names = f"chat.example.com, *.example.org, {BALANCER}"
    with (
        Upstream(ready) as upstream,
        Nginx(upstream.address, ALLOWED_HOSTS=names, CLIENT_REQUESTS_PER_SECOND=1000) as nginx,
        Service(_simulator.base_url, ALLOWED_HOSTS=names) as service,
    ):
        yield nginx, service


def test_a_request_without_a_host_is_answered(by_name):
    for each in by_name:
        with socket.create_connection(("127.0.0.1", each.port), 30) as connection:
            connection.sendall(b"GET /health HTTP/1.0\r\n\r\n")
            with connection.makefile("rb") as reader:
                assert reader.readline().split()[1] == b"200"


@pytest.fixture(scope="module")
def below(_simulator):
    with (
        Service(_simulator.base_url) as service,
        Nginx(f"127.0.0.1:{service.port}", BASE_PATH="/chat-service/") as nginx,
    ):
        yield nginx


def test_all_of_it_works_below_a_path(below):
    for path in ("/health", "/ready", "/openapi.json", "/"):
        assert below.request("GET", f"/chat-service{path}")[0] == 200, path
        # a proxy may as well take the path away
        assert below.request("GET", path)[0] == 200, path
    asked = json.dumps({"question": "hi"}).encode()
    headers = {"Content-Type": "application/json"}
    status, _, body = below.request("POST", "/chat-service/chat", asked, headers)
    assert (status, "answer" in json.loads(body)) == (200, True)
    status, _, body = below.request("POST", "/chat-service/chat/stream", asked, headers)
    assert (status, b"event: done" in body) == (200, True)
    # nginx's own locations are nobody's address
    for path in ("/nothing", "/.problem", "/.preflight", "/../.problem"):
        assert below.request("GET", f"/chat-service{path}")[0] == 404, path
    assert below.request("GET", "/chat-servicex/health")[0] == 404


def test_the_path_itself_leads_to_the_page(below):
    status, headers, _ = below.request("GET", "/chat-service")
    assert (status, headers["location"]) == (308, "/chat-service/")


def test_the_log_has_the_path_that_was_asked_for(below):
    _, headers, _ = below.request("GET", "/chat-service/health")
    assert below.line(headers["x-request-id"])["path"] == "/chat-service/health"


def test_the_page_finds_its_files_below_a_path(below):
    page = below.request("GET", "/chat-service/")[2].decode()
    links = re.findall(r'(?:href|src)="([^"#]+)"', page)
    assert len(links) > 3
    for link in links:
        found = urljoin("/chat-service/", link)
        assert found.startswith("/chat-service/"), link
        assert below.request("GET", found)[0] == 200, found


def test_no_script_asks_for_an_absolute_path():
    for path in STATIC.rglob("*.js"):
        asked = re.findall(r'fetch\(\s*["`\'](/[^"`\']*)', path.read_text(encoding="utf-8"))
        assert asked == [], path.name
