"""Parquet: the columns of the table, typed; the run's summary in the file's metadata.

`id`, `prediction` and `confidence` are strings, `length` int32, probabilities float32, `flags` a list
of strings; optional columns are float32, or a list of strings. The metadata key `sortilin.summary` holds the
JSON of `OUT.meta.json`, `sortilin.title` the title. Needs pyarrow: `pip install 'sortilin[parquet]'`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, BinaryIO

from sortilin.errors import MissingDependencyError
from sortilin.report._columns import FLAGS, NAMES, ONE_NAME, probability_columns, rows
from sortilin.report._summary import summary_record, to_json
from sortilin.results import Prediction, RunSummary

ROWS_PER_GROUP = 32_768
"""Rows held in memory before they are written; fixed, so that the batch size does not show in the file."""


class ParquetFormat:
    """Typed columns, for large tables.

    Args:
        stream: A binary file.
        classes: Class names, in order.
        title: What the table is of.
        extra: Optional columns.
        precise: Keep numbers in double precision, from which any format can be written again.

    Raises:
        MissingDependencyError: pyarrow is not installed.
    """

    endings = (".parquet",)

    def __init__(
        self,
        stream: BinaryIO,
        *,
        classes: Sequence[str],
        title: str,
        extra: Sequence[str] = (),
        precise: bool = False,
    ) -> None:
        try:
            import pyarrow.parquet
        except ImportError as error:
            raise MissingDependencyError("Parquet output", "pyarrow", "parquet") from error
        self._arrow: Any = pyarrow
        self._classes, self._extra = tuple(classes), tuple(extra)
        self._score: Any = pyarrow.float64() if precise else pyarrow.float32()
        self._schema = self._make_schema().with_metadata({"sortilin.title": title})
        self._writer: Any = pyarrow.parquet.ParquetWriter(stream, self._schema, compression="zstd")
        self._pending: list[Prediction] = []

    def _make_schema(self) -> Any:
        text, score = self._arrow.string(), self._score
        columns = [("id", text), ("length", self._arrow.int32()), ("prediction", text)]
        columns += [("probability", score), ("confidence", text)]
        columns += [(name, score) for name in probability_columns(self._classes)]
        names = self._arrow.list_(text)
        kinds = dict.fromkeys(NAMES, names) | dict.fromkeys(ONE_NAME, text)
        columns += [(name, kinds.get(name, score)) for name in self._extra]
        return self._arrow.schema([*columns, (FLAGS, names)])

    def write(self, predictions: Sequence[Prediction]) -> None:
        """Append rows, in order; they leave in groups of `ROWS_PER_GROUP`."""
        self._pending.extend(predictions)
        while len(self._pending) >= ROWS_PER_GROUP:
            self._write_group(self._pending[:ROWS_PER_GROUP])
            del self._pending[:ROWS_PER_GROUP]

    def _write_group(self, predictions: Sequence[Prediction]) -> None:
        columns = list(zip(*rows(predictions, self._classes, self._extra), strict=True))
        *leading, probabilities, flags, extra = columns
        values = [*leading, *zip(*probabilities, strict=True), *zip(*extra, strict=True), flags]
        arrays = [
            self._arrow.array(column, type=field.type)
            for column, field in zip(values, self._schema, strict=True)
        ]
        table = self._arrow.Table.from_arrays(arrays, schema=self._schema)
        self._writer.write_table(table, row_group_size=ROWS_PER_GROUP)

    def finish(self, summary: RunSummary) -> None:
        """Write the last rows, the summary and the footer."""
        self._writer.add_key_value_metadata({"sortilin.summary": to_json(summary_record(summary))})
        self.close()

    def close(self) -> None:
        """Write the last rows and the footer, without a summary."""
        if self._pending:
            self._write_group(self._pending)
        self._writer.close()


VARIANT = ParquetFormat
