"""What the classifiers share that the training loop fits: rows set aside, early stopping, what is on record.

A stratified share of the rows is set aside; on it the training stops early, and it then calibrates. Several
members learn from the same rows and stop on the same others, each with a seed of its own.

Axis letters: N rows, C classes, S scores, K members, M dropout masks.
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from sortilin.errors import ConfigError, LabelError
from sortilin.evaluation import metrics, multilabel
from sortilin.evaluation.calibration import softmax
from sortilin.interfaces import NOBODY, DoubleArray, Inputs, IntArray, Watch
from sortilin.seeding import child_seed
from sortilin.sequences import dealing, stratification

if TYPE_CHECKING:
    from sortilin.classifiers._members import Masks
    from sortilin.training.loop import Fit

_OF_SEVERAL = ("macro_f1", "exact_match", "macro_mcc", "roc_auc")
METRICS = ("macro_f1", "accuracy", "mcc", "roc_auc")
"""What is watched on the rows set aside, beside the loss."""

TO_THE_END = {"patience": None}
"""Options of a training without rows set aside: nothing could say when to stop."""


MOST_MEMBERS, MOST_SAMPLES = 100, 1_000
"""Bounds of `members` and `dropout_samples`; a graph grows with their product."""

OPINIONS = {"members", "dropout_samples"}
"""Options that shape no single training."""

MASKS = "masks."
"""Stands before the name of a dropout layer, in the names of arrays."""


class Trained(ABC):
    """A classifier that the training loop fits.

    Attributes:
        config: With `validation`, the share that is set aside (0: none, all epochs are run, and the figures
            of each are of the rows that it learns from), `training`, `head`, `members` and
            `dropout_samples`.
        chosen: Epochs, the best of them, and its value of the metric; of several members, those of the
            first, and the best epochs of all.
        history: One record an epoch; of several members, those of the first.
        seconds: Time of the fit.
    """

    several: ClassVar[bool] = True
    """Takes (N, C) targets of 0 and 1 as well, one output a class."""

    def __init__(self, config: Any) -> None:
        self.config = config
        self.chosen: Mapping[str, Any] = {}
        self.history: tuple[Mapping[str, float], ...] = ()
        self.seconds = 0.0
        self._aside: tuple[DoubleArray, IntArray] | None = None
        self._network: Any = None  # of the first member
        self._others: list[Any] = []  # of the other members
        self._masks: list[Masks] = []  # of each member, where dropout is sampled

    @abstractmethod
    def _rows(self, x: Inputs) -> NDArray[Any]:
        """Inputs as examples are made of them."""

    @abstractmethod
    def _network_for(self, rows: NDArray[Any], n_classes: int, seed: int) -> Any:
        """A network with fresh weights for the rows that are learned from."""

    @abstractmethod
    def _examples(self, rows: NDArray[Any], y: IntArray, *, to_learn: bool) -> Any:
        """Rows and classes for the loop; see `training.loop.Examples`."""

    @abstractmethod
    def _digest(self, rows: NDArray[Any]) -> bytes:
        """Equal rows, equal bytes."""

    @abstractmethod
    def _probes(self) -> list[tuple[Any, ...]]:
        """Arguments of what is exported of the network, of the sizes of `_members.PROBES`."""

    @abstractmethod
    def _graph_of(self, part: Any) -> bytes:
        """The graph of what is exported of a network."""

    @abstractmethod
    def scores(self, x: Inputs) -> DoubleArray:
        """N inputs → (N, C) logits, or (N, 1) with two classes; of several members as `_members.Mean`."""

    def _exported_of(self, network: Any) -> Any:
        """What of a network the graph holds: all of it, unless a part is computed before."""
        return network

    def _weights_of(self, network: Any) -> Mapping[str, Any]:
        """Name → what was trained of a network and belongs into the model folder's arrays."""
        weights: Mapping[str, Any] = network.state_dict()
        return weights

    def fit(self, x: Inputs, y: IntArray, *, n_classes: int, seed: int, watch: Watch = NOBODY) -> None:
        """Train on all rows but those set aside; see `interfaces.Classifier`.

        Raises:
            ConfigError: Members of rows that may have several classes are asked for.
            LabelError: A class has too few members to be set aside from.
        """
        if y.ndim > 1 and self.opinions():
            raise ConfigError(
                f"members is {self.config.members} and dropout_samples {self.config.dropout_samples}: their "
                "mean is of one class a sequence, and here one may have several; leave both out"
            )
        from sortilin.training import launched

        # Where this process leads others, they fit the same; the loop splits each step among them.
        launched.share(follow, type(self), self.config, x, y, n_classes, seed, watch.groups)
        self._fit(x, y, n_classes=n_classes, seed=seed, watch=watch)

    def _fit(
        self, x: Inputs, y: IntArray, *, n_classes: int, seed: int, watch: Watch, follows: bool = False
    ) -> None:
        """Train each member; one that follows another process only trains along, and is no use afterwards."""
        from sortilin.training import processes

        rows, share = self._rows(x), self.config.validation
        everything = np.arange(len(y))
        learned, aside = everything, everything
        if share:
            parted = split if y.ndim == 1 else split_several
            learned, aside = parted(y, n_classes, share=share, seed=seed, groups=watch.groups)
        self._network, self._others, self._masks = None, [], []
        fits: list[Fit] = []
        for number in range(1, self.config.members + 1):
            own = seed if number == 1 else child_seed(seed, "member", str(number))
            its_watch, stopped = self._watch_of(number, watch)
            fits.append(self._train(rows, y, learned, aside, n_classes=n_classes, seed=own, watch=its_watch))
            if not follows:
                self._sample(number, own)
            # Whoever stopped the first one will not look at the rest; only the first process hears it.
            if processes.current().from_first(bool(stopped)):
                break
        self._record(fits)
        if not follows:
            # Thresholds of several classes need more rows than are set aside: a cross-validation gives them.
            self._aside = (self.scores(x[aside]), y[aside]) if share and y.ndim == 1 else None

    def _train(
        self,
        rows: NDArray[Any],
        y: IntArray,
        learned: IntArray,
        aside: IntArray,
        *,
        n_classes: int,
        seed: int,
        watch: Watch,
    ) -> Fit:
        """One member: a network with weights and an order of its seed."""
        from sortilin.training import loop

        share, config = self.config.validation, self.config.training
        network = self._network_for(rows[learned], n_classes, seed)
        if self._network is None:
            self._network = network
        else:
            self._others.append(network)
        job = loop.Job(
            examples=self._examples(rows[learned], y[learned], to_learn=True),
            validation=self._examples(rows[aside], y[aside], to_learn=False),
            config=config if share else config.model_copy(update=TO_THE_END),
            n_classes=n_classes,
            score=score if y.ndim == 1 else score_several,
            seed=child_seed(seed, "training"),
            identity=self._identity(rows, y, seed, watch.groups),
            keeps_last=not share,
        )
        return loop.train(network, job, watch)

    def _watch_of(self, number: int, watch: Watch) -> tuple[Watch, list[bool]]:
        """Who looks on at a member, with a folder of its own; and what is filled when the fit is stopped."""
        stopped: list[bool] = []
        if self.config.members == 1:
            return watch, stopped
        inner, judge = watch.inner(f"member {number}"), watch.on_epoch

        def on_epoch(record: Mapping[str, float]) -> bool:
            is_stopped = judge is not None and judge(record)
            stopped.extend([True] * is_stopped)
            return is_stopped

        # The epochs of the others would stand beside those of the first.
        return replace(inner, on_epoch=on_epoch if judge is not None and number == 1 else None), stopped

    def _sample(self, number: int, seed: int) -> None:
        """Draw a member's dropout masks, if there are to be any."""
        if not self.config.dropout_samples:
            return
        from sortilin.classifiers import _members

        network = self._exported_of(self._networks[number - 1])
        self._masks.append(_members.drawn(network, self._probes(), self.config.dropout_samples, seed))

    def _record(self, fits: Sequence[Fit]) -> None:
        first = fits[0]
        self.seconds, self.history = sum(fit.seconds for fit in fits), first.history
        if not self.config.validation:
            return
        self.chosen = {
            "epochs": len(first.history),
            "best_epoch": first.best_epoch,
            f"validation_{self.config.training.metric}": first.best,
        }
        if self.config.members > 1:
            self.chosen = {**self.chosen, "best_epochs": [fit.best_epoch for fit in fits]}

    @property
    def _networks(self) -> list[Any]:
        """One a member."""
        return [] if self._network is None else [self._network, *self._others]

    def _whole(self) -> Any:
        """What predicts: the network, or the mean over members and masks."""
        if not self._others and not self._masks:
            return self._network
        from sortilin.classifiers import _members

        networks = self._networks
        if self._masks:
            networks = [_members.Masked(n, m) for n, m in zip(networks, self._masks, strict=True)]
        return _members.Mean(networks)

    def opinions(self) -> dict[str, int]:
        """What `model.json` says of members and dropout masks; empty where there is one network."""
        config = self.config
        if config.members == 1 and not config.dropout_samples:
            return {}
        return {"networks": config.members, "dropout_samples": config.dropout_samples}

    def to_onnx(self) -> bytes:
        """The graph of the network, or of all members; see `interfaces.Classifier` and `_member_graphs`."""
        if not self._others and not self._masks:
            return self._graph_of(self._exported_of(self._network))
        from sortilin.classifiers import _member_graphs, _members

        parts = []
        for network, masks in zip(self._networks, self._masks or [{}] * len(self._networks), strict=True):
            part, factors = _members.with_placeholders(self._exported_of(network), masks)
            parts.append(_member_graphs.Part(self._graph_of(part), factors, tuple(masks.values())))
        return _member_graphs.joined(parts)

    @property
    def splits_rows(self) -> bool:
        """Whether it sets rows aside, so that a row and its twin may stand on both sides."""
        return bool(self.config.validation)

    def _identity(self, rows: NDArray[Any], y: IntArray, seed: int, groups: IntArray | None) -> str:
        digest = hashlib.sha256(self.config.model_dump_json(exclude=OPINIONS).encode())
        digest.update(b"%d\n%b\n%b" % (seed, self._digest(rows), str(y.tolist()).encode()))
        if groups is not None:
            digest.update(b"groups" + np.ascontiguousarray(groups).tobytes())
        return digest.hexdigest()

    def set_aside(self) -> tuple[DoubleArray, IntArray] | None:
        """Scores and classes of the rows that stopped the training; None if there were none."""
        return self._aside

    def chosen_config(self) -> Any:
        """The configuration as it is: stopping early belongs to the fit."""
        return self.config

    @property
    def n_parameters(self) -> int | None:
        """How many numbers were trained, of all members together; None before `fit`."""
        if self._network is None:
            return None
        return int(sum(p.numel() for n in self._networks for p in n.parameters() if p.requires_grad))

    def arrays(self) -> dict[str, NDArray[Any]]:
        """The trained weights by name; of several members with `member<k>.` before it, k from 1.

        Dropout masks, (M, ...) each, stand behind `masks.` under the name of their layer.
        """
        found: dict[str, NDArray[Any]] = {}
        for number, network in enumerate(self._networks, start=1):
            before = f"member{number}." if self._others else ""
            weights = self._weights_of(network)
            found |= {f"{before}{name}": weight.numpy().copy() for name, weight in weights.items()}
            masks = self._masks[number - 1] if self._masks else {}
            found |= {f"{before}{MASKS}{name}": array.copy() for name, array in masks.items()}
        return found


