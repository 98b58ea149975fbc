"""What an experiment is: a frozen configuration that reruns it unchanged."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    NonNegativeInt,
    ValidationError,
    field_validator,
    model_validator,
)

from sortilin import registry
from sortilin.component import Component, explain
from sortilin.errors import ConfigError, MissingDependencyError
from sortilin.evaluation import calibration
from sortilin.experiment.split_config import SplitConfig, SplitOption, over
from sortilin.interfaces import FEATURES, SEQUENCES
from sortilin.sequences import LABEL_HABITS

DEFAULT_SEED = 42
DEFAULT_FEATURES = {"activity": "peptide", "anticancer": "peptide"}
"""Descriptor set by task; `targeting` for all others."""


def _as_tuple(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


def _is_habit(value: str) -> str:
    if value not in LABEL_HABITS:
        raise ValueError(f"choose from: {', '.join(LABEL_HABITS)}")
    return value


Sources = Annotated[tuple[str, ...], BeforeValidator(_as_tuple)]
"""Datasets or files; one alone may stand without brackets."""

Model = TypeVar("Model", bound=BaseModel)

LabelHabit = Annotated[str, AfterValidator(_is_habit)]
"""How labels are read from files."""


class Copies(BaseModel):
    """Which training rows are left out because a test set holds them too, or nearly.

    Attributes:
        of: Datasets of `data` whose rows are compared; all rows where nothing is given.
        identity: Equal residues of the shorter sequence from which on two are copies, as a share.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    of: Sources = ()
    identity: float = Field(default=0.9, gt=0, le=1)


class CalibrationConfig(BaseModel):
    """How scores become probabilities.

    Attributes:
        method: One of `evaluation.calibration.METHODS`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    method: str = calibration.METHOD

    @field_validator("method")
    @classmethod
    def _is_known(cls, value: str) -> str:
        if value not in calibration.METHODS:
            raise ValueError(f"choose from: {', '.join(calibration.METHODS)}")
        return value


def _as_method(value: Any) -> Any:
    return {"method": value} if isinstance(value, str) else value


class ExperimentConfig(BaseModel):
    """One experiment: data, features, classifier, and how it is measured.

    Attributes:
        task: Registered task.
        data: Dataset names, `name:split`, or labelled files (`file` or `class=file`); the task's own
            datasets where nothing is given.
        labels: How labels are read from files.
        tests: Further labelled sets, scored once at the end; nothing is chosen by them.
        leave_out_copies: Training rows that are copies or near copies of test sequences are left out; None
            keeps them, and the test sets are scored without the equal ones too.
        features: Descriptor set; None for a classifier that reads the sequence itself.
        classifier: Classifier and its options.
        seed: Seed of every split and every fit.
        holdout: Share of one hold-out, beside the cross-validation; 0 for none.
        folds: Folds of the cross-validation, of calibration within it, and of calibration.
        baselines: Whether length alone and composition alone stand beside the model.
        homology: Whether the model is cross-validated a second time, on folds that split no group of
            homologues; where `split` is homology, the first is one.
        audit: Whether the card says first what test sets share with the training set.
        multi_label: Whether a sequence may have several classes, written `Nucleus|Cytosol`.
        calibration: How scores become probabilities; a method's name alone may stand for it.
        split: How rows are split at every level, hold-out, folds, searches and calibration; a kind alone may
            stand for it. Only "homology" has options.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    task: str
    data: Sources = ()
    labels: LabelHabit = "auto"
    tests: Sources = ()
    leave_out_copies: Copies | None = None
    features: Component | None = None
    classifier: Component
    seed: NonNegativeInt
    holdout: float = Field(default=0.2, ge=0, le=0.5)
    folds: int = Field(default=5, ge=2, le=50)
    baselines: bool = True
    homology: bool = False
    audit: bool = True
    multi_label: bool = False
    calibration: Annotated[CalibrationConfig, BeforeValidator(_as_method)] = CalibrationConfig()
    split: SplitOption = SplitConfig()

    @model_validator(mode="after")
    def _inputs_fit(self) -> ExperimentConfig:
        check_inputs(self.features, self.classifier)
        return self


def check_inputs(features: Component | None, classifier: Component) -> None:
    """Refuse a descriptor set that is missing, or that nobody would read.

    Raises:
        ConfigError: The classifier takes features and there are none, or the other way round.
    """
    takes = registry.get("classifier", classifier.name).takes
    if takes == FEATURES and features is None:
        raise ConfigError(
            f"classifier '{classifier.name}' needs features; choose from: "
            f"{', '.join(registry.names('features'))}"
        )
    if takes == SEQUENCES and features is not None:
        raise ConfigError(
            f"classifier '{classifier.name}' reads the sequence itself; leave out features "
            f"(found '{features.name}')"
        )


def default_features(task: str) -> str:
    """Name of the descriptor set that suits a task."""
    return DEFAULT_FEATURES.get(task, "targeting")


def checked(model: type[Model], values: Mapping[str, Any], where: str) -> Model:
    """A configuration of any kind from plain values.

    Raises:
        ConfigError: A key is unknown or missing, or a value not allowed; `where` names the source.
    """
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise ConfigError(f"{where}: {explain(error)}") from None


def validated(values: Mapping[str, Any], where: str) -> ExperimentConfig:
    """An experiment from plain values; see `checked`."""
    return checked(ExperimentConfig, values, where)


def read_config(path: Path, **overrides: Any) -> ExperimentConfig:
    """Read a YAML file; `overrides` that are not None win over it.

    Raises:
        ConfigError: The file is absent, is no YAML mapping, or holds what is not allowed.
    """
    return validated(overridden(path, overrides), str(path))


def overridden(path: Path, overrides: Mapping[str, Any]) -> dict[str, Any]:
    """The mapping in a YAML file, under what of `overrides` is not None; of a split, option by option."""
    return laid_over(read_yaml(path), overrides)


def laid_over(there: Mapping[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
    """The same of a mapping that was read."""
    found = {key: value for key, value in overrides.items() if value is not None}
    for name in ("split", "split_by"):
        if isinstance(given := found.get(name), Mapping):
            found[name] = over(given, there.get(name))
    return {**there, **found}


def read_yaml(path: Path) -> dict[str, Any]:
    """The mapping in a YAML file.

    Raises:
        ConfigError: The file is absent, or is no YAML mapping.
    """
    yaml = _require_yaml()
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not YAML: {' '.join(str(error).split())}") from None
    if not isinstance(values, dict):
        raise ConfigError(f"{path} holds no mapping of options; found {type(values).__name__}")
    return values


def yaml_text(values: dict[str, Any]) -> str:
    """Plain values as YAML, in their order."""
    text: str = _require_yaml().safe_dump(values, sort_keys=False)
    return text


def to_yaml(config: ExperimentConfig) -> str:
    """The resolved configuration; read again, it gives the same experiment."""
    return yaml_text(config.model_dump(mode="json"))


def _require_yaml() -> Any:
    try:
        import yaml
    except ImportError:
        raise MissingDependencyError("a configuration file", "PyYAML", "train") from None
    return yaml
