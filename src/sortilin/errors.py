"""Every error that sortilin raises on purpose.

    SortilinError                    a person can act on the message; front ends print it and stop
    ├── InputError                   what was read is not what it should be
    │   ├── FormatError              a file is not FASTA or a table, is empty, or is cut short
    │   │   └── NoRecordsError       a file is empty, or holds nothing but comments or a header line
    │   ├── ResidueError             a record holds a letter that is no residue, or no letter at all
    │   ├── NucleotideError          a file or a record is DNA or RNA
    │   ├── DuplicateIdError         two records share one id
    │   └── LabelError               a label is missing, unknown, or cannot be read
    ├── ConfigError                  a configuration file or an option holds a value that is not allowed
    │   └── UnknownNameError         no model, task, classifier, ... of that name
    ├── TrainingError                a training run diverged
    ├── ModelFolderError             a model folder is damaged, foreign, or written by a newer version
    ├── DatasetError                 a dataset is absent, cannot be fetched, or fails its checksum
    ├── BackboneError                a language model is absent, cannot be fetched, or its files are wrong
    ├── StoreError                   a store of vectors is damaged, foreign, or written by a newer version
    │   └── MissingVectorError       a store has no vector of a sequence
    ├── MissingDependencyError       an optional package is needed
    └── OutputError                  a result cannot be written

A message says what happened, where, what was found, and what is allowed.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from urllib.parse import quote

# Control characters and Unicode line separators break a line or a column, or steer a terminal.
_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")


class SortilinError(Exception):
    """Base of all errors whose message is written for the person at the keyboard."""


class InputError(SortilinError):
    """What was read is not what it should be."""


class FormatError(InputError):
    """A file is neither FASTA nor a table, is empty, or is cut short."""


class NoRecordsError(FormatError):
    """A file is empty, or holds nothing but blank lines, comments or a header line."""


class ResidueError(InputError):
    """A record holds a character that is no residue, or no residue at all."""


class NucleotideError(InputError):
    """A file or a record is DNA or RNA rather than protein."""


class DuplicateIdError(InputError):
    """Two records share one id."""


class LabelError(InputError):
    """A label is missing, unknown, or cannot be read."""


class ConfigError(SortilinError):
    """A configuration file or an option holds a value that is not allowed."""


class UnknownNameError(ConfigError):
    """There is no variant of that name; the message offers the nearest ones.

    Args:
        kind: What was looked for, as a person would call it ("model", "task").
        name: The name that was not found.
        choices: The names that exist.
    """

    def __init__(self, kind: str, name: str, choices: Iterable[str]) -> None:
        self.kind, self.name, self.choices = kind, name, tuple(sorted(choices))
        near = difflib.get_close_matches(name, self.choices, n=1)
        hint = f"; did you mean '{near[0]}'?" if near else ";"
        super().__init__(f"unknown {kind} '{name}'{hint} choose from: {', '.join(self.choices)}")


class TrainingError(SortilinError):
    """A training run diverged: its loss is no longer a number."""


class ModelFolderError(SortilinError):
    """A model folder is damaged, foreign, or written by a newer version."""


class DatasetError(SortilinError):
    """A dataset is absent, cannot be fetched, or fails its checksum."""


class StoreError(SortilinError):
    """A store of vectors is damaged, foreign, or written by a newer version."""


class MissingVectorError(StoreError):
    """A store has no vector of a sequence."""


class BackboneError(SortilinError):
    """A language model is absent, cannot be fetched, or its files are not what they should be."""


class MissingDependencyError(SortilinError):
    """An optional package is needed.

    Args:
        feature: What was asked for ("train", "Parquet output").
        package: The package that is missing, by its import name.
        extra: The extra of sortilin that brings it.
    """

    def __init__(self, feature: str, package: str, extra: str) -> None:
        self.package = package
        super().__init__(f"{feature} needs {package}: pip install 'sortilin[{extra}]'")


class OutputError(SortilinError):
    """A result cannot be written."""


def escape_controls(text: str) -> str:
    """Text from a file as it may stand in a message: all that could steer a terminal percent-escaped.

    Tab, line feed, escape and the other control characters become `%09`, `%0A`, `%1B`, ...; everything
    else, a percent sign too, stays as it is.
    """
    if text.isprintable():  # nearly always, and fast
        return text
    return _CONTROLS.sub(lambda match: quote(match[0], safe=""), text)
