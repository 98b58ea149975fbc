"""What every request passes: a bound on its body and on the time it takes, and headers against injection.

An ASGI middleware of its own, since Starlette's read a body whole before anybody can look at its length.
"""

from __future__ import annotations

import asyncio
import html
import json
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from sortilin.serve.logs import log
from sortilin.serve.metrics import REQUESTS, SECONDS
from sortilin.serve.settings import Settings

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Scope = MutableMapping[str, Any]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",  # links to jobs are private
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), interest-cohort=()",
    "x-robots-tag": "noindex, nofollow",
}
_OVERHEAD = 2**16
"""Bytes of a form beside the file in it."""


class TooLargeBodyError(Exception):
    """A body is longer than allowed."""


class TooSlowBodyError(Exception):
    """A body takes longer than allowed."""


class Guard:
    """Bounds the body, adds headers, counts and logs.

    Args:
        application: What answers.
        settings: The limits.
    """

    def __init__(self, application: Application, settings: Settings) -> None:
        self.application, self.settings = application, settings
        self._limit = int(settings.max_upload) + _OVERHEAD

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self.application(scope, receive, send)
            return
        if scope["method"] == "HEAD":  # the server itself leaves out the body
            scope = {**scope, "method": "GET"}
        exchange = _Exchange(scope, receive, send, self._limit, self.settings.body_timeout_s)
        started = time.monotonic()
        try:
            if (_content_length(scope) or 0) > self._limit:
                exchange.fault = TooLargeBodyError()
            else:
                await self.application(scope, exchange.receive, exchange.send)
        except (TooLargeBodyError, TooSlowBodyError) as fault:
            exchange.fault = fault
        finally:
            if isinstance(exchange.fault, TooLargeBodyError):
                await exchange.refuse(413, _too_large(self.settings))
            elif isinstance(exchange.fault, TooSlowBodyError):
                limit = f"{self.settings.body_timeout_s:g} seconds"
                await exchange.refuse(408, f"the request took longer than {limit} to arrive")
            self._record(scope, exchange.status, time.monotonic() - started)

    def _record(self, scope: Scope, status: int, seconds: float) -> None:
        route = scope.get("route")
        path = getattr(route, "path", "other")  # the template: a link to a job is private
        REQUESTS.labels(scope["method"] if scope["method"] in _METHODS else "other", path, str(status)).inc()
        SECONDS.labels(path).observe(seconds)
        log.debug("request", method=scope["method"][:10], path=path, status=status, seconds=round(seconds, 4))


_METHODS = ("GET", "HEAD", "POST", "DELETE", "OPTIONS")


class _Exchange:
    """One request and its answer."""

    def __init__(self, scope: Scope, receive: Receive, send: Send, limit: int, timeout_s: float) -> None:
        self.scope, self._receive, self._send, self._limit = scope, receive, send, limit
        self._deadline = time.monotonic() + timeout_s
        self._n, self._is_read = 0, False
        self.status, self.has_begun = 0, False
        self.fault: Exception | None = None

    async def receive(self) -> Message:
        if self._is_read:  # only a disconnect is still to come
            return await self._receive()
        left = self._deadline - time.monotonic()
        try:
            message = await asyncio.wait_for(self._receive(), max(left, 0.001))
        except TimeoutError:
            self.fault = TooSlowBodyError()
            raise self.fault from None
        if message["type"] == "http.request":
            self._n += len(message.get("body", b""))
            self._is_read = not message.get("more_body", False)
            if self._n > self._limit:
                self.fault = TooLargeBodyError()
                raise self.fault
        return message

    async def send(self, message: Message) -> None:
        if self.fault is not None and not self.has_begun:
            return  # frameworks make an answer of their own of an exception; `refuse` has a better one
        await self._pass_on(message)

    async def _pass_on(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status, self.has_begun = message["status"], True
            own = {name for name, _ in message.get("headers", ())}
            added = [(k.encode(), v.encode()) for k, v in HEADERS.items() if k.encode() not in own]
            message = {**message, "headers": [*message.get("headers", ()), *added]}
        await self._send(message)

    async def refuse(self, status: int, reason: str) -> None:
        """An error, unless an answer is under way; the connection ends, so that no more is sent."""
        if self.has_begun:
            return
        body, kind = _answer(self.scope, status, reason)
        headers = [
            (b"content-type", kind),
            (b"content-length", str(len(body)).encode()),
            (b"connection", b"close"),
        ]
        await self._pass_on({"type": "http.response.start", "status": status, "headers": headers})
        await self._pass_on({"type": "http.response.body", "body": body})


_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title} · sortilin</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<link rel="stylesheet" href="{root}/static/style.css"></head>
<body><main><h1>{title}</h1><p class="lead">{reason}.</p>
<p class="field"><a href="{root}/">Back to the form</a></p></main></body>
</html>
"""
"""What a browser is shown: no template, since the application has not been asked."""


def _answer(scope: Scope, status: int, reason: str) -> tuple[bytes, bytes]:
    """A body and its type: a page for browsers, JSON for programs."""
    accepts = next((value for name, value in scope["headers"] if name == b"accept"), b"")
    if b"text/html" not in accepts:
        return json.dumps({"error": {"code": status, "message": reason}}).encode(), b"application/json"
    title = {408: "Too slow", 413: "Too large"}.get(status, "Refused")
    sentence = html.escape(reason[:1].upper() + reason[1:])
    page = _PAGE.format(title=title, reason=sentence, root=html.escape(scope.get("root_path", "")))
    return page.encode(), b"text/html; charset=utf-8"


def _content_length(scope: Scope) -> int | None:
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit():
            return int(value)
    return None


def _too_large(settings: Settings) -> str:
    megabytes = settings.max_upload / 2**20
    return (
        f"the request is larger than {megabytes:,.0f} MB; allowed: {megabytes:,.0f} MB (setting max_upload)"
    )
