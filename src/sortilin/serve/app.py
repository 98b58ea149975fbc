"""The server as one ASGI application."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import FastAPI, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.staticfiles import StaticFiles

import sortilin
from sortilin.serve import api, faults, pages
from sortilin.serve.explaining import Explainer
from sortilin.serve.security import Guard
from sortilin.serve.service import Service
from sortilin.serve.settings import Settings
from sortilin.serve.store import Clock

STATIC = Path(__file__).parent / "static"


def create(settings: Settings, *, clock: Clock = time.time) -> FastAPI:
    """The application, not yet open: models are loaded when it starts.

    Args:
        settings: What was set.
        clock: The time, seconds since 1970.
    """
    service = Service(settings, clock)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        service.open()
        yield
        service.close()

    app = FastAPI(
        title="sortilin",
        summary="What a protein or peptide is for, from its sequence alone.",
        version=sortilin.__version__,
        openapi_url="/api/v1/openapi.json",
        docs_url=None,  # they load scripts of other hosts; pages.py shows the same
        redoc_url=None,
        lifespan=lifespan,
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
    )
    app.state.service = service
    app.state.explainer = Explainer()
    app.include_router(api.router)
    app.include_router(pages.router)
    app.mount("/static", StaticFiles(directory=STATIC), name="static")

    @app.get("/metrics", include_in_schema=False)
    async def prometheus() -> Response:
        api.gauges(service)
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    faults.install(app, pages.error_page)
    app.add_middleware(Guard, settings=settings)
    return app
