"""Who may ask: this page only, by one of this computer's names.

A browser sends requests for any site that its user visits. So other sites must not
reach the page: neither directly (Origin, Sec-Fetch-Site) nor under a name of theirs
that leads to this computer (Host, against DNS rebinding).
"""

import ipaddress
import socket
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

# The addresses that stand for all, and how this computer reaches itself then.
EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}
_LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
_HEADERS = {
    "content-security-policy": "default-src 'none'; script-src 'self'; "
    "style-src 'self'; img-src 'self'; media-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "cache-control": "no-store",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}


def is_loopback(address: str) -> bool:
    """Return whether an address is one that other computers cannot reach."""
    return ipaddress.ip_address(address).is_loopback


def in_url(host: str) -> str:
    """Return a host as URLs hold it: IPv6 in brackets."""
    return f"[{host}]" if ":" in host else host


class Guard:
    """Refuses what comes from elsewhere, and adds headers to every answer.

    Args:
        app: what answers all other requests.
        host: what to listen on, as it was asked for.
        address: that is listened on.
        port: that is listened on.
    """

    def __init__(self, app: App, host: str, address: str, port: int) -> None:
        self._app = app
        self._port = port
        self._names = {*_LOOPBACK, in_url(host.lower()), in_url(address)}
        # Who listens on all addresses is called by any of them. A number is no name
        # that someone else could lead here.
        self._any_number = address in EVERYWHERE
        if self._any_number:
            name = socket.gethostname().lower()
            self._names |= {name, f"{name.split('.')[0]}.local"}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def guarded(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                headers = [(k.encode(), v.encode()) for k, v in _HEADERS.items()]
                message = {**message, "headers": [*message["headers"], *headers]}
            await send(message)

        if reason := self._refusal(scope["headers"]):
            head = [(b"content-type", b"text/plain; charset=utf-8")]
            await guarded(
                {"type": "http.response.start", "status": 403, "headers": head}
            )
            await guarded({"type": "http.response.body", "body": reason.encode()})
            return
        await self._app(scope, receive, guarded)

    def _refusal(self, headers: list[tuple[bytes, bytes]]) -> str:
        """Return why a request is refused; empty if it is not."""
        hosts = [v.decode("latin-1").lower() for k, v in headers if k == b"host"]
        if len(hosts) != 1 or not self._is_own(hosts[0]):
            return "Refused: not an address of this page.\n"
        texts = {k: v.decode("latin-1") for k, v in headers}
        if texts.get(b"origin", f"http://{hosts[0]}").lower() != f"http://{hosts[0]}":
            return "Refused: asked by another page.\n"
        if texts.get(b"sec-fetch-site", "none") not in ("none", "same-origin"):
            return "Refused: asked by another page. Type the address yourself.\n"
        return ""

    def _is_own(self, host: str) -> bool:
        name, _, port = host.rpartition(":")
        if not name or host.endswith("]"):  # browsers leave out 80
            name, port = host, "80"
        if port != str(self._port):
            return False
        if name in self._names:
            return True
        try:
            return self._any_number and bool(ipaddress.ip_address(name.strip("[]")))
        except ValueError:
            return False
