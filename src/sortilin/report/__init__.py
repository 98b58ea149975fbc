"""Output formats: one file, one format, and what they share.

A file without an underscore is a format (`sortilin.interfaces.Format`), and its name is the name
that a person asks for. What the formats and the front ends share stands in the other files:

    _columns.py     column names and row values: the one place that all formats take them from
    _flags.py       flags and residue changes, in words
    _summary.py     a run's summary as JSON
    _output.py      files that appear complete or not at all
    _stream.py      the stream of such a file: SHA-256, byte count, compression
    _terminal.py    a table for a person at a terminal (imports rich)
    _html_page.py   the HTML page, for one or several sections (imports Jinja)
"""

from sortilin.report._columns import column_names, escape
from sortilin.report._flags import change_words, flag_words
from sortilin.report._output import (
    FlagLog,
    SkippedLog,
    check_outputs,
    format_for,
    meta_path,
    open_output,
    skipped_path,
    write_meta,
)
from sortilin.report._stream import OutputStream

__all__ = [
    "FlagLog",
    "OutputStream",
    "SkippedLog",
    "change_words",
    "check_outputs",
    "column_names",
    "escape",
    "flag_words",
    "format_for",
    "meta_path",
    "open_output",
    "skipped_path",
    "write_meta",
]
