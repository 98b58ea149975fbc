"""`sortilin embed`."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sortilin.cli import _console
from sortilin.cli._scaled import Scaled, check_folder, run_in_parts, scale_options

if TYPE_CHECKING:
    from sortilin.embedding import Embedder, EmbeddingConfig
    from sortilin.report import FlagLog, SkippedLog
    from sortilin.sequences import ReadReport, SequenceRecord
    from sortilin.vectors import VectorRow

_MAX_SHOWN = 10


@click.command(
    epilog="""\b
Examples:
  sortilin embed proteins.fasta -o vectors.h5
  sortilin embed proteins.fasta --backbone prott5 --pooling none --half -o residues.h5
  sortilin embed long.fasta --length-policy windows:1000,200 -o vectors.parquet
  sortilin embed peptides.csv --precision bfloat16 --no-store -o vectors.npz
  sortilin embed shards --engine ray --backbone esm2_t33 -o out       then: sortilin merge out -o out.h5
  sortilin embed proteins.fasta --backbone /models/my_esm2 --offline -o vectors.h5
"""
)
@click.argument("source")
@click.option(
    "--output", "-o", required=True, help="File to write; .h5, .npz or .parquet, its ending tells which."
)
@click.option(
    "--backbone",
    "-b",
    default="esm2_t6",
    show_default=True,
    help="A language model: a name of `sortilin backbones list`, a hub id or a folder.",
)
@click.option(
    "--pooling",
    type=click.Choice(["mean", "max", "cls", "none"]),
    default="mean",
    show_default=True,
    help="Mean or maximum over residues, the model's summary token, or one vector a residue.",
)
@click.option(
    "--layer",
    type=click.IntRange(min=-1),
    default=-1,
    show_default=True,
    help="Hidden state: -1 is the last, 0 the embedding.",
)
@click.option(
    "--length-policy",
    default="whole",
    show_default=True,
    help="whole, head-tail[:FIRST,LAST] or windows[:SIZE,OVERLAP].",
)
@click.option(
    "--precision",
    type=click.Choice(["float32", "bfloat16"]),
    default="float32",
    show_default=True,
    help="What is computed in.",
)
@click.option("--half", is_flag=True, help="Store and write vectors as float16: half the room.")
@click.option(
    "--runtime",
    type=click.Choice(["auto", "torch", "openvino", "onnxruntime"]),
    default="auto",
    show_default=True,
    help="What computes; auto takes the fastest that is there.",
)
@click.option(
    "--store",
    "store_path",
    type=click.Path(path_type=Path),
    help="Folder of the store of vectors.  [default: SORTILIN_STORE, or the user's cache]",
)
@click.option("--no-store", is_flag=True, help="Neither take vectors from the store nor keep any.")
@click.option("--offline", is_flag=True, help="Never connect; the backbone must be on this machine.")
@click.option(
    "--on-error",
    type=click.Choice(["fail", "skip"]),
    default="fail",
    show_default=True,
    help="Stop at a faulty record, or leave it out and list it.",
)
@click.option(
    "--threads", type=click.IntRange(min=1), default=None, show_default="all cores", help="Cores to use."
)
@scale_options
@click.option("--quiet", "-q", is_flag=True, help="No progress and no notes; errors only.")
def embed(source: str, *, output: str, on_error: str, quiet: bool, **options: Any) -> None:
    """Compute a vector of each sequence in SOURCE with a protein language model.

    SOURCE is FASTA, or a CSV or TSV table with a column "sequence", plain or compressed (.gz, .bz2,
    .xz, .zst); '-' is standard input. Each distinct sequence is computed once and kept in the store, so
    that a run which is stopped goes on where it was.

    With --engine ray or --shard, SOURCE may also be a folder, a quoted pattern of names, Parquet, or an
    address as s3://bucket/shards; the output is a folder of parts, the store is used only where --store
    names it, and the same command goes on where it was stopped (see docs/scale.md).

    A sequence that is too long for the model or for memory gets no vector. The others are written; it is
    listed in OUT.skipped.tsv, and the exit code is 1, or 0 with --on-error skip. What the length policy
    did to a sequence stands in OUT.flags.tsv.
    """
    from sortilin.report import check_outputs

    scaled = Scaled.take(options)
    store_path, no_store = options.pop("store_path"), options.pop("no_store")
    if no_store and store_path is not None:
        raise click.UsageError("--no-store and --store exclude each other")
    options["engine"] = options.pop("runtime")
    if scaled.is_in_parts:
        _in_parts(source, output, scaled, options, store_path, on_error=on_error, quiet=quiet)
        return
    check_ending(Path(output))
    check_outputs(output, source=source)
    embedder = _embedder(options, store_path, has_store=not no_store, quiet=quiet)
    _Run(embedder, source, on_error, has_store=not no_store, quiet=quiet).to_file(Path(output))


def _in_parts(
    source: str,
    output: str,
    scaled: Scaled,
    options: dict[str, Any],
    store_path: Path | None,
    *,
    on_error: Any,
    quiet: bool,
) -> None:
    from sortilin.scale.embedding import EmbedJob
    from sortilin.vectors.exchange import WRITERS

    folder = check_folder(output, tuple(WRITERS))
    offline, threads = options.pop("offline") or None, options.pop("threads")
    if scaled.share is None:
        threads = threads or 1  # there are several workers
    options["store_dtype"] = "float16" if options.pop("half") else "float32"
    store = None if store_path is None else str(store_path)
    job = EmbedJob(_config(options), on_error, threads, offline, store)
    run_in_parts(job, source, folder, scaled, cores=threads, quiet=quiet)


def check_ending(path: Path) -> None:
    """Refuse what is no name of a file of vectors, before anything is fetched.

    Raises:
        OutputError: It is a folder, or its ending chooses no format.
    """
    from sortilin.errors import OutputError
    from sortilin.vectors.exchange import WRITERS

    if path.is_dir():
        raise OutputError(f"{path}: is a folder; give a file name, such as {path / 'vectors.h5'}")
    if path.suffix.lower() not in WRITERS:
        raise OutputError(
            f"{path}: vectors are written to {', '.join(WRITERS)} files; the ending tells which"
        )


def _embedder(options: dict[str, Any], store_path: Path | None, *, has_store: bool, quiet: bool) -> Embedder:
    from sortilin.embedding import Embedder
    from sortilin.vectors import Store

    offline, threads = options.pop("offline") or None, options.pop("threads")
    options["store_dtype"] = "float16" if options.pop("half") else "float32"
    config = _config(options)
    with _console.progress(quiet=quiet) as on_progress:
        return Embedder.of(
            config,
            store=Store(store_path) if has_store else None,
            offline=offline,
            threads=threads,
            on_progress=on_progress,
        )


def _config(options: dict[str, Any]) -> EmbeddingConfig:
    from pydantic import ValidationError

    from sortilin.component import explain
    from sortilin.embedding import EmbeddingConfig
    from sortilin.errors import ConfigError

    try:
        return EmbeddingConfig(**options)
    except ValidationError as error:
        raise ConfigError(explain(error)) from None


class _Run:
    """One run over one source: reading, computing, counting, and where the rows go."""

    def __init__(
        self, embedder: Embedder, source: str, on_error: str, *, has_store: bool, quiet: bool
    ) -> None:
        from sortilin.sequences import ReadReport

        self.embedder, self.source, self.on_error = embedder, source, on_error
        self.has_store, self.quiet = has_store, quiet
        self.reading: ReadReport = ReadReport()
        self.failed: dict[str, str] = {}
        self._numbers: deque[int] = deque()

    def to_file(self, path: Path) -> None:
        from sortilin.embedding import NotEmbeddedError
        from sortilin.report import FlagLog, SkippedLog
        from sortilin.vectors.exchange import write_vectors

        with ExitStack() as stack:
            log = stack.enter_context(SkippedLog(path))
            flags = stack.enter_context(FlagLog(path))
            self.reading.on_skip = lambda skipped: log.add(skipped.record, skipped.id, skipped.reason)
            rows = self._rows(log, flags)
            try:
                n_rows = write_vectors(path, rows, description=self.embedder.description())
            except NotEmbeddedError:  # no sequence has a vector: the list is all there is to write
                n_rows = 0
        self._tell(path, n_rows)
        if self.failed and self.on_error == "fail":
            raise NotEmbeddedError(self.failed, self.embedder.report.n_sequences)

    def _rows(self, log: SkippedLog, flags: FlagLog) -> Iterator[VectorRow]:
        from sortilin.embedding import NotEmbeddedError
        from sortilin.vectors import VectorRow

        def leave_out(record: SequenceRecord, reason: str) -> None:
            self.failed[record.id] = reason
            log.add(self._numbers.popleft(), record.id, reason)

        n_rows = 0
        with _console.progress(quiet=self.quiet) as on_progress:
            for record, vector in self.embedder.embed_stream(
                self._records(), on_failure=leave_out, on_progress=on_progress
            ):
                self._numbers.popleft()
                n_rows += 1
                if flag := self.embedder.flag(record.sequence):
                    flags.add(record.id, len(record.sequence), flag)
                yield VectorRow(record.id, record.sequence, vector)
        if not n_rows:
            raise NotEmbeddedError(self.failed, len(self.failed))

    def _records(self) -> Iterator[SequenceRecord]:
        from sortilin.sequences import read_sequences

        for record in read_sequences(self.source, on_error=self.on_error, report=self.reading):  # type: ignore[arg-type]
            self._numbers.append(self.reading.n_records)
            yield record

    def _tell(self, path: Path, n_rows: int) -> None:
        """What was done, and what changes the meaning of a vector."""
        report = self.embedder.report
        if not self.quiet and n_rows:
            known = "equal to an earlier one"
            if self.has_store:
                known = f"from the store or {known}" if report.n_computed else "from the store"
            speed = f", {report.n_residues / report.seconds:,.0f} residues/s" if report.n_computed else ""
            engine = f" with {report.engine} in {self.embedder.config.precision}" if report.engine else ""
            _console.note(
                f"{path}: {n_rows:,} vectors of {self.embedder.width:,} numbers from "
                f"{self.embedder.checkpoint.name}; {report.n_computed:,} computed{engine}{speed}, "
                f"{report.n_known:,} {known}"
            )
        if not self.quiet:
            for warning in [*report.warnings, *self.reading.warnings]:
                _console.warn(warning)
        self._tell_left_out(path, n_rows)

    def _tell_left_out(self, path: Path, n_rows: int) -> None:
        from sortilin.report import escape

        if self.failed:
            n_all = self.embedder.report.n_sequences
            is_none = "" if n_rows else f"; {path} is not written"
            _console.warn(f"no vector: {len(self.failed):,} of {n_all:,} sequences{is_none}")
        if self.quiet:
            return
        reasons = [(skipped.id, skipped.reason) for skipped in self.reading.skipped]
        reasons += list(self.failed.items())
        for record_id, reason in reasons[:_MAX_SHOWN]:
            _console.note(f"  {escape(record_id)}: {reason}")
        if len(reasons) > _MAX_SHOWN:
            _console.note(f"  and {len(reasons) - _MAX_SHOWN:,} more, see {path}.skipped.tsv")
