"""Nobody comes near a lock without its token, by another page, or by another name."""

from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from web_world import served
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from parfocal.errors import InputError
from parfocal.web.guard import Guard
from parfocal.web.page_settings import PageSettings

TOKEN = "a-token-of-this-run"
BEARER = {"Authorization": f"Bearer {TOKEN}"}
COOKIE = {"Cookie": f"parfocal-8642={TOKEN}"}


async def told(request):
    return PlainTextResponse("in")


async def echo(websocket):
    await websocket.accept()
    await websocket.send_text("in")
    await websocket.close()


@contextmanager
def guarded(host: str = "127.0.0.1") -> Iterator[httpx.Client]:
    routes = [
        Route("/", told),
        Route("/api/stop", told, methods=["POST"]),
        Route("/api/health", told),
        WebSocketRoute("/ws", echo),
    ]
    guard = Guard(Starlette(routes=routes), settings=PageSettings(host=host, token=TOKEN), port=8642)
    with served(guard) as url, httpx.Client(base_url=url) as client:
        yield client


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with guarded() as client:
        yield str(client.base_url).rstrip("/")


@pytest.fixture
def client(url: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=url) as client:
        yield client


def websocket_says(url: str, headers: dict) -> str:
    """What comes over a websocket, or the number of the refusal."""
    try:
        with connect(url.replace("http", "ws") + "/ws", additional_headers=headers) as websocket:
            return str(websocket.recv())
    except InvalidStatus as error:
        return str(error.response.status_code)


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({}, id="none"),
        pytest.param({"Authorization": "Bearer a-token-of-this-ruN"}, id="another"),
        pytest.param({"Authorization": f"Basic {TOKEN}"}, id="another scheme"),
        pytest.param({"Cookie": f"parfocal-8643={TOKEN}"}, id="cookie of another port"),
        pytest.param({"Cookie": "parfocal-8642="}, id="empty cookie"),
    ],
)
def test_without_the_token_nothing_is_told_or_done(client, url, headers):
    assert client.get("/", headers=headers).status_code == 401
    assert client.post("/api/stop", headers=headers).status_code == 401
    assert client.post(f"/api/stop?token={TOKEN}", headers=headers).status_code == 401
    assert websocket_says(url, headers) == "403"


def test_health_needs_none(client):
    assert client.get("/api/health").status_code == 200


def test_a_script_shows_it_with_each_request(client, url):
    assert client.post("/api/stop", headers=BEARER).text == "in"
    assert websocket_says(url, BEARER) == "in"


def test_a_browser_shows_it_once_and_then_has_a_cookie(client, url):
    first = client.get(f"/?token={TOKEN}&view=1", follow_redirects=False)
    assert (first.status_code, first.headers["location"]) == (303, "/?view=1")
    assert {"HttpOnly", "SameSite=lax"} <= set(first.headers["set-cookie"].split("; "))
    assert client.get("/").text == "in"
    assert client.post("/api/stop", headers={"Origin": url}).text == "in"


def test_a_browser_without_it_is_told_where_it_stands(client):
    answer = client.get("/", headers={"Accept": "text/html"})
    assert answer.status_code == 401
    assert "parfocal lock" in answer.text


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1:1", "http://127.0.0.1"])
def test_another_page_may_not_use_the_browsers_cookie(client, url, origin):
    headers = {**COOKIE, "Origin": origin}
    assert client.post("/api/stop", headers=headers).status_code == 403
    assert websocket_says(url, headers) == "403"
    assert websocket_says(url, {**COOKIE, "Origin": url}) == "in"


@pytest.mark.parametrize(
    ("host", "asked", "goes"),
    [
        ("127.0.0.1", "127.0.0.1:8642", True),
        ("127.0.0.1", "localhost:9000", True),
        ("127.0.0.1", "[::1]:8642", True),
        ("127.0.0.1", "evil.example:8642", False),
        ("127.0.0.1", "192.168.1.7:8642", False),
        ("127.0.0.1", "127.0.0.1.evil.example", False),
        ("0.0.0.0", "192.168.1.7:8642", True),
        ("0.0.0.0", "evil.example:8642", False),
        ("scope-3.lab.example", "scope-3.lab.example:8642", True),
    ],
)
def test_a_name_that_was_made_to_point_here_is_refused(host, asked, goes):
    with guarded(host) as client:
        answer = client.get("/", headers={**BEARER, "Host": asked})
    assert answer.status_code == (200 if goes else 403)


def test_no_other_page_may_frame_it_and_nothing_comes_from_elsewhere(client):
    headers = client.get("/", headers=BEARER).headers
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert "default-src 'self'" in headers["content-security-policy"]
    assert headers["referrer-policy"] == "no-referrer"


def test_each_run_has_a_token_of_its_own():
    tokens = {PageSettings().token for _ in range(10)}
    assert len(tokens) == 10
    assert min(map(len, tokens)) >= 20


@pytest.mark.parametrize(
    "said", [{"token": "short"}, {"token": "with a space"}, {"host": "http://x/"}, {"port": -1}]
)
def test_settings_that_cannot_be_are_refused(said):
    with pytest.raises(InputError):
        PageSettings.parse(said, source="test")
