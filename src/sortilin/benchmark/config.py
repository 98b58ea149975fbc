"""What a benchmark compares, and how: a frozen configuration that reruns it unchanged."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeInt,
    PositiveInt,
    field_validator,
    model_validator,
)

from sortilin.component import Component
from sortilin.experiment import presets
from sortilin.experiment.config import (
    LabelHabit,
    Sources,
    check_inputs,
    checked,
    laid_over,
    read_yaml,
    yaml_text,
)
from sortilin.experiment.inputs import Inputs
from sortilin.experiment.split_config import KINDS, SplitConfig, SplitOption
from sortilin.interfaces import SEQUENCES
from sortilin.registry import get

_DEFAULTS = Path(__file__).parent / "defaults"
_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._+-]*[A-Za-z0-9_-])?")


class ModelSpec(BaseModel):
    """A model of the benchmark: a preset, a preset with other options, or components of one's own.

    Attributes:
        name: Its name in the tables and its folder's.
        preset: The preset that it starts from; `name` where there is a preset of that name.
        options: Classifier options that win over the preset's.
        features: Descriptor set, in place of the preset's.
        classifier: Classifier, in place of a preset.
        title: What stands in tables; the preset's by default.
        baseline: Whether it stands among the baselines, which are never the best model.
        published: The published model that it stands for, as the paper's tables name it; the preset's by
            default.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    name: str
    preset: str | None = None
    options: dict[str, Any] = {}
    features: Component | None = None
    classifier: Component | None = None
    title: str | None = None
    baseline: bool = False
    published: str | None = None

    @field_validator("name")
    @classmethod
    def _is_a_folder_name(cls, value: str) -> str:
        if not _NAME.fullmatch(value):
            raise ValueError("letters, digits, '.', '_', '+' and '-' only")
        return value

    @model_validator(mode="after")
    def _has_one_origin(self) -> ModelSpec:
        if self.classifier is not None and (self.preset or self.options):
            raise ValueError("give classifier, or preset and options, not both")
        return self


