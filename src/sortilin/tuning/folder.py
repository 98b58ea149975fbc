"""The output folder of a search.

tune.yaml     the resolved search; `sortilin tune OUT/tune.yaml` makes the same trials
tuning.json   what shapes the trials, so that another search is refused here
journal.log   the trials, unless another storage is named
trials/       what the fit of each trial needs to go on after a kill, and its curves
split.json    what the split of the training rows came to, where it is not merely stratified
trials.tsv    trials that have ended
best.yaml     the experiment with the best options, for `sortilin train`
"""

from __future__ import annotations

import json
import tempfile
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sortilin.errors import ConfigError, OutputError
from sortilin.experiment.balance import Reached
from sortilin.experiment.config import ExperimentConfig, to_yaml
from sortilin.experiment.split_config import STRATIFIED
from sortilin.locks import FileLock
from sortilin.report import escape, open_output
from sortilin.training.config import CHECKPOINT
from sortilin.tuning import config
from sortilin.tuning import space as spaces
from sortilin.tuning.config import Tuning
from sortilin.tuning.storage import writing
from sortilin.tuning.study import Finished

RESOLVED, ORIGIN, JOURNAL, SPLIT = "tune.yaml", "tuning.json", "journal.log", "split.json"
TRIALS, TABLE, BEST = "trials", "trials.tsv", "best.yaml"
FORMAT_VERSION = 1

_LOCK = "lock"
_FREE = ("trials", "timeout_minutes")
"""Options that shape no trial, and may change."""


@dataclass(frozen=True, slots=True)
class Origin:
    """What a folder belongs to.

    Attributes:
        folder_id: A name of its own, which trials carry.
        study: Name of its study.
    """

    folder_id: str
    study: str


