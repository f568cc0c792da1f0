"""Guard: lets nobody near a lock who has not the token, or comes by the page of somebody else."""

from __future__ import annotations

import secrets
import socket
from ipaddress import ip_address
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from starlette.datastructures import Headers
from starlette.requests import cookie_parser
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from parfocal.web.page_settings import PageSettings

OPEN_TO_ALL = frozenset({"/api/health"})
POLICY_VIOLATION = 1008
MONTH_S = 30 * 24 * 3600
HEADERS = {
    "Content-Security-Policy": "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; "
    "style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; worker-src 'self' blob:; "
    "connect-src 'self' ws: wss:; frame-ancestors 'none'; form-action 'self'; base-uri 'self'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
"""Nothing is loaded from elsewhere, and no other page may frame this one and have its buttons pressed."""
NO_TOKEN = """<!doctype html><meta name=viewport content="width=device-width"><title>parfocal</title>
<body style="background:#0b0f14;color:#c9d4df;font:16px system-ui;display:grid;place-items:center">
<p style="max-width:28em;padding:1em">This page of a focus lock opens with its token: use the address that
<b>parfocal lock</b> printed when it began.</p>"""


class Guard:
    """An ASGI application around another, which lets through only who may look and command.

    Parameters
    ----------
    app : ASGIApp
    settings : PageSettings
    port : int
        Where it listens; the cookie's name has it, as browsers keep one jar for all ports of a host.

    Notes
    -----
    Three things are looked at. The host that was asked for must be this computer, by an address or its own
    name, so that no other name can be made to point here (DNS rebinding). Where a browser says on whose
    behalf it asks (Origin), that must be this page. And there must be the token: as a cookie, as
    ``Authorization: Bearer``, or once in the address, which gives the cookie.
    """

    def __init__(self, app: ASGIApp, *, settings: PageSettings, port: int) -> None:
        self._app = app
        self._token = settings.token
        self._is_local = settings.is_local
        self._names = {"localhost", settings.host.lower()}
        if not self._is_local:
            own = {socket.gethostname().lower(), socket.getfqdn().lower()}
            self._names |= own | {f"{name}.local" for name in own if "." not in name}
        self.cookie = f"parfocal-{port}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        refusal = self._refusal(scope)
        if refusal is None:
            await self._app(scope, receive, _with_headers(send))
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": POLICY_VIOLATION})
        else:
            await refusal(scope, receive, _with_headers(send))

    def _refusal(self, scope: Scope) -> Response | None:
        """The answer to a request that does not go through; None if it does."""
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if not self._is_ours(host):
            return _told(
                403,
                f"Expected a request to this computer, got one to '{host}'. Use an address with its number.",
            )
        origin = headers.get("origin")
        if origin is not None and urlsplit(origin).netloc.lower() != host.lower():
            return _told(403, f"Expected a request by this page itself, got one by {origin}.")
        if scope["path"] in OPEN_TO_ALL or self._has_token(headers):
            return None
        query = parse_qs(scope.get("query_string", b"").decode("latin-1"))
        if (
            scope["type"] == "http"
            and scope["method"] == "GET"
            and self._is_token(query.pop("token", [""])[0])
        ):
            return self._welcome(scope["path"], query)
        if "text/html" in headers.get("accept", ""):
            return HTMLResponse(NO_TOKEN, 401)
        return _told(
            401, "Expected the token of this run, as 'Authorization: Bearer TOKEN' or as its cookie."
        )

    def _welcome(self, path: str, query: dict[str, list[str]]) -> Response:
        """The same address without the token, which then is a cookie: addresses end in histories."""
        rest = f"?{urlencode(query, doseq=True)}" if query else ""
        response = RedirectResponse(f"/{path.lstrip('/')}{rest}", 303)
        response.set_cookie(self.cookie, self._token, max_age=MONTH_S, httponly=True, samesite="lax")
        return response

    def _is_ours(self, host: str) -> bool:
        name = (urlsplit(f"//{host}").hostname or "").lower()
        try:
            address = ip_address(name)
        except ValueError:
            return name in self._names
        # A number cannot be made to point elsewhere; from outside, none but the loopback's makes sense.
        return address.is_loopback or not self._is_local

    def _has_token(self, headers: Headers) -> bool:
        scheme, _, bearer = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and self._is_token(bearer.strip()):
            return True
        return self._is_token(cookie_parser(headers.get("cookie", "")).get(self.cookie, ""))

    def _is_token(self, said: str) -> bool:
        return secrets.compare_digest(said.encode(), self._token.encode())


def _told(code: int, text: str) -> Response:
    return JSONResponse({"detail": text}, code)


def _with_headers(send: Send) -> Send:
    async def send_with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            more: list[Any] = [(k.lower().encode(), v.encode()) for k, v in HEADERS.items()]
            message = {**message, "headers": [*message["headers"], *more]}
        await send(message)

    return send_with_headers
