"""The one boundary where an error becomes a status: JSON for programs, a page for people."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException

from sortilin.errors import (
    ConfigError,
    InputError,
    MissingDependencyError,
    OutputError,
    SortilinError,
)
from sortilin.serve.logs import log
from sortilin.serve.reading import TooLargeError
from sortilin.serve.service import NotDoneError, RefusedError
from sortilin.serve.store import NoSuchJobError

Page = Callable[[Request, int, str], Response]

STATUS: tuple[tuple[type[SortilinError], int], ...] = (
    (NoSuchJobError, 404),
    (NotDoneError, 409),
    (RefusedError, 429),
    (TooLargeError, 413),
    (InputError, 422),
    (MissingDependencyError, 501),
    (ConfigError, 422),
    (OutputError, 507),
)
"""The first that fits an error; any other of the project's own is a fault of the server."""


def status_of(error: SortilinError) -> int:
    """HTTP status of an error."""
    return next((status for kind, status in STATUS if isinstance(error, kind)), 500)


def install(app: FastAPI, page: Page) -> None:
    """Make all errors of an application answers.

    Args:
        app: The application.
        page: Makes the page of an error.
    """

    def answer(
        request: Request, status: int, message: str, headers: dict[str, str] | None = None
    ) -> Response:
        path = request.url.path.removeprefix(request.scope.get("root_path", ""))
        if path.startswith(("/api/", "/metrics")):
            body = {"error": {"code": status, "message": message}}
            return JSONResponse(body, status_code=status, headers=headers)
        response = page(request, status, message)
        response.headers.update(headers or {})
        return response

    async def own(request: Request, error: Exception) -> Response:
        assert isinstance(error, SortilinError)
        status = status_of(error)
        headers = {}
        if isinstance(error, RefusedError):
            headers["Retry-After"] = str(math.ceil(error.retry_after_s))
        if status >= 500:
            log.error("request failed", status=status, reason=type(error).__name__)
        return answer(request, status, str(error), headers)

    async def of_http(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        headers = dict(error.headers) if error.headers else None
        words = {404: "There is no such page.", 405: "This address does not take that method."}
        return answer(request, error.status_code, words.get(error.status_code, str(error.detail)), headers)

    async def of_validation(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        faults = "; ".join(
            f"{'.'.join(str(part) for part in f['loc'] if part != 'body') or 'body'}: "
            f"{f['msg'].removeprefix('Value error, ')}"
            for f in error.errors()
        )
        return answer(request, 422, faults)

    async def unexpected(request: Request, error: Exception) -> Response:
        log.error("unexpected error", reason=type(error).__name__, exc_info=error)
        return answer(request, 500, "The server made a mistake. It is in its log; please tell who runs it.")

    handlers: dict[type[Exception], Callable[[Request, Exception], Awaitable[Response]]] = {
        SortilinError: own,
        HTTPException: of_http,
        RequestValidationError: of_validation,
        Exception: unexpected,
    }
    for kind, handler in handlers.items():
        app.add_exception_handler(kind, handler)