class Folder:
    """The output folder.

    Args:
        path: Its place.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lock = FileLock(path / _LOCK)
        self.trials = path / TRIALS

    def check(self) -> None:
        """Refuse a place that cannot be written, or holds something else; nothing is made.

        Raises:
            OutputError: It does.
        """
        if self.path.is_file():
            raise OutputError(f"{self.path} is a file; a search needs a folder of its own")
        names = {p.name for p in self.path.iterdir()} if self.path.is_dir() else set()
        begun = {_LOCK, RESOLVED, TRIALS}  # all that is there, where a start was cut short
        others = sorted(name for name in names - begun if not name.startswith("."))
        if others and ORIGIN not in names:
            raise OutputError(
                f"{self.path} holds something else ({', '.join(others[:3])}): choose another folder"
            )
        above = next(f for f in (self.path, *self.path.absolute().parents) if f.exists())
        with writing(self.path), tempfile.TemporaryDirectory(dir=above, prefix=".sortilin-"):
            pass

    def begin(self, tuning: Tuning, identity: Mapping[str, Any], *, study: str | None = None) -> Origin:
        """Make the folder, or go on in it; under its lock.

        Args:
            tuning: The search.
            identity: What shapes its trials.
            study: Name of its study; the folder's own where it is None.

        Raises:
            ConfigError: It belongs to another search; the message names what differs.
            OutputError: It cannot be written.
        """
        with writing(self.path):
            self.path.mkdir(parents=True, exist_ok=True)
            self.trials.mkdir(exist_ok=True)
        with writing(self.path), self.lock:
            origin = self._origin(identity)
            if origin is not None and study not in (None, origin.study):
                raise ConfigError(
                    f"{self.path} belongs to study '{origin.study}'; found --study '{study}': "
                    "choose another folder, or leave --study out"
                )
            self._replace(RESOLVED, config.to_yaml(tuning))
            if origin is None:
                origin = Origin(uuid.uuid4().hex, study or self.path.absolute().name or "sortilin")
                self._replace(ORIGIN, _json(origin, identity))
        return origin

    def _origin(self, identity: Mapping[str, Any]) -> Origin | None:
        path = self.path / ORIGIN
        if not path.exists():
            return None
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
            version, origin = found["format_version"], Origin(found["folder"], found["study"])
            there = found["identity"]
        except (ValueError, KeyError, TypeError):
            raise ConfigError(f"{path} is damaged: choose another folder") from None
        if version != FORMAT_VERSION:
            raise ConfigError(
                f"{path} has format version {version}, this version of sortilin reads {FORMAT_VERSION}: "
                "choose another folder"
            )
        refuse_other(there, identity, str(self.path))
        return origin

    def write(self, tuning: Tuning, trials: Sequence[Finished], best: Finished | None) -> None:
        """Replace the table and the best experiment; under the folder's lock.

        Raises:
            OutputError: They cannot be written.
        """
        self._replace(TABLE, table(trials, tuple(tuning.tune.space)))
        if best is not None:
            self._replace(BEST, best_yaml(tuning, best, len(trials)))

    def note_split(self, reached: Reached) -> None:
        """Write what the split of the training rows came to.

        Raises:
            OutputError: It cannot be written.
        """
        self._replace(SPLIT, json.dumps(reached.record(), indent=1) + "\n")

    def forget(self, number: int) -> None:
        """Remove the checkpoints of a trial that has ended; its curves stay."""
        with writing(self.trials):
            for path in (self.trials / str(number)).rglob(CHECKPOINT):
                path.unlink(missing_ok=True)

    def _replace(self, name: str, text: str) -> None:
        with open_output(self.path / name) as stream:
            stream.write(text.encode())


def _json(origin: Origin, identity: Mapping[str, Any]) -> str:
    content = {
        "format_version": FORMAT_VERSION,
        "folder": origin.folder_id,
        "study": origin.study,
        "identity": identity,
    }
    return json.dumps(content, indent=1) + "\n"


def identity(tuning: Tuning, fingerprint: str, of_rows: str = "") -> dict[str, Any]:
    """What shapes the trials of a search, as plain values.

    Args:
        tuning: The search.
        fingerprint: Of the sequences and labels that it sees; where they come from does not matter.
        of_rows: Of the clusters or marks that they are split by; empty where there are none.
    """
    experiment = tuning.experiment.model_dump(mode="json")
    tune = tuning.tune.model_dump(mode="json", by_alias=True)
    shaping = ("task", "features", "classifier", "seed", "holdout", "folds")
    return {
        "data": fingerprint,
        **{name: experiment[name] for name in shaping},
        **({} if tuning.experiment.split.kind == STRATIFIED else {"split": experiment["split"]}),
        **({"rows": of_rows} if of_rows else {}),
        # The order of the options is that of a grid.
        config.SECTION: {n: v for n, v in tune.items() if n not in _FREE} | {"order": list(tune["space"])},
    }


def refuse_other(there: Mapping[str, Any], now: Mapping[str, Any], where: str) -> None:
    """Refuse to mix trials of two searches.

    Raises:
        ConfigError: They differ; the message names in what.
    """
    old, new = dict(_flat(there)), dict(_flat(now))
    names = [name for name in {**old, **new} if old.get(name) != new.get(name)]
    if not names:
        return
    differences = [_difference(name, old, new) for name in names]
    raise ConfigError(
        f"{where} belongs to another search; {'; '.join(differences[:5])}"
        f"{'; …' if len(differences) > 5 else ''}: choose another place, or the same search "
        f"(only {' and '.join(f'{config.SECTION}.{name}' for name in _FREE)} may change)"
    )


def _difference(name: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    if name == "data":
        return "data: other sequences or labels"
    if name == "rows":
        return "rows: other clusters or marks"
    before, now = (json.dumps(side[name]) if name in side else "absent" for side in (old, new))
    return f"{name}: {before} there, {now} now"


def _flat(values: Mapping[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    """Dotted names and values; None counts as absent, a tuple as a list."""
    found: list[tuple[str, Any]] = []
    for name, value in values.items():
        if isinstance(value, Mapping):
            found += _flat(value, f"{prefix}{name}.")
        elif value is not None:
            found.append((f"{prefix}{name}", list(value) if isinstance(value, tuple) else value))
    return found


def table(trials: Sequence[Finished], paths: Sequence[str]) -> str:
    """Trials that have ended, a row each, tab-separated."""
    rows = [("number", "state", "value", "spread", "low", "high", "n", *paths, "seconds", "note")]
    for trial in trials:
        options = (_text(trial.options.get(path)) for path in paths)
        value = "" if trial.value is None else repr(trial.value)
        sure = (trial.spread, *(trial.interval or (None, None)), trial.n)
        figures = (value, *("" if one is None else repr(one) for one in sure))
        rows.append((str(trial.number), trial.state, *figures, *options, f"{trial.seconds:.1f}", trial.note))
    return "".join("\t".join(map(escape, row)) + "\n" for row in rows)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def best_yaml(tuning: Tuning, best: Finished, n_trials: int) -> str:
    """The experiment with the options of the best trial."""
    experiment = tuning.experiment
    classifier = spaces.configured(experiment.classifier, best.options)
    values = {**experiment.model_dump(), "classifier": classifier.model_dump()}
    head = (
        f"# The best of {n_trials} trials: number {best.number}, {tuning.tune.metric} {best.value:.4f} "
        f"in {_folds(tuning.tune.folds)} of the training rows.\n"
    )
    return head + to_yaml(ExperimentConfig.model_validate(values))


def _folds(n_folds: int) -> str:
    return "one split" if n_folds == 1 else f"{n_folds} folds"
