"""A head on the residue vectors of a protein language model, which may be trained with it.

Three modes. `frozen`: the language model stays as it was published; each sequence goes through it once.
`full`: all of it is trained, at a learning rate of its own. `lora`: it stays, and small adapters beside its
linear layers are trained (Hu et al. 2022, arXiv:2106.09685).

It sets a stratified share of its rows aside, on which it stops early and which then calibrates it.

Axis letters: N sequences, L residues, D width, C classes, S scores.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from sortilin import language_models
from sortilin.classifiers import _checks, _trained
from sortilin.component import Component
from sortilin.embedding import residues
from sortilin.embedding.residues import ADAPTER, BACKBONE, FROZEN, FULL, LORA
from sortilin.errors import ConfigError
from sortilin.interfaces import NOBODY, SEQUENCES, DoubleArray, Inputs, IntArray, Watch
from sortilin.seeding import child_seed
from sortilin.sequences.cropping import LengthPolicy
from sortilin.training.config import TrainingConfig

if TYPE_CHECKING:
    from sortilin.embedding.residues import ResidueVectors
    from sortilin.language_models import Checkpoint

Mode = Literal["frozen", "full", "lora"]

BACKBONE_RATES: Mapping[str, float] = {FULL: 2e-5, LORA: 3e-4}
"""Learning rate of the language model where none is given: adapters begin at nothing and bear more."""

MOST_KEPT_BYTES = 4 * 2**30
"""Residue vectors of a fit that are kept in memory; with more, each batch is computed when it is needed."""

_SCORING_POSITIONS = 16_384


class FineTuning(TrainingConfig):
    """Options of the training loop, with the defaults of fine-tuning; `learning_rate` is the head's."""

    learning_rate: PositiveFloat = 1e-3
    warmup: float = Field(default=0.1, ge=0, lt=1)
    batch_positions: PositiveInt = 4_096
    metric: str = "mcc"


