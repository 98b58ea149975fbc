"""Structured logs: one JSON object a line on standard error, without ids, sequences or addresses."""

from __future__ import annotations

import logging
import sys

import structlog
import structlog.typing

_SHARED: tuple[structlog.typing.Processor, ...] = (
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
)

log: structlog.stdlib.BoundLogger = structlog.wrap_logger(
    logging.getLogger("sortilin.serve"),
    processors=[
        structlog.stdlib.filter_by_level,
        *_SHARED,
        structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
    ],
    wrapper_class=structlog.stdlib.BoundLogger,
)
"""Goes where `logging` is told to; nowhere, for events below a warning, where it is told nothing."""


def configure(level: str) -> None:
    """Set up the logs of this process, those of uvicorn and Huey among them."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=_SHARED,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name in ("uvicorn", "uvicorn.error", "huey"):
        logging.getLogger(name).handlers.clear()
        logging.getLogger(name).propagate = True
    for name in ("uvicorn.access", "huey", "huey.consumer"):  # their lines hold private links; ours do not
        logging.getLogger(name).setLevel("WARNING")
