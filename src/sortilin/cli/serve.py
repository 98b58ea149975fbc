"""`sortilin serve` and `sortilin worker`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click

from sortilin.cli import _console


def _settings(file: Path | None, given: dict[str, Any]) -> Any:
    """Defaults < file < environment < command line."""
    from sortilin.errors import MissingDependencyError

    try:
        from sortilin.serve import settings
    except ImportError as error:
        raise MissingDependencyError("the web server", error.name or "fastapi", "serve") from None
    if file is not None:
        os.environ[settings.FILE] = str(file)  # workers that are started read it too
    return settings.load(**{name: None if value in ((), "") else value for name, value in given.items()})


@click.command(
    epilog="""\b
Examples:
  sortilin serve                                     http://127.0.0.1:8000
  sortilin serve --port 8080 --workers 2 --data-dir /var/lib/sortilin
  sortilin serve --model localization --model runs/mine
  sortilin serve --settings serve.toml --host 0.0.0.0
  SORTILIN_SERVE_MAX_SEQUENCES=5000 sortilin serve
"""
)
@click.option("--host", help="Address to listen on; 0.0.0.0 for all.  [default: 127.0.0.1]")
@click.option("--port", "-p", type=click.IntRange(0, 65_535), help="0 picks a free one.  [default: 8000]")
@click.option(
    "--model", "-m", "models", multiple=True, help="Model to offer; may be repeated.  [default: both bundled]"
)
@click.option("--data-dir", type=click.Path(path_type=Path), help="Folder of jobs and queue.")
@click.option(
    "--redis", "redis_url", help="A Redis that several machines share as their queue: redis://HOST:PORT/0"
)
@click.option(
    "--workers", type=click.IntRange(min=0), help="Processes for long jobs; 0 for none here.  [default: 1]"
)
@click.option("--settings", type=click.Path(path_type=Path, dir_okay=False), help="TOML file with settings.")
@click.option("--quiet", "-q", is_flag=True, help="Say nothing but errors and logs.")
def serve(
    *,
    host: str | None,
    port: int | None,
    models: tuple[str, ...],
    data_dir: Path | None,
    redis_url: str | None,
    workers: int | None,
    settings: Path | None,
    quiet: bool,
) -> None:
    """Serve web pages and a REST API, until Ctrl-C.

    All settings (limits, how long jobs are kept, ...) can be given as environment variables
    SORTILIN_SERVE_NAME or in a TOML file; docs/serve.md lists them. Needs `pip install 'sortilin[serve]'`.
    """
    given: dict[str, Any] = {
        "host": host,
        "port": port,
        "models": models,
        "data_dir": data_dir,
        "redis_url": redis_url,
    }
    found = _settings(settings, given)
    if workers is not None:
        found = found.model_copy(update={"workers": workers})
    from sortilin.serve.run import serve as run

    def ready(address: str) -> None:
        if not quiet:
            _console.note(f"sortilin is at {address}{found.root_path}  (Ctrl-C ends it)")

    run(found, on_ready=ready)


@click.command(
    epilog="""\b
Examples:
  sortilin worker --redis redis://queue:6379/0 --data-dir /shared/sortilin
  sortilin worker --settings serve.toml
  SORTILIN_SERVE_REDIS_URL=redis://queue:6379/0 sortilin worker
"""
)
@click.option("--model", "-m", "models", multiple=True, help="Model that jobs may ask for; may be repeated.")
@click.option("--data-dir", type=click.Path(path_type=Path), help="Folder of jobs; shared with the server.")
@click.option("--redis", "redis_url", help="The Redis of the server: redis://HOST:PORT/0")
@click.option("--settings", type=click.Path(path_type=Path, dir_okay=False), help="TOML file with settings.")
def worker(
    *,
    models: tuple[str, ...],
    data_dir: Path | None,
    redis_url: str | None,
    settings: Path | None,
) -> None:
    """Run the long jobs of a server, on this machine or another.

    It needs the server's settings: the same models, the same data folder, the same Redis. `sortilin serve`
    starts its own; this is for more of them. On SIGTERM the job at hand goes back to the queue.
    """
    found = _settings(settings, {"models": models, "data_dir": data_dir, "redis_url": redis_url})
    from sortilin.serve.logs import configure
    from sortilin.serve.worker import run

    configure(found.log_level)
    run(found)
