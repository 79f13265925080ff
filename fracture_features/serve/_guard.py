"""Which requests are let in, and what browsers are told to do with the answers."""

from __future__ import annotations

import ipaddress
import json
import re
import socket
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEADERS = {
    # Nothing from anywhere else, and no script or style within the page.
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
HOST = re.compile(r"(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+)(:\d{1,5})?")


class JSON(Response):
    """JSON in ASCII: names of any kind, those that are not Unicode too."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        return json.dumps(content, allow_nan=False).encode("ascii")


class Guard:
    """Refuse what a page of another origin may send to this machine through its user's browser.

    Such a page can reach an address on the loopback under a name of its own (DNS rebinding), which the Host header
    tells, and can send forms to it, which the Origin header tells.

    Parameters
    ----------
    app : ASGI application
    host : str
        Address that the server listens at.
    """

    def __init__(self, app: ASGIApp, host: str):
        self.app = app
        self.host = host

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        refusal = self._refusal(Headers(scope=scope))
        await (refusal or self.app)(scope, receive, send_with_headers)

    def _refusal(self, headers: Headers) -> JSON | None:
        if not is_own_name(headers.get("host", ""), self.host):
            return JSON({"error": "the Host header names another server"}, 421)
        origin = headers.get("origin")
        if origin is not None and origin != f"http://{headers['host']}":
            return JSON({"error": "the request comes from a page of another origin"}, 403)
        return None


def is_loopback(host: str) -> bool:
    """Tell whether an address or name is this machine's own, which no other can reach."""
    address = _address(host)
    return host.lower() == "localhost" if address is None else address.is_loopback


def is_own_name(header: str, host: str) -> bool:
    """Tell whether a Host header can stand for a server at `host`: a name that no other site can have."""
    match = HOST.fullmatch(header)
    if match is None:
        return False
    name = match[1].strip("[]").lower()
    if is_loopback(host):
        return is_loopback(name)
    return _address(name) is not None or name in {"localhost", host.lower(), socket.gethostname().lower()}


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None
