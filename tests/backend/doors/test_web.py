import json

import pytest
from starlette.applications import Starlette
from starlette.responses import JSONResponse, PlainTextResponse
from starlette.routing import Route
from starlette.websockets import WebSocket

from backend.doors.web import FrontDoor
from tests.asgi import Asgi

HOST = "http://testserver"


class Settings:
    trusted_proxies = ()

    def __init__(self, url=""):
        self.url = url


class Pages:
    """Pages that show what they were told, and fail at one address."""

    async def __call__(self, scope, receive, send):
        if scope["path"] == "/fails":
            raise ValueError("a bug")
        told = {"session": scope["micelio.session"], "origin": scope["micelio.origin"]}
        await JSONResponse(told)(scope, receive, send)

    def broken(self, request_id):
        return f"broke {request_id}".encode()


async def reflex(scope, receive, send):
    """Stands where Reflex does: shows the headers it was given."""
    socket = WebSocket(scope, receive, send)
    await socket.accept()
    await socket.send_json(dict(socket.headers))
    await socket.close()


async def identify(cookies):
    return "public-id" if cookies and "micelio_session=secret" in cookies else None


def browser(url="", **headers):
    async def own(request):
        return JSONResponse({"forged": request.headers.get("x-micelio-session")})

    async def strict(request):
        return PlainTextResponse("x", headers={"Content-Security-Policy": "sandbox"})

    routes = [Route("/api/v1/x", own), Route("/raw", strict)]
    door = FrontDoor(reflex, Starlette(routes=routes), Pages(), identify, Settings(url))
    return Asgi(door, **(headers or {"cookie": "micelio_session=secret"}))


def heard(client, **headers):
    """The headers that Reflex was given."""
    accepted, told, closed = client.socket("/_event/", **headers)
    assert (accepted["type"], closed["type"]) == ("websocket.accept", "websocket.close")
    return json.loads(told["text"])


def test_our_own_pages_open_the_socket():
    assert heard(browser(), origin=HOST)["x-micelio-session"] == "public-id"


def test_the_public_address_opens_it_behind_a_proxy():
    assert heard(browser("https://forge.example"), origin="https://forge.example")


@pytest.mark.parametrize(
    "origin", [None, "null", "http://evil.example", "http://testserver.evil.example", "file://testserver"]
)
def test_a_foreign_origin_is_refused_before_the_socket_opens(origin):
    headers = {} if origin is None else {"origin": origin}
    assert browser().socket("/_event/", **headers) == [{"type": "websocket.close", "code": 4403}]


def test_a_socket_elsewhere_is_refused():
    assert browser().socket("/other", origin=HOST) == [{"type": "websocket.close", "code": 4404}]


def test_the_cookie_never_reaches_reflex_and_its_stand_in_cannot_be_forged():
    stranger = browser(cookie="other=1")
    given = heard(stranger, origin=HOST, **{"x-micelio-session": "forged"})
    assert "cookie" not in given
    assert "x-micelio-session" not in given


def test_a_forged_session_header_never_reaches_our_routes():
    answer = browser().get("/api/v1/x", **{"x-micelio-session": "forged"})
    assert answer.json() == {"forged": None}


def test_our_routes_come_before_the_pages():
    assert browser().get("/api/v1/x").json() == {"forged": None}
    assert browser().get("/api/v1/x", "POST").status_code == 405
    assert browser().get("/ada/notes").json() == {"session": "public-id", "origin": HOST}


def test_polling_instead_of_a_socket_reaches_no_reflex():
    assert "session" in browser().get("/_event/?EIO=4&transport=polling").json()


@pytest.mark.parametrize("path", ["/api/v1/x", "/ada/notes", "/fails"])
def test_every_answer_carries_the_security_headers(path):
    headers = browser().get(path).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["referrer-policy"] == "strict-origin-when-cross-origin"
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert "strict-transport-security" not in headers


def test_an_answer_may_be_stricter_than_the_door():
    assert browser().get("/raw").headers["content-security-policy"] == "sandbox"


def test_browsers_are_told_to_stay_on_https_when_that_is_the_public_address():
    headers = browser("https://forge.example").get("/").headers
    assert headers["strict-transport-security"].startswith("max-age=")


def test_a_bug_in_a_page_is_logged_and_answered_with_its_id(caplog):
    answer = browser().get("/fails")
    assert answer.status_code == 500
    assert answer.text == f"broke {answer.headers['x-request-id']}"
    assert answer.headers["x-request-id"] in caplog.text
    assert "a bug" in caplog.text
    assert "total;dur=" in answer.headers["server-timing"]