def follow(
    kind: type[Trained],
    config: Any,
    x: Inputs,
    y: IntArray,
    n_classes: int,
    seed: int,
    groups: IntArray | None,
) -> None:
    """Fit as another process does, which leads; see `training.launched`."""
    kind(config)._fit(x, y, n_classes=n_classes, seed=seed, watch=Watch(groups=groups), follows=True)


def split(
    y: IntArray, n_classes: int, *, share: float, seed: int, groups: IntArray | None = None
) -> tuple[IntArray, IntArray]:
    """Row numbers that are learned from, and a stratified share that is set aside; each holds every class.

    Args:
        y: (N,) class indices.
        n_classes: C.
        share: Of the rows, that is set aside.
        seed: Draws them.
        groups: (N,) numbers; rows of one number stay together. None lets every row go by itself.

    Raises:
        LabelError: A class has too few members for that.
    """
    if groups is not None:
        return dealing.set_aside(y, groups, share, seed)
    from sklearn.model_selection import train_test_split

    n_aside = max(round(len(y) * share), n_classes)
    counts = np.bincount(y, minlength=n_classes)
    if counts.min() < 2 or n_aside > len(y) - n_classes:
        raise LabelError(
            f"a network sets {share:.0%} of its training sequences aside and needs at "
            f"least 2 of each class; found {counts.min()} of the smallest among {len(y)}"
        )
    learned, aside = train_test_split(np.arange(len(y)), test_size=n_aside, stratify=y, random_state=seed)
    missing = set(range(n_classes)) - set(y[aside].tolist())
    for c in sorted(missing):  # a class too small for its share still needs one for calibration
        one = learned[y[learned] == c][0]
        learned, aside = learned[learned != one], np.append(aside, one)
    return learned, aside


