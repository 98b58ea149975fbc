"""Several classifiers side by side, of features and of sequences; their log-probabilities are averaged.

Members err on different sequences, so that the mean errs on fewer (a product of experts, Hinton 2002; with
weights, a logarithmic opinion pool). The weights are options and not fitted: what chooses them must not be
what the ensemble is measured on.

Axis letters: N sequences, F features, C classes, S scores.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, PositiveFloat

from sortilin.component import Component, recorded
from sortilin.errors import ConfigError
from sortilin.evaluation.calibration import log_softmax
from sortilin.interfaces import (
    FEATURES,
    NOBODY,
    SEQUENCES,
    Classifier,
    Descriptor,
    DoubleArray,
    Inputs,
    IntArray,
    Watch,
)
from sortilin.seeding import child_seed
from sortilin.sequences.neighbours import COLUMNS, Neighbours

STRANGE_BITS = 30.0
"""Above chance: a neighbour that scores more is passed over where a stranger is learned from."""


class Member(BaseModel):
    """One classifier.

    Attributes:
        features: Descriptor set that it reads; None for the sequences themselves.
        classifier: What is fitted.
        weight: Its share in the mean, relative to the others'.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    features: Component | None = None
    classifier: Component
    weight: PositiveFloat = 1.0


class VARIANT:
    """The weighted mean of its members' log-probabilities; scores (N, C), or log-odds (N, 1)."""

    takes: ClassVar[str] = SEQUENCES
    gives_log_odds: ClassVar[bool] = True

    class Config(BaseModel):
        """Options.

        Attributes:
            members: What is averaged. All of features read one set, all networks the same residues.
            neighbours: Whether that set is followed by what the nearest training sequences of each class
                say (`sequences.neighbours`). A training sequence itself is passed over where it is learned
                from, so that the nearest of the others speak.
            strangers: Whether each sequence is learned from twice: once with all its neighbours, and once
                as one of a new family, with none but distant ones (`STRANGE_BITS`). Members of features
                then have to learn from all rows at once: one that splits them would find a sequence on
                both sides.
        """

        model_config = ConfigDict(frozen=True, extra="forbid")
        members: tuple[Member, ...] = Field(
            default=(
                Member(features=Component(name="targeting"), classifier=Component(name="boosting")),
                Member(classifier=Component(name="neural")),
            ),
            min_length=1,
        )
        neighbours: bool = False
        strangers: bool = False

    def __init__(self, config: Config | None = None) -> None:
        self.config = config or self.Config()
        self.chosen: Mapping[str, Any] = {}
        self._members: list[Classifier] = [m.classifier.build("classifier") for m in self.config.members]
        for member, classifier in zip(self.config.members, self._members, strict=True):
            _check(member, classifier)
        self._descriptor = self._one_descriptor()
        self._neighbours: Neighbours | None = None
        if self.config.neighbours and self._descriptor is None:
            raise ConfigError("neighbours: true follows features, and no member of the ensemble reads any")
        if self.config.strangers:
            self._check_strangers()
        self._policy = self._one_policy()

    def _check_strangers(self) -> None:
        if not self.config.neighbours:
            raise ConfigError("strangers: true is about neighbours; set neighbours: true as well")
        for member, classifier in zip(self.config.members, self._members, strict=True):
            if member.features is not None and getattr(classifier, "splits_rows", True):
                raise ConfigError(
                    f"strangers: true learns from each sequence twice, and '{member.classifier.name}' may "
                    "split its rows; allowed with features: boosting, and head with validation: 0"
                )

    def _one_descriptor(self) -> Descriptor | None:
        wanted: dict[str, Any] = {}
        for member in self.config.members:
            if member.features is not None:
                built = member.features.build("features")
                wanted[f"{member.features.name} {built.config.model_dump_json()}"] = built
        if len(wanted) > 1:
            found = " and ".join(sorted(wanted)).replace(" {}", "")
            raise ConfigError(f"members of an ensemble share one descriptor set; found {found}")
        return next(iter(wanted.values())) if wanted else None

    def _one_policy(self) -> dict[str, Any] | None:
        found = [m.reads().get("tokens") for m in self._members if m.takes == SEQUENCES]
        if any(policy != found[0] for policy in found):
            raise ConfigError(f"networks of an ensemble read the same residues; found {found}")
        return found[0] if found else None

    def fit(self, x: Inputs, y: IntArray, *, n_classes: int, seed: int, watch: Watch = NOBODY) -> None:
        """Fit each member on all rows; see `interfaces.Classifier`."""
        if self.config.neighbours:
            self._neighbours = Neighbours.of(list(x), y, n_classes=n_classes)
        features, classes = self._learned_from(x, y)
        for number, member in enumerate(self._members, start=1):
            of_sequences = member.takes == SEQUENCES
            member.fit(
                x if of_sequences else features,
                y if of_sequences else classes,
                n_classes=n_classes,
                seed=child_seed(seed, "member", str(number)) % 2**31,
                watch=watch.inner(f"member {number}"),
            )
        found = {str(n): dict(m.chosen) for n, m in enumerate(self._members, start=1) if m.chosen}
        self.chosen = {"members": found} if found else {}

    def _learned_from(self, x: Inputs, y: IntArray) -> tuple[Any, IntArray]:
        """Rows of features and their classes; no sequence is its own neighbour."""
        if self._descriptor is None:
            return None, y
        features = self._descriptor.transform(list(x))
        if self._neighbours is None:
            return features, y
        own = np.arange(len(x))
        if not self.config.strangers:
            return np.hstack([features, self._neighbours.features(list(x), own=own)]), y
        both = self._neighbours.features_of_strangers(list(x), own=own, most_bits=STRANGE_BITS)
        return np.vstack([np.hstack([features, table]) for table in both]), np.concatenate([y, y])

    def _features(self, x: Inputs) -> Any:
        if self._descriptor is None:
            return None
        features = self._descriptor.transform(list(x))
        if self._neighbours is None:
            return features
        return np.hstack([features, self._neighbours.features(list(x))])

    def set_aside(self) -> None:
        """None: there are members that learn from all rows."""
        return

    def chosen_config(self) -> Config:
        """The configuration with what each member chose."""
        members = [
            member
            if not fitted.chosen or fitted.takes == SEQUENCES  # a network stops early, but searches nothing
            else member.model_copy(
                update={
                    "classifier": Component(
                        name=member.classifier.name,
                        options=fitted.chosen_config().model_dump(mode="json"),
                    )
                }
            )
            for member, fitted in zip(self.config.members, self._members, strict=True)
        ]
        return self.config.model_copy(update={"members": tuple(members)})

    @property
    def n_parameters(self) -> int | None:
        """How many numbers its networks trained; None without one, or before `fit`."""
        counts = [n for m in self._members if (n := getattr(m, "n_parameters", None)) is not None]
        return sum(counts) if counts else None

    def weights(self) -> list[float]:
        """Of the members; they sum to 1."""
        total = sum(member.weight for member in self.config.members)
        return [member.weight / total for member in self.config.members]

    def scores(self, x: Inputs) -> DoubleArray:
        """(N,) sequences → (N, C) mean log-probabilities; (N, 1) mean log-odds with two classes."""
        features = self._features(x)
        total: Any = 0.0
        for weight, member in zip(self.weights(), self._members, strict=True):
            found = member.scores(x if member.takes == SEQUENCES else features)
            total = total + weight * (found if found.shape[1] == 1 else log_softmax(found))
        return np.asarray(total)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Those of the members, each behind its number."""
        known = {} if self._neighbours is None else self._neighbours.arrays()
        return {f"neighbours.{name}": array for name, array in known.items()} | {
            f"{number}.{name}": array
            for number, member in enumerate(self._members, start=1)
            for name, array in member.arrays().items()
        }

    def reads(self) -> dict[str, Any]:
        """Inputs of the graph: features (with neighbours behind them), tokens or both."""
        found: dict[str, Any] = {}
        if self._descriptor is not None:
            (name,) = {m.features.name for m in self.config.members if m.features}
            found["features"] = recorded(name, self._descriptor)
        if self.config.neighbours:
            found["neighbours"] = {"columns": list(COLUMNS)}
        if self._policy is not None:
            found["tokens"] = self._policy
        return found

    def to_onnx(self) -> bytes:
        """From `features`, `tokens` or both to `scores`."""
        from sortilin.classifiers import _onnx

        return _onnx.mean_of([member.to_onnx() for member in self._members], self.weights())


def _check(member: Member, classifier: Classifier) -> None:
    """Refuse a member with features that it does not read, or without those that it does.

    Raises:
        ConfigError: It is so.
    """
    name = member.classifier.name
    if isinstance(classifier, VARIANT):
        raise ConfigError("an ensemble is no member of an ensemble; list its members instead")
    if classifier.takes == FEATURES and member.features is None:
        raise ConfigError(f"'{name}' needs features: name a descriptor set beside it in the ensemble")
    if classifier.takes == SEQUENCES and member.features is not None:
        raise ConfigError(f"'{name}' reads the sequence itself; leave out features in the ensemble")
    if classifier.takes == SEQUENCES and "tokens" not in classifier.reads():
        raise ConfigError(f"'{name}' stands upon a language model of its own and is no member of an ensemble")
    if not classifier.gives_log_odds:
        raise ConfigError(f"'{name}' gives no log-odds of the classes, so it cannot be averaged with others")
