"""The REST API, under /api/v1."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Iterator
from typing import Annotated, Any, BinaryIO, Literal

from fastapi import APIRouter, Depends, File, Form, Path, Query, Request, Response, UploadFile
from fastapi.responses import PlainTextResponse, StreamingResponse

import sortilin
from sortilin.serve import downloads, metrics, table
from sortilin.serve.schemas import (
    ErrorOut,
    HealthOut,
    JobOut,
    LimitsOut,
    ModelOut,
    PageOut,
    PredictionOut,
    SubmissionIn,
    job_out,
)
from sortilin.serve.service import Request as Asked
from sortilin.serve.service import Service, text_of

MAX_ROWS = 1_000
"""Rows that one request is given."""

_NAME = Annotated[str, Path(description="A job's private name.", min_length=1, max_length=64)]


def service_of(request: Request) -> Service:
    """The one service of the application."""
    found: Service = request.app.state.service
    return found


Served = Annotated[Service, Depends(service_of)]


def base_of(request: Request) -> str:
    """Address of the server as its visitors know it, without a slash at the end."""
    return str(request.base_url).rstrip("/")


def client_of(request: Request, service: Service) -> str:
    """Who asks; see `Clients.name`."""
    return service.clients.name(request.client.host if request.client else None)


def _errors(*codes: int) -> dict[int | str, dict[str, Any]]:
    words = {
        404: "There is no such job",
        408: "The request took too long to arrive",
        409: "The job is not finished",
        413: "More than one job may hold",
        422: "The request, or the input in it, cannot be read",
        429: "Too many at once; see Retry-After",
        501: "This server lacks a package for it",
        507: "The server has no room",
    }
    return {code: {"model": ErrorOut, "description": words[code]} for code in codes}


router = APIRouter(prefix="/api/v1")
_SUBMITTED = _errors(408, 413, 422, 429, 507)


@router.post(
    "/jobs",
    tags=["jobs"],
    response_model=JobOut,
    responses={202: {"model": JobOut, "description": "Queued"}, **_SUBMITTED},
    summary="Submit sequences",
)
async def submit(asked: SubmissionIn, request: Request, response: Response, service: Served) -> JobOut:
    """Small jobs are answered at once (200, with `predictions`), others are queued (202)."""
    if asked.sequences is not None:
        content = text_of([(s.id, s.sequence) for s in asked.sequences])
    else:
        content = io.BytesIO((asked.fasta or "").encode(errors="replace"))
    what = Asked(
        content,
        model=asked.model,
        client=client_of(request, service),
        title=asked.title,
        skip_faulty=asked.skip_faulty,
    )
    return await _submitted(service, what, request, response)


@router.post(
    "/jobs/file",
    tags=["jobs"],
    response_model=JobOut,
    responses={202: {"model": JobOut, "description": "Queued"}, **_SUBMITTED},
    summary="Submit a file",
)
async def submit_file(
    request: Request,
    response: Response,
    service: Served,
    file: Annotated[UploadFile, File(description="FASTA or a table, plain or .gz, .bz2, .xz, .zst.")],
    model: Annotated[str, Form(max_length=200)] = "",
    title: Annotated[str, Form(max_length=200)] = "",
    skip_faulty: Annotated[bool, Form()] = False,
) -> JobOut:
    """As above, for a file of at most the upload limit."""
    what = Asked(
        file.file,
        model=model,
        client=client_of(request, service),
        title=title,
        source=file.filename or "",
        skip_faulty=skip_faulty,
    )
    return await _submitted(service, what, request, response)


async def _submitted(service: Service, what: Asked, request: Request, response: Response) -> JobOut:
    job = await service.submit(what)
    state = service.store.state(job.name)
    rows = None
    if state.status == "done":
        found = await asyncio.to_thread(service.table(job.name).find, table.Query(limit=job.n))
        rows = [PredictionOut.of(position, p) for position, p in found.rows]
    else:
        response.status_code = 202
    return job_out(job, state, base_of(request), rows)


@router.get("/jobs/{name}", tags=["jobs"], responses=_errors(404, 422), summary="How far a job is")
async def status(name: _NAME, request: Request, service: Served) -> JobOut:
    """Ask again every second or two; a link to it lasts until `expires`."""
    job, state = service.look(name)
    return job_out(job, state, base_of(request))


@router.get(
    "/jobs/{name}/predictions", tags=["jobs"], responses=_errors(404, 409, 422), summary="Rows of a result"
)
async def predictions(
    name: _NAME,
    service: Served,
    offset: Annotated[int, Query(ge=0, le=10**9)] = 0,
    limit: Annotated[int, Query(ge=1, le=MAX_ROWS)] = 100,
    sort: Annotated[
        str, Query(max_length=100, description="position, id, length, prediction, ...")
    ] = "position",
    descending: bool = False,
    search: Annotated[str, Query(max_length=200, description="Part of an id.")] = "",
    prediction: Annotated[str, Query(max_length=100, description="Only this class.")] = "",
) -> PageOut:
    """Sorted, filtered, at most 1,000 at a time."""
    query = table.Query(sort, descending, search, prediction, offset=offset, limit=limit)
    found = await asyncio.to_thread(service.table(name).find, query)
    rows = [PredictionOut.of(position, p) for position, p in found.rows]
    return PageOut(n=found.n, offset=offset, predictions=rows)


@router.get(
    "/jobs/{name}/download",
    tags=["jobs"],
    response_class=Response,
    responses={200: {"description": "The file", "content": {}}, **_errors(404, 409, 422, 501)},
    summary="A result as a file",
)
async def download(
    name: _NAME,
    service: Served,
    format: Annotated[  # noqa: A002 - the parameter's name in the address
        Literal["tsv", "jsonl", "parquet", "fasta", "methods"], Query(description="What kind of file.")
    ] = "tsv",
    prediction: Annotated[str, Query(max_length=100, description="FASTA of this class only.")] = "",
) -> Response:
    """TSV, JSON Lines, Parquet, FASTA (by class), or a paragraph for a methods section."""
    return await file_response(service, name, format, prediction)


async def file_response(service: Service, name: str, kind: str, prediction: str) -> Response:
    """A download, streamed."""
    job = service.store.job(name)
    headers = {
        "Content-Disposition": f'attachment; filename="{downloads.file_name(job, kind, prediction)}"',
        "Cache-Control": "private, no-store",
    }
    if kind == "methods":
        return PlainTextResponse(downloads.methods(job, service.models), headers=headers)
    rows = service.table(name)
    content: Iterator[bytes]
    if kind == "fasta":
        content = downloads.fasta(job, rows, service.store, prediction)
    else:
        content = _chunks(await asyncio.to_thread(downloads.write, kind, job, rows, service.models))
    return StreamingResponse(content, headers=headers, media_type=downloads.TYPES[kind])


def _chunks(stream: BinaryIO) -> Iterator[bytes]:
    with stream:
        while chunk := stream.read(2**16):
            yield chunk


@router.delete(
    "/jobs/{name}", tags=["jobs"], status_code=204, responses=_errors(404, 422), summary="Delete a job"
)
async def delete(name: _NAME, service: Served) -> Response:
    """Sequences and result are gone at once; a running job is stopped."""
    await asyncio.to_thread(service.delete, name)
    return Response(status_code=204)


@router.get("/models", tags=["server"], summary="The models")
async def models(service: Served) -> list[ModelOut]:
    """What may stand in `model`; the first one is taken by default."""
    return [ModelOut(**service.models.describe(name)) for name in service.models.names]


@router.get("/limits", tags=["server"], summary="The limits")
async def limits(service: Served) -> LimitsOut:
    """What one job and one client may ask for."""
    settings = service.settings
    return LimitsOut(**{name: getattr(settings, name) for name in LimitsOut.model_fields})


@router.get("/health", tags=["server"], summary="Whether the server can work")
async def health(service: Served) -> HealthOut:
    """`degraded` where the queue cannot be reached: short jobs are answered, long ones wait."""
    keeper = service.keeper
    return HealthOut(
        status="ok" if keeper.queue_is_up else "degraded",
        queue="up" if keeper.queue_is_up else "down",
        waiting=keeper.n_waiting,
        running=keeper.n_running,
        version=sortilin.__version__,
    )


def gauges(service: Service) -> None:
    """Bring the gauges up to date."""
    metrics.WAITING.set(service.keeper.n_waiting)
    metrics.RUNNING.set(service.keeper.n_running)
    metrics.QUEUE_UP.set(int(service.keeper.queue_is_up))
