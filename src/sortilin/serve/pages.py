"""The pages: without scripts they work, with them they are quicker.

Python decides what is said, `templates/` how it looks.
"""

from __future__ import annotations

import asyncio
import io
import math
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import RedirectResponse
from starlette.datastructures import FormData, UploadFile

from sortilin import registry
from sortilin.errors import InputError, SortilinError
from sortilin.explain import signals
from sortilin.results import HIGH_CONFIDENCE, MEDIUM_CONFIDENCE, Prediction
from sortilin.serve import downloads, endpoints, explaining, plots, residues, table
from sortilin.serve.api import Served, base_of, client_of, file_response
from sortilin.serve.faults import status_of
from sortilin.serve.rendering import page as _page
from sortilin.serve.service import RefusedError, Service
from sortilin.serve.service import Request as Asked
from sortilin.serve.sets import AnySets, names, sets_of

ROWS_A_PAGE = 50
N_COLOURS = 8
"""Class colours in the style sheet; a ninth class starts again at the first, and is told by its name."""

QUEUE_AWAY = "The queue cannot be reached at the moment. The job is kept and is begun when the queue is back."

_MAX_ECHOED = 1_000_000
"""Characters of pasted text that come back with an error, to be mended."""

router = APIRouter(include_in_schema=False)


def error_page(request: Request, status: int, message: str) -> Response:
    """The page of an error; see `faults.install`."""
    return _page(request, "error", {"status": status, "message": message}, status)


# --- the form


@router.get("/")
async def form(request: Request, service: Served, model: str = "") -> Response:
    """Paste or upload."""
    return _form(request, service, {"model": model})


def _form(
    request: Request, service: Service, given: Mapping[str, Any], status: int = 200, error: str = ""
) -> Response:
    models = [service.models.describe(name) for name in service.models.names]
    chosen = given.get("model", "")
    values = {
        "models": models,
        "model": chosen if chosen in service.models.names else service.models.names[0],
        "text": given.get("text", "") if len(given.get("text", "")) <= _MAX_ECHOED else "",
        "title": given.get("title", ""),
        "skip_faulty": given.get("skip_faulty", False),
        "is_cut": len(given.get("text", "")) > _MAX_ECHOED,
        "error": error,
        "examples": _examples(service),
        "colours": {about["name"]: _colours(about["classes"]) for about in models},
    }
    return _page(request, "form", values, status)