class BenchmarkConfig(BaseModel):
    """One benchmark.

    Attributes:
        task: Registered task.
        data: Dataset name, `name:split`, or labelled files; the task's own dataset by default.
        labels: How labels are read from files.
        tests: Test sets, datasets or files: every model learns from all of the data and scores each once.
        models: What is compared, in the order of the table.
        networks: Classifier options for every network, over the preset's and under a model's own.
        split: "holdout" scores all models on one split (on the rows that the data mark as test, where they
            mark some), "folds" on cross-validation. A kind, as "homology", may stand here for `split_by`.
        split_by: How rows are split at every level; a kind alone may stand for it. By "homology" every model
            is measured a second time, on stratified rows, and the report has both sides.
        holdout: Share of the held-out rows.
        folds: Folds of the cross-validation.
        seed: Seed of splits, fits and resampling.
        baselines: Whether majority, length, composition and nearest homologue (on folds of peptides the
            nearest peptide) stand beside the models.
        cross_validation: Whether the best model is cross-validated, trained again on all data, and
            predicts the blind set.
        blind: Dataset or file without labels that the final model predicts; the task's own where it has
            one, None for none.
        resamples: Of the bootstrap; the paired test draws five times as many.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    task: str
    data: Sources = ()
    labels: LabelHabit = "auto"
    tests: Sources = ()
    models: tuple[ModelSpec, ...] = Field(min_length=1)
    networks: dict[str, Any] = {}
    split: Literal["holdout", "folds"] = "holdout"
    split_by: SplitOption = SplitConfig()
    holdout: float = Field(default=0.2, gt=0, le=0.5)
    folds: int = Field(default=5, ge=2, le=50)
    seed: NonNegativeInt
    baselines: bool = True
    cross_validation: bool = True
    blind: str | None = None
    resamples: PositiveInt = 1000

    @model_validator(mode="before")
    @classmethod
    def _of_either(cls, values: Any) -> Any:
        """A kind in place of "holdout" or "folds" says how rows are split; one given by `split_by` wins."""
        return _in_full(values) if isinstance(values, Mapping) else values

    @field_validator("models", mode="before")
    @classmethod
    def _as_specs(cls, value: Any) -> Any:
        models = value.split(",") if isinstance(value, str) else value
        if not isinstance(models, list | tuple):
            return models
        return tuple({"name": m.strip()} if isinstance(m, str) else m for m in models)

    @field_validator("models")
    @classmethod
    def _are_distinct(cls, value: tuple[ModelSpec, ...]) -> tuple[ModelSpec, ...]:
        seen: set[str] = set()
        for spec in value:
            folder = spec.name.casefold()  # some file systems do not tell a from A
            if folder in seen:
                raise ValueError(f"'{spec.name}' stands there twice; give one of them another name")
            seen.add(folder)
        if value and all(spec.baseline for spec in value):
            raise ValueError("all are baselines; at least one has to be a model")
        return value

    @field_validator("tests")
    @classmethod
    def _are_different(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        repeated = [source for number, source in enumerate(value) if source in value[:number]]
        if repeated:
            raise ValueError(f"'{repeated[0]}' stands there twice")
        return value

    @model_validator(mode="after")
    def _has_a_model_for_the_blind(self) -> BenchmarkConfig:
        if self.blind and self.blind.lower() != "none" and not self.cross_validation:
            raise ValueError(
                "blind: the model that is trained on all data predicts it, and cross_validation: false "
                "leaves that model out; drop one of the two"
            )
        return self


def resolve(config: BenchmarkConfig, spec: ModelSpec) -> presets.Preset:
    """The features and the classifier of a model, its options checked.

    Raises:
        UnknownNameError: There is no such preset, classifier or descriptor set.
        ConfigError: An option is unknown, or features and classifier do not fit.
    """
    if spec.classifier is not None:
        title = spec.title or spec.name
        found = presets.Preset(spec.name, title, spec.features, spec.classifier, spec.published)
    else:
        base = presets.get(spec.preset or spec.name, config.task)
        takes = get("classifier", base.classifier.name).takes
        options = base.classifier.options
        for over in (config.networks if takes == SEQUENCES else {}, spec.options):
            options = presets.merged(options, over)
        classifier = Component(name=base.classifier.name, options=options)
        features = spec.features or base.features
        is_as_published = features == base.features  # with other features it is another model
        found = presets.Preset(
            spec.name,
            spec.title or base.title,
            features,
            classifier,
            spec.published or (base.published if is_as_published else None),
        )
    check_inputs(found.features, found.classifier)
    found.classifier.build("classifier")
    Inputs.of(found.features)
    return found


def _in_full(values: Mapping[str, Any]) -> dict[str, Any]:
    """The same with a kind that stands for `split_by` in its own place."""
    split = values.get("split")
    if not isinstance(split, Mapping) and split not in KINDS:
        return dict(values)
    return {"split_by": split, **{name: value for name, value in values.items() if name != "split"}}


def validated(values: Mapping[str, Any], where: str) -> BenchmarkConfig:
    """A benchmark from plain values; see `experiment.config.checked`."""
    return checked(BenchmarkConfig, values, where)


def read_config(path: Path, **overrides: Any) -> BenchmarkConfig:
    """Read a YAML file; `overrides` that are not None win over it.

    Raises:
        ConfigError: The file is absent, is no YAML mapping, or holds what is not allowed.
    """
    return validated(laid_over(_in_full(read_yaml(path)), overrides), str(path))


def default_path(task: str) -> Path | None:
    """The file that a task alone stands for; None where it has none."""
    path = _DEFAULTS / f"{task}.yaml"
    return path if path.exists() else None


def to_yaml(config: BenchmarkConfig) -> str:
    """The resolved configuration; read again, it gives the same benchmark."""
    return yaml_text(config.model_dump(mode="json"))