def split_several(
    y: IntArray, n_classes: int, *, share: float, seed: int, groups: IntArray | None = None
) -> tuple[IntArray, IntArray]:
    """The same for (N, C) of 0 and 1, where a row may have several classes.

    Raises:
        LabelError: None of a class is left to learn from.
    """
    part = stratification.parts(y, [1 - share, share], seed, groups)
    learned, aside = np.flatnonzero(part == 0), np.flatnonzero(part == 1)
    n = y[learned].sum(axis=0)
    if n.min() == 0:
        c = int(n.argmin())
        raise LabelError(
            f"a network sets {share:.0%} of its training sequences aside and has to learn each of "
            f"{n_classes} classes from the others; class number {c + 1}, of {int(y[:, c].sum())} sequences, "
            "has none left: add sequences, or leave it out"
        )
    return learned, aside


def score_several(logits: DoubleArray, y: IntArray) -> dict[str, float]:
    """What is watched where a row may have several classes: classes with log-odds above 0 are called."""
    names = [str(c) for c in range(logits.shape[1])]
    found = multilabel.evaluate(y, logits, logits > 0, names).metrics
    return dict(zip(METRICS, (found[name] for name in _OF_SEVERAL), strict=True))


def score(logits: DoubleArray, y: IntArray) -> dict[str, float]:
    """What is watched on the rows set aside."""
    found = metrics.evaluate(y, softmax(logits), [str(c) for c in range(logits.shape[1])]).metrics
    return {name: found[name] for name in METRICS}