def _examples(service: Service) -> dict[str, str]:
    """Model → FASTA of an example."""
    folder = Path(__file__).parent / "examples"
    found = {path.stem: path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.fasta"))}
    tasks = {name: service.models.get(name).task for name in service.models.names}
    return {name: found[task] for name, task in tasks.items() if task in found}


@router.post("/submit")
async def submit(request: Request, service: Served) -> Response:
    """Accept a job and go to its page; the form again, with what was wrong, if it is not accepted."""
    limit = int(service.settings.max_upload)
    async with request.form(max_files=1, max_fields=10, max_part_size=limit) as sent:
        given = {
            "text": _field(sent, "text"),
            "model": _field(sent, "model")[:200],
            "title": _field(sent, "title")[:200],
            "skip_faulty": bool(_field(sent, "skip_faulty")),
        }
        try:
            job = await service.submit(_asked(request, service, given, sent.get("file")))
        except SortilinError as error:
            response = _form(request, service, given, status_of(error), str(error))
            if isinstance(error, RefusedError):
                response.headers["Retry-After"] = str(math.ceil(error.retry_after_s))
            return response
    return RedirectResponse(f"{request.scope.get('root_path', '')}/jobs/{job.name}", status_code=303)


def _field(sent: FormData, name: str) -> str:
    value = sent.get(name)
    return value if isinstance(value, str) else ""


def _asked(request: Request, service: Service, given: Mapping[str, Any], file: Any) -> Asked:
    """What the form holds.

    Raises:
        InputError: There are both a file and text, or neither.
    """
    upload = file if isinstance(file, UploadFile) and file.filename else None
    text = given["text"]
    if upload is not None and text.strip():
        raise InputError("there are both a file and pasted sequences; send one of the two")
    if upload is None and not text.strip():
        raise InputError("there is no sequence yet: paste some, or choose a file")
    return Asked(
        upload.file if upload is not None else io.BytesIO(text.encode(errors="replace")),
        model=given["model"],
        client=client_of(request, service),
        title=given["title"],
        source=upload.filename or "" if upload is not None else "",
        skip_faulty=given["skip_faulty"],
    )


# --- a job


@router.get("/jobs/{name}", name="job")
async def job(  # noqa: PLR0913, PLR0917 - a parameter each
    request: Request,
    name: str,
    service: Served,
    sort: Annotated[str, Query(max_length=100)] = "position",
    descending: bool = False,
    search: Annotated[str, Query(max_length=200)] = "",
    prediction: Annotated[str, Query(max_length=100)] = "",
    flagged: bool = False,
    page: Annotated[int, Query(ge=1, le=10**7)] = 1,
) -> Response:
    """How far it is, or what came of it."""
    job, state = service.look(name)
    shared = {
        "job": job,
        "state": state,
        "link": f"{base_of(request)}/jobs/{name}",
        "about": service.models.describe(job.model) if job.model in service.models.names else None,
        "message": state.message or ("" if service.keeper.queue_is_up else QUEUE_AWAY),
        "n_waiting": max(service.keeper.n_waiting, 1),
    }
    if state.status != "done":
        return _page(request, "progress", shared)
    query = table.Query(sort, descending, search, prediction, flagged, limit=ROWS_A_PAGE)
    rows = service.table(name)
    found, overview = await asyncio.gather(
        asyncio.to_thread(rows.find, _at(query, page)), asyncio.to_thread(rows.overview)
    )
    n_pages = max(1, math.ceil(found.n / ROWS_A_PAGE))
    if page > n_pages:  # a search that was made narrower on a later page
        page = n_pages
        found = await asyncio.to_thread(rows.find, _at(query, page))
    colours, sets = _colours(job.classes), sets_of(service, job)
    values = {
        **shared,
        "query": query,
        "page": page,
        "n_pages": n_pages,
        "n_found": found.n,
        "first": (page - 1) * ROWS_A_PAGE + 1,
        "rows": [_row(position, p, job.classes, sets) for position, p in found.rows],
        "coverage": sets and sets.coverage,
        "overview": overview,
        "colours": colours,
        "lengths": plots.lengths(overview),
        "probabilities": [
            plots.probabilities(overview["probabilities"][c], c, colours[c])
            for c in job.classes
            if overview["counts"][c]
        ],
        "columns": _columns(query, job.classes),
        "address": lambda **changes: _address(query, page, changes),
        "methods": downloads.methods(job, service.models) if shared["about"] else "",
        "has_parquet": find_spec("pyarrow") is not None,
        "high": HIGH_CONFIDENCE,
        "medium": MEDIUM_CONFIDENCE,
    }
    return _page(request, "result", values)


def _at(query: table.Query, page: int) -> table.Query:
    return table.Query(
        query.sort,
        query.descending,
        query.search,
        query.prediction,
        query.flagged,
        offset=(page - 1) * ROWS_A_PAGE,
        limit=ROWS_A_PAGE,
    )


def _colours(classes: tuple[str, ...] | list[str]) -> dict[str, int]:
    return {c: i % N_COLOURS for i, c in enumerate(classes)}


def _row(position: int, p: Prediction, classes: tuple[str, ...], sets: AnySets) -> dict[str, Any]:
    return {
        "position": position,
        "prediction": p,
        "bars": [(c, p.probabilities[c], i % N_COLOURS) for i, c in enumerate(classes)],
        "set": names(p, sets),
    }


def _columns(query: table.Query, classes: tuple[str, ...]) -> list[dict[str, Any]]:
    """Headings, each with the address that sorts by it."""
    names = {"position": "#", "id": "Sequence", "length": "Residues", "prediction": "Prediction"}
    names |= {"probability": "Probability"} | {f"p_{c}": c for c in classes}
    return [
        {
            "name": name,
            "title": title,
            "is_sorted": query.sort == name,
            "descending": query.descending,
            # Who asks for probabilities asks for the highest.
            "next_descending": not query.descending
            if query.sort == name
            else name.startswith("p_") or name == "probability",
        }
        for name, title in names.items()
    ]


def _address(query: table.Query, page: int, changes: Mapping[str, Any]) -> str:
    """The query part of an address with some values changed; defaults are left out."""
    values: dict[str, Any] = {
        "sort": query.sort,
        "descending": query.descending,
        "search": query.search,
        "prediction": query.prediction,
        "flagged": query.flagged,
        "page": page,
    } | dict(changes)
    defaults = {
        "sort": "position",
        "descending": False,
        "search": "",
        "prediction": "",
        "flagged": False,
        "page": 1,
    }
    return "?" + urlencode({k: _plain(v) for k, v in values.items() if v != defaults[k]})


def _plain(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


@router.get("/jobs/{name}/sequences/{position}", name="sequence")
async def sequence(
    request: Request,
    name: str,
    position: int,
    service: Served,
    label: Annotated[str, Query(max_length=100)] = "",
) -> Response:
    """One sequence: its residues, what they say for a class, known signals."""
    job, _ = service.look(name)
    rows = service.table(name)  # says so if the job is not done
    found = await asyncio.to_thread(rows.row, position) if 1 <= position <= job.n else None
    if found is None:
        return error_page(request, 404, f"The job has {job.n:,} sequences; there is none at {position:,}.")
    text = await asyncio.to_thread(service.sequence, name, position)
    wanted = label if label in job.classes else found.top
    marks = await asyncio.to_thread(signals.find, text)
    # What another version of the model looks at explains no answer of this one.
    is_served = (
        job.model in service.models.names and service.models.get(job.model).model.checksum == job.checksum
    )
    profile, sets = None, sets_of(service, job)
    if is_served and len(text) <= explaining.MAX_RESIDUES:
        explainer: explaining.Explainer = request.app.state.explainer
        profile = await explainer.profile((name, position, wanted), service.models.get(job.model), text)
    task = registry.get("task", service.models.get(job.model).task) if is_served else None
    values: dict[str, Any] = {
        "job": job,
        "position": position,
        "prediction": found,
        "label": wanted,
        "set": names(found, sets),
        "coverage": sets and sets.coverage,
        "colours": _colours(job.classes),
        "answers": [
            (q.title, q.positive, found.answers[q.name])
            for q in getattr(task, "questions", ())
            if q.name in found.answers
        ],
        "signals": marks,
        "sequence": text,
        "profile": profile,
        "curve": None if profile is None else residues.curve(profile),
        "stretches": [] if profile is None else residues.stretches(text, profile),
        "lines": residues.lines(text, profile, marks),
        "why_not": _why_not(is_served, len(text)),
    }
    return _page(request, "sequence", values)


def _why_not(is_served: bool, length: int) -> str:
    """Why there is no attribution, where there is none."""
    if not is_served:
        return "The model of this job is no longer offered here: what each residue says cannot be computed."
    if length > explaining.MAX_RESIDUES:
        return (
            f"This sequence is longer than {explaining.MAX_RESIDUES:,} residues: what each says is not told."
        )
    return "Many ask what their residues say just now. Load this page again in a minute."


@router.get("/jobs/{name}/download/{kind}", name="download")
async def download(name: str, kind: str, service: Served, prediction: str = "") -> Response:
    """A file; the same as of the API."""
    return await file_response(service, name, kind, prediction)


@router.post("/jobs/{name}/delete", name="delete")
async def delete(request: Request, name: str, service: Served) -> Response:
    """Let a job go."""
    await asyncio.to_thread(service.delete, name)
    return _page(request, "deleted", {"name": name})


# --- the rest


@router.get("/about", name="about")
async def about(request: Request, service: Served) -> Response:
    """The models, what they must not be taken for, limits and privacy."""
    models = [service.models.describe(name) for name in service.models.names]
    return _page(request, "about", {"models": models, "high": HIGH_CONFIDENCE, "medium": MEDIUM_CONFIDENCE})


@router.get("/api", name="api_page")
async def api_page(request: Request, service: Served) -> Response:
    """The API in words, from its own description."""
    document = request.app.openapi()
    values = {
        "endpoints": endpoints.endpoints(document),
        "schemas": endpoints.schemas(document),
        "model": service.models.names[0],
    }
    return _page(request, "api", values)


@router.get("/robots.txt")
async def robots() -> Response:
    """Nothing here is for search engines."""
    return Response("User-agent: *\nDisallow: /jobs/\n", media_type="text/plain")
