"""What can be set of the server: defaults < file < environment < command line.

Environment variables begin with `SORTILIN_SERVE_`: `SORTILIN_SERVE_MAX_SEQUENCES=5000`. The file is TOML, at
`SORTILIN_SERVE_SETTINGS` or `--settings`.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import platformdirs
from pydantic import ByteSize, Field, NonNegativeInt, PositiveFloat, PositiveInt, ValidationError
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from sortilin.component import explain
from sortilin.errors import ConfigError

PREFIX = "SORTILIN_SERVE_"
FILE = f"{PREFIX}SETTINGS"


class Settings(BaseSettings):
    """Options of the server; all have defaults.

    Attributes:
        data_dir: Where jobs and, without Redis, the queue are kept.
        host: Address that is listened on.
        port: Its port.
        root_path: Path under which a reverse proxy shows the server, such as "/sortilin".
        trusted_proxies: Addresses whose X-Forwarded-For and X-Forwarded-Proto are believed.
        models: Bundled names or model folders that are offered, the first one first.
        redis_url: A Redis that several machines share as their queue; None for SQLite in `data_dir`.
        workers: Processes that `sortilin serve` starts for queued jobs; 0 where others are started elsewhere.
        threads: Cores that short requests may use.
        max_upload: Bytes of a request.
        max_decompressed: Bytes of an upload, decompressed.
        max_sequences: Sequences a job.
        max_residues: Residues a job, all sequences together.
        max_length: Residues of one sequence.
        small_sequences: A job of at most so many sequences, and
        small_residues: of at most so many residues, is answered at once.
        max_active_jobs: Jobs of one client that wait or run at a time.
        max_waiting: Jobs that wait in all; more are refused until some are done.
        requests_per_minute: Submissions of one client.
        keep_hours: How long a job is kept.
        body_timeout_s: Seconds that a request's body may take.
        header_timeout_s: Seconds that a request's head may take.
        operator: Who runs the server, as the page says it.
        contact: How to reach them: a link or an address.
        log_level: debug, info, warning or error.
    """

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="forbid")

    data_dir: Path = Field(default_factory=lambda: Path(platformdirs.user_data_dir("sortilin")) / "serve")
    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=0, le=65_535)
    root_path: str = ""
    trusted_proxies: tuple[str, ...] = ()
    models: tuple[str, ...] = Field(default=("localization", "anticancer"), min_length=1)
    redis_url: str | None = None
    workers: NonNegativeInt = 1
    threads: PositiveInt = 2
    max_upload: ByteSize = ByteSize(20 * 2**20)
    max_decompressed: ByteSize = ByteSize(100 * 2**20)
    max_sequences: PositiveInt = 50_000
    max_residues: PositiveInt = 25_000_000
    max_length: PositiveInt = 40_000
    small_sequences: PositiveInt = 50
    small_residues: PositiveInt = 50_000
    max_active_jobs: PositiveInt = 5
    max_waiting: PositiveInt = 500
    requests_per_minute: PositiveInt = 120
    keep_hours: PositiveFloat = 168.0
    body_timeout_s: PositiveFloat = 60.0
    header_timeout_s: PositiveFloat = 20.0
    operator: str = ""
    contact: str = ""
    log_level: str = Field(default="info", pattern="^(debug|info|warning|error)$")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the name is pydantic's
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - likewise
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Command line, then environment, then the file."""
        path = os.environ.get(FILE)
        file = (TomlConfigSettingsSource(settings_cls, Path(path)),) if path else ()
        return (init_settings, env_settings, *file)

    @property
    def jobs_dir(self) -> Path:
        """Where jobs are kept."""
        return self.data_dir / "jobs"

    @property
    def queue_path(self) -> Path:
        """The SQLite file of the queue, where there is no Redis."""
        return self.data_dir / "queue.db"


def load(**given: Any) -> Settings:
    """The settings of this process.

    Args:
        given: What the command line says; None says nothing.

    Raises:
        ConfigError: A value is not allowed, a name is unknown, or the file cannot be read.
    """
    path = os.environ.get(FILE)
    if path and not Path(path).is_file():
        raise ConfigError(f"{FILE}={path}: there is no such file")
    try:
        return Settings(**{name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        raise ConfigError(f"settings of the server: {explain(error)}") from None
    except ValueError as error:  # TOML that is none
        raise ConfigError(f"{path or 'settings'}: {error}") from None


def as_environment(settings: Settings) -> dict[str, str]:
    """Environment variables that give another process the same settings."""
    values = settings.model_dump(mode="json")
    return {f"{PREFIX}{name.upper()}": _plain(value) for name, value in values.items() if value is not None}


def _plain(value: Any) -> str:
    import json

    return json.dumps(value) if isinstance(value, list) else str(value)
