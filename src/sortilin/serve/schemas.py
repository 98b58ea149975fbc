"""What the REST API takes and gives."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from sortilin.results import Prediction
from sortilin.serve.store import Job, State, Status


class _Given(BaseModel):
    model_config = ConfigDict(extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _is_known(cls, value: Any) -> Any:
        """Refuse the first unknown field; pydantic would list all of a hundred thousand."""
        if isinstance(value, dict):
            unknown = next((name for name in value if name not in cls.model_fields), None)
            if unknown is not None:
                raise ValueError(f"there is no field '{str(unknown)[:40]}'")
        return value


class SequenceIn(_Given):
    """One sequence."""

    id: str = Field(min_length=1, max_length=500, description="What the result calls it; no spaces.")
    sequence: str = Field(min_length=1, description="One-letter code of the residues.")

    @field_validator("id")
    @classmethod
    def _is_one_word(cls, value: str) -> str:
        if len(value.split()) != 1 or value.strip() != value:
            raise ValueError(f"an id holds no spaces, found '{value[:40]}'")
        return value

    @field_validator("sequence")
    @classmethod
    def _is_one_sequence(cls, value: str) -> str:
        if ">" in value:
            raise ValueError("a sequence holds no '>'; give FASTA as fasta")
        return value


class SubmissionIn(_Given):
    """Sequences, as FASTA text or as a list; one of the two."""

    fasta: str | None = Field(
        default=None, description="FASTA, or a table with a column `sequence`.", examples=[">p1\nMKTAYIAK"]
    )
    sequences: list[SequenceIn] | None = Field(default=None, min_length=1, fail_fast=True, examples=[None])
    model: str = Field(default="", max_length=200, description="Name of a model; the first one by default.")
    title: str = Field(default="", max_length=200, description="What you call the job.")
    skip_faulty: bool = Field(
        default=False, description="Leave out records that cannot be predicted, rather than refuse them all."
    )

    @model_validator(mode="after")
    def _is_one_of_two(self) -> SubmissionIn:
        if (self.fasta is None) == (self.sequences is None):
            raise ValueError("give fasta or sequences, one of the two")
        return self


class PredictionOut(BaseModel):
    """What a model says of one sequence."""

    position: int = Field(description="Place in the submission, from 1.")
    id: str
    length: int = Field(description="Residues.")
    prediction: str = Field(description="The most probable class; several are joined by |.")
    probability: float = Field(description="Calibrated; of several that of the most probable.")
    confidence: str = Field(description="High, Medium or Low.")
    probabilities: dict[str, float]
    answers: dict[str, float] = Field(description="Question of two classes → probability of yes.")
    spread: float | None = Field(
        default=None,
        description="Standard deviation of the probability over the members of the model; null where it has "
        "one opinion.",
    )
    disagreement: float | None = Field(
        default=None, description="Mutual information of class and member, in nats; null likewise."
    )
    flags: list[str]

    @classmethod
    def of(cls, position: int, p: Prediction) -> PredictionOut:
        """From a row of a result."""
        return cls(
            position=position,
            id=p.id,
            length=p.length,
            prediction=p.label,
            probability=p.probability,
            confidence=p.confidence,
            probabilities=dict(p.probabilities),
            answers=dict(p.answers),
            spread=p.spread,
            disagreement=p.disagreement,
            flags=list(p.flags),
        )


class SkippedOut(BaseModel):
    """A record that was left out."""

    record: int
    id: str
    reason: str


class JobOut(BaseModel):
    """A job and how far it is."""

    job: str = Field(description="Its private name: whoever knows it can see and delete the job.")
    status: Status
    model: str
    model_checksum: str
    classes: list[str]
    title: str
    n: int = Field(description="Sequences.")
    n_residues: int
    n_done: int
    message: str
    created: datetime
    finished: datetime | None
    expires: datetime = Field(description="When the job and its sequences are deleted.")
    warnings: list[str]
    skipped: list[SkippedOut] = Field(description="The first records that were left out.")
    links: dict[str, str]
    predictions: list[PredictionOut] | None = Field(
        default=None, description="All rows, where the job was small enough to be answered at once."
    )


class PageOut(BaseModel):
    """Rows of a result."""

    n: int = Field(description="Rows that the query finds in all.")
    offset: int
    predictions: list[PredictionOut]


class ModelOut(BaseModel):
    """A model that is offered."""

    name: str
    task: str
    title: str
    classes: list[str]
    checksum: str
    version: str
    trained_on: str
    lengths: list[int] = Field(description="Shortest and longest training sequence.")
    measured: str = Field(description="Metric, mean ± spread over folds, and n; empty where not known.")
    citation: str
    limits: list[str]
    not_for: list[str]


class LimitsOut(BaseModel):
    """What one job and one client may ask for."""

    max_upload: int = Field(description="Bytes of a request.")
    max_sequences: int
    max_residues: int
    max_length: int = Field(description="Residues of one sequence.")
    small_sequences: int = Field(description="Up to so many are answered at once, and")
    small_residues: int = Field(description="up to so many residues.")
    max_active_jobs: int
    requests_per_minute: int
    keep_hours: float


class HealthOut(BaseModel):
    """Whether the server can work."""

    status: Literal["ok", "degraded"]
    queue: Literal["up", "down"]
    waiting: int
    running: int
    version: str


class FaultOut(BaseModel):
    """Why a request was refused."""

    code: int
    message: str


class ErrorOut(BaseModel):
    """An error."""

    error: FaultOut


def moment(seconds: float) -> datetime:
    """Seconds since 1970 as a time with its zone."""
    return datetime.fromtimestamp(seconds, UTC)


def job_out(job: Job, state: State, base: str, rows: list[PredictionOut] | None = None) -> JobOut:
    """A job as the API shows it.

    Args:
        job: What was asked for.
        state: How far it is.
        base: Address of the server, without a slash at the end.
        rows: All rows, if they are to be in it.
    """
    api = f"{base}/api/v1/jobs/{job.name}"
    return JobOut(
        job=job.name,
        status=state.status,
        model=job.model,
        model_checksum=job.checksum,
        classes=list(job.classes),
        title=job.title,
        n=job.n,
        n_residues=job.n_residues,
        n_done=state.n_done,
        message=state.message,
        created=moment(job.created),
        finished=None if state.finished is None else moment(state.finished),
        expires=moment(job.expires),
        warnings=list(job.warnings),
        skipped=[SkippedOut(**s) for s in job.skipped],
        links={
            "self": api,
            "predictions": f"{api}/predictions",
            "download": f"{api}/download",
            "page": f"{base}/jobs/{job.name}",
        },
        predictions=rows,
    )