class Lora(BaseModel):
    """Options of adapters.

    Attributes:
        rank: Of the product that is added to a weight.
        alpha: The product is multiplied by alpha / rank.
        dropout: On what enters an adapter.
        targets: Linear layers that get one, by how their names end; None for those of the attention.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    rank: PositiveInt = 8
    alpha: PositiveFloat = 16
    dropout: float = Field(default=0.05, ge=0, lt=1)
    targets: tuple[str, ...] | None = Field(default=None, min_length=1)


class VARIANT(_trained.Trained):
    """A head and, as the mode says, its language model; scores are the logits, or their difference."""

    takes: ClassVar[str] = SEQUENCES
    gives_log_odds: ClassVar[bool] = True

    class Config(BaseModel):
        """Options.

        Attributes:
            backbone: A protein language model: short name, hub id or local folder.
            layer: The hidden state that the head reads: -1 is the last, 0 the embedding.
            head: From residue vectors to logits.
            mode: What of the language model is trained: "frozen" (nothing), "full" or "lora".
            lora: Options of the adapters in mode "lora".
            backbone_learning_rate: Peak for the language model, which follows the schedule of `training`;
                None for 2e-5 in mode "full" and 3e-4 in mode "lora".
            gradient_checkpointing: Compute the layers anew on the way back: less memory, more time.
            max_residues: A longer sequence loses its middle; None keeps all whole. By default what ESM-2
                saw in training.
            keep_last: Residues kept from the end of such a sequence.
            validation: Share of the rows that is set aside; with 0 it learns from all, runs all epochs, and
                is calibrated by cross-validation.
            training: Options of the training loop.
            members: So many heads with seeds of their own, whose probabilities are averaged; of a language
                model that is trained along there is one.
            dropout_samples: So many fixed dropout masks that each head predicts with; 0 for no dropout then.
        """

        model_config = ConfigDict(frozen=True, extra="forbid")
        backbone: str = Field(default="esm2_t6", min_length=1)
        layer: int = Field(default=-1, ge=-1)
        head: Component = Component(name="cnn_attention")
        mode: Mode = "frozen"
        lora: Lora = Lora()
        backbone_learning_rate: PositiveFloat | None = None
        gradient_checkpointing: bool = False
        max_residues: PositiveInt | None = 1_022
        keep_last: NonNegativeInt = 100
        validation: float = Field(default=0.1, ge=0, le=0.5)
        training: FineTuning = FineTuning()
        members: int = Field(default=1, ge=1, le=_trained.MOST_MEMBERS)
        dropout_samples: int = Field(default=0, ge=0, le=_trained.MOST_SAMPLES)

        @model_validator(mode="after")
        def _is_possible(self) -> VARIANT.Config:
            _ = self.length_policy
            if self.mode == FROZEN and (self.backbone_learning_rate or self.gradient_checkpointing):
                raise ValueError(
                    "mode 'frozen' trains nothing of the language model: leave out backbone_learning_rate "
                    f"and gradient_checkpointing, or choose mode '{FULL}' or '{LORA}'"
                )
            if self.mode != LORA and self.lora != Lora():
                raise ValueError(
                    f"mode '{self.mode}' has no adapters: leave out lora, or choose mode '{LORA}'"
                )
            if self.mode != FROZEN and self.members > 1:
                raise ValueError(
                    f"members is {self.members}, and mode '{self.mode}' trains the language model along, of "
                    "which a model folder holds one; allowed: 1, with dropout_samples for several opinions "
                    f"of the head, or mode '{FROZEN}' with several heads on one language model"
                )
            return self

        @property
        def length_policy(self) -> LengthPolicy:
            """Which residues of a long sequence are read."""
            return LengthPolicy(self.max_residues, self.keep_last)

    def __init__(self, config: Config | None = None) -> None:
        super().__init__(config or self.Config())
        _checks.check(self.config.training, head=self.config.head)
        _checks.check_opinions(self.config)
        if self.config.mode == LORA:
            language_models.check_peft()
        self._checkpoint: Checkpoint | None = None
        self._vectors: ResidueVectors | None = None
        self._kept: dict[str, NDArray[np.float32]] = {}
        self._adapted: Any = None

    def absent(self) -> str | None:
        """The command that fetches the language model; None if it is on this machine."""
        if language_models.locate(self.config.backbone) is not None:
            return None
        return f"sortilin backbones fetch {self.config.backbone}"

    # --- the fit

    def fit(self, x: Inputs, y: IntArray, *, n_classes: int, seed: int, watch: Watch = NOBODY) -> None:
        """Train on all rows but those set aside; see `interfaces.Classifier`.

        Raises:
            BackboneError: The language model is not on this machine and cannot be fetched.
            ConfigError: It has no such layer, or takes fewer residues than `max_residues`.
            LabelError: A class has too few members to be set aside from.
        """
        # Here, so that a process that leads others has fetched the model before they look for it.
        self._open(watch)
        super().fit(x, y, n_classes=n_classes, seed=seed, watch=watch)

    def _open(self, watch: Watch) -> None:
        self._vectors = residues.of_backbone(
            self.config.backbone, self.config.layer, on_progress=watch.on_progress
        )
        self._checkpoint = self._vectors.checkpoint
        self._check_length(self._checkpoint)

    def _fit(
        self, x: Inputs, y: IntArray, *, n_classes: int, seed: int, watch: Watch, follows: bool = False
    ) -> None:
        if follows:
            self._open(watch)
        if self.config.mode == FROZEN:
            self._keep(self._rows(x).tolist(), watch)
        try:
            super()._fit(x, y, n_classes=n_classes, seed=seed, watch=watch, follows=follows)
        finally:
            self._kept = {}

    def _check_length(self, checkpoint: Checkpoint) -> None:
        asked, most = self.config.max_residues, checkpoint.most_residues
        if most is not None and (asked is None or asked > most):
            raise ConfigError(
                f"max_residues is {asked}, and {checkpoint.name} takes at most {most:,} residues; allowed: 1 "
                f"to {most}"
            )

    def _keep(self, sequences: Sequence[str], watch: Watch) -> None:
        """Residue vectors of all rows, computed once, unless memory would not hold them."""
        assert self._checkpoint is not None
        assert self._vectors is not None
        if 4 * self._checkpoint.width * sum(map(len, set(sequences))) <= MOST_KEPT_BYTES:
            found = self._vectors(sequences, watch.on_progress)
            self._kept = dict(zip(sequences, found, strict=True))

    def _look(self, sequences: Sequence[str]) -> list[NDArray[np.float32]]:
        if all(sequence in self._kept for sequence in sequences):
            return [self._kept[sequence] for sequence in sequences]
        assert self._vectors is not None
        return self._vectors(sequences)

    def _rows(self, x: Inputs) -> NDArray[Any]:
        policy = self.config.length_policy
        return np.array([policy.apply(sequence) for sequence in x], dtype=object)

    def _network_for(self, rows: NDArray[Any], n_classes: int, seed: int) -> Any:
        from sortilin.classifiers import _finetuning

        assert self._checkpoint is not None
        head = self._head_for(self._checkpoint.width, n_classes, seed)
        if self.config.mode == FROZEN:
            return _finetuning.ResidueNetwork(head)
        model = language_models.load(self.config.backbone)
        language_models.ready_to_train(model, max(map(len, rows)) + model.vocabulary.n_special)
        if self.config.gradient_checkpointing:
            _finetuning.save_memory(model)
        if self.config.mode == LORA:
            adapter_seed = child_seed(seed, "adapter")
            self._adapted = language_models.add_adapter(
                model, **self.config.lora.model_dump(), seed=adapter_seed
            )
        rate = self.config.backbone_learning_rate or BACKBONE_RATES[self.config.mode]
        scale = rate / self.config.training.learning_rate
        network = _finetuning.TunedNetwork(model, head, layer=self.config.layer, scale=scale)
        if self.config.mode == FULL:
            _finetuning.train_all(network, model.vocabulary)
        return network

    def _head_for(self, width: int, n_classes: int, seed: int) -> Any:
        import torch

        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(child_seed(seed, "weights"))
            head, its_config = self.config.head.resolved("head")
            return head(its_config, width=width, n_classes=n_classes)

    def _examples(self, rows: NDArray[Any], y: IntArray, *, to_learn: bool) -> Any:  # noqa: ARG002 - alike
        from sortilin.classifiers import _finetuning

        if self.config.mode == FROZEN:
            return _finetuning.VectorExamples(rows.tolist(), y, self._look)
        return _finetuning.TokenExamples(rows.tolist(), y, self._network.model.vocabulary)

    def _digest(self, rows: NDArray[Any]) -> bytes:
        assert self._checkpoint is not None
        return f"{self._checkpoint.name} {self._checkpoint.revision}\n{','.join(rows)}".encode()

    # --- what was fitted

    def scores(self, x: Inputs) -> DoubleArray:
        """(N,) sequences → (N, C) logits, or (N, 1) with two classes; see `Trained.scores`."""
        from sortilin.classifiers._network import scores_in_batches

        examples = self._examples(self._rows(x), np.zeros(len(x), dtype=np.int64), to_learn=False)
        return scores_in_batches(self._whole(), examples, _SCORING_POSITIONS)

    def _weights_of(self, network: Any) -> Mapping[str, Any]:
        """The head's; those of a language model stand in `folders`."""
        weights = super()._weights_of(network)
        return {name: weight for name, weight in weights.items() if name.startswith("head.")}

    def reads(self) -> dict[str, Any]:
        """Residue vectors, of the residues that the length policy leaves, and of which language model."""
        policy = {"max_residues": self.config.max_residues, "keep_last": self.config.keep_last}
        known = self._checkpoint
        return {"residues": policy} | ({} if known is None else {"language_model": self._recorded(known)})

    def _recorded(self, known: Checkpoint) -> dict[str, Any]:
        names = ("name", "revision", "licence", "citation", "width")
        return {
            "mode": self.config.mode,
            "backbone": self.config.backbone,
            "layer": self.config.layer,
            **{name: getattr(known, name) for name in names},
            "hub_id": known.origin,
        }

    def folders(self) -> dict[str, Callable[[Path], None]]:
        """What stands beside the graph: adapters, or the language model that was trained whole."""
        if self.config.mode == LORA:
            return {
                ADAPTER: lambda folder: language_models.save_adapter(
                    self._adapted, self._network.model, folder
                )
            }
        if self.config.mode == FULL:
            return {BACKBONE: lambda folder: language_models.save(self._network.model, folder)}
        return {}

    def _exported_of(self, network: Any) -> Any:
        """The head: what the language model says of the residues is computed before."""
        from sortilin.classifiers import _finetuning

        return _finetuning.ResidueNetwork(network.head)

    def _probes(self) -> list[tuple[Any, ...]]:
        import torch

        from sortilin.classifiers._members import PROBES

        assert self._checkpoint is not None
        width = self._checkpoint.width
        return [(torch.zeros(*sizes, width), torch.ones(sizes, dtype=torch.bool)) for sizes in PROBES]

    def _graph_of(self, part: Any) -> bytes:
        """From `residues` (N, L, D) and `mask` (N, L) to `scores`, and to `attention` (N, L)."""
        from sortilin.classifiers import _network

        assert self._checkpoint is not None
        return _network.to_onnx_of_residues(part.head, self._checkpoint.width)
