"""A client of a sortilin server.

>>> from sortilin import Client
>>> client = Client("http://127.0.0.1:8000")  # doctest: +SKIP
>>> for prediction in client.predict({"p1": "MKTAYIAKQRQISFVKSHFSRQ"}):  # doctest: +SKIP
...     print(prediction.id, prediction.label, prediction.probability)
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import requests

from sortilin.errors import SortilinError
from sortilin.results import Prediction

Format = Literal["tsv", "jsonl", "parquet", "fasta", "methods"]

_PAGE = 1_000
_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.2, 5.0


class ServerError(SortilinError):
    """A server refuses, or cannot be reached.

    Args:
        message: Why.
        status: HTTP status; None where there was no answer.
        retry_after_s: When it may be tried again, where the server says so.
    """

    def __init__(self, message: str, status: int | None = None, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.status, self.retry_after_s = status, retry_after_s


@dataclass(frozen=True, slots=True)
class JobStatus:
    """A job on a server.

    Attributes:
        name: Its private name; whoever knows it can see and delete the job.
        status: waiting, running, done or failed.
        n: Sequences.
        n_done: Sequences predicted so far.
        message: What the server says of it.
        page: Address of its page.
        expires: When it is deleted, ISO 8601.
    """

    name: str
    status: str
    n: int
    n_done: int
    message: str
    page: str
    expires: str


class Client:
    """Talks to one server.

    Args:
        address: Such as "http://127.0.0.1:8000".
        timeout_s: Seconds that one request may take.
    """

    def __init__(self, address: str, *, timeout_s: float = 60.0) -> None:
        self.address, self.timeout_s = address.rstrip("/"), timeout_s
        self._session = requests.Session()

    def predict(
        self,
        sequences: Mapping[str, str] | str,
        *,
        model: str = "",
        on_progress: Callable[[str, int, int], None] | None = None,
    ) -> list[Prediction]:
        """Submit, wait, and read the result.

        Args:
            sequences: Id → sequence, or FASTA text.
            model: Name of a model; the server's first one by default.
            on_progress: Called as (status, done, total).

        Raises:
            ServerError: The server refuses, the job fails, or nobody answers.
        """
        job = self.submit(sequences, model=model)
        self.wait(job.name, on_progress=on_progress)
        return list(self.predictions(job.name))

    def submit(
        self,
        sequences: Mapping[str, str] | str,
        *,
        model: str = "",
        title: str = "",
        skip_faulty: bool = False,
    ) -> JobStatus:
        """Submit sequences.

        Raises:
            ServerError: The server refuses them, or nobody answers.
        """
        if isinstance(sequences, str):
            given: dict[str, Any] = {"fasta": sequences}
        else:
            given = {"sequences": [{"id": i, "sequence": s} for i, s in sequences.items()]}
        body = {**given, "model": model, "title": title, "skip_faulty": skip_faulty}
        return _job(self._ask("POST", "/jobs", json=body).json())

    def submit_file(
        self, path: str | Path, *, model: str = "", title: str = "", skip_faulty: bool = False
    ) -> JobStatus:
        """Submit a file: FASTA or a table, plain or compressed.

        Raises:
            ServerError: The server refuses it, or nobody answers.
            OSError: It cannot be read.
        """
        form = {"model": model, "title": title, "skip_faulty": str(skip_faulty).lower()}
        with Path(path).open("rb") as stream:
            answer = self._ask("POST", "/jobs/file", data=form, files={"file": (Path(path).name, stream)})
        return _job(answer.json())

    def status(self, name: str) -> JobStatus:
        """How far a job is.

        Raises:
            ServerError: There is no such job, or nobody answers.
        """
        return _job(self._ask("GET", f"/jobs/{name}").json())

    def wait(
        self,
        name: str,
        *,
        timeout_s: float | None = None,
        on_progress: Callable[[str, int, int], None] | None = None,
    ) -> JobStatus:
        """Wait until a job is done.

        Args:
            name: The job.
            timeout_s: At most so long; None for as long as it takes.
            on_progress: Called as (status, done, total).

        Raises:
            ServerError: It failed, or is not done in time; it goes on.
        """
        ends = None if timeout_s is None else time.monotonic() + timeout_s
        wait_s = _FIRST_WAIT_S
        while True:
            job = self.status(name)
            if on_progress is not None:
                on_progress(job.status, job.n_done, job.n)
            if job.status == "done":
                return job
            if job.status == "failed":
                raise ServerError(f"job {name} failed: {job.message}")
            if ends is not None and time.monotonic() + wait_s > ends:
                raise ServerError(
                    f"job {name} is {job.status} after {timeout_s:g} seconds; it goes on: {job.page}"
                )
            time.sleep(wait_s)
            wait_s = min(1.5 * wait_s, _LONGEST_WAIT_S)

    def predictions(self, name: str) -> Iterator[Prediction]:
        """The rows of a finished job, in order, a page at a time.

        Raises:
            ServerError: It is not finished, or there is no such job.
        """
        offset = 0
        while True:
            page = self._ask(
                "GET", f"/jobs/{name}/predictions", params={"offset": offset, "limit": _PAGE}
            ).json()
            for row in page["predictions"]:
                yield Prediction(
                    row["id"],
                    row["length"],
                    row["prediction"],
                    row["probabilities"],
                    tuple(row["flags"]),
                    row["answers"],
                    spread=row.get("spread"),  # servers of older versions do not say
                    disagreement=row.get("disagreement"),
                )
            offset += len(page["predictions"])
            if offset >= page["n"] or not page["predictions"]:
                return

    def download(self, name: str, path: str | Path, *, format: Format = "tsv", prediction: str = "") -> Path:  # noqa: A002
        """Write a result to a file.

        Args:
            name: The job.
            path: The file to write.
            format: tsv, jsonl, parquet, fasta or methods.
            prediction: FASTA of this class only.

        Raises:
            ServerError: It is not finished, or there is no such job.
            OutputError: The file cannot be written.
        """
        from sortilin import files

        asked = {"format": format, "prediction": prediction}
        answer = self._ask("GET", f"/jobs/{name}/download", params=asked)
        files.replace(Path(path), answer.content)
        return Path(path)

    def delete(self, name: str) -> None:
        """Delete a job with its sequences.

        Raises:
            ServerError: There is no such job.
        """
        self._ask("DELETE", f"/jobs/{name}")

    def models(self) -> list[dict[str, Any]]:
        """What the server offers."""
        found: list[dict[str, Any]] = self._ask("GET", "/models").json()
        return found

    def limits(self) -> dict[str, Any]:
        """What one job and one client may ask for."""
        found: dict[str, Any] = self._ask("GET", "/limits").json()
        return found

    def health(self) -> dict[str, Any]:
        """Whether the server can work."""
        found: dict[str, Any] = self._ask("GET", "/health").json()
        return found

    def _ask(self, method: str, path: str, **options: Any) -> requests.Response:
        address = f"{self.address}/api/v1{path}"
        try:
            answer = self._session.request(method, address, timeout=self.timeout_s, **options)
        except requests.RequestException as error:
            raise ServerError(f"{self.address} cannot be reached: {error}") from None
        if answer.ok:
            return answer
        try:
            message = answer.json()["error"]["message"]
        except (ValueError, KeyError, TypeError):
            message = answer.reason
        wait = answer.headers.get("Retry-After", "")
        raise ServerError(
            f"{self.address} answers {answer.status_code}: {message}",
            answer.status_code,
            float(wait) if wait.isdigit() else None,
        )


def _job(content: Mapping[str, Any]) -> JobStatus:
    return JobStatus(
        content["job"],
        content["status"],
        content["n"],
        content["n_done"],
        content["message"],
        content["links"]["page"],
        content["expires"],
    )
