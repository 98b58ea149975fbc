"""What can be set of a training run."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, PositiveInt, model_validator

Precision = Literal["auto", "float32", "bfloat16", "float16"]
CHECKPOINT = "checkpoint.pt"
"""The file in a workspace that a run goes on from."""

LOSS = "loss"
"""The validation metric that is better when it is smaller; all others are better when larger."""


class TrainingConfig(BaseModel):
    """Options of the training loop.

    Attributes:
        optimizer: AdamW (decoupled weight decay; Loshchilov & Hutter 2019) or Adam.
        learning_rate: Its peak.
        weight_decay: Decoupled with AdamW, an L2 penalty with Adam.
        schedule: How the learning rate falls after the warm-up: not at all, on a line, or on a cosine,
            to zero at the last of `epochs`.
        warmup: Share of the run in which it rises from zero.
        epochs: At most so many passes over the training examples.
        patience: Stop after so many epochs without a better `metric`; None never stops early.
        metric: What is best of the validation metrics, or "loss"; the weights of its best epoch are kept.
        batch_size: At most so many examples a batch.
        batch_positions: At most so many positions a batch, padding counted; a longer example is a
            batch of its own.
        accumulation: Batches that one step of the optimizer learns from; for a batch that does not fit into
            memory at once. Each counts by its examples, so that the step is that of one large batch, as far
            as no layer looks at the batch as a whole (dropout draws, batch norm).
        clip_norm: Largest norm of the gradient; None for no limit.
        loss: Cross-entropy, or focal loss (Lin et al. 2017).
        focal_gamma: How far focal loss turns away from easy examples.
        label_smoothing: Share of a target's weight that is spread over all classes.
        class_weights: "balanced" weighs an example by the inverse frequency of its class.
        resampling: "oversample" fills each class up to the size of the largest, in each epoch, by examples
            of it that are drawn anew with replacement; every example stands there once at least. Only ever
            of the rows that are learned from.
        average: Decay of an exponential moving average of the weights, which is then what is validated
            and kept; None for the weights as they are.
        precision: "auto" takes bfloat16 where the device computes it well, and float32 elsewhere.
        checkpoint_minutes: Save at least so often within an epoch; each epoch's end is saved too. It
            shapes no result, so that a run with another value goes on from the same checkpoint.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    optimizer: Literal["adamw", "adam"] = "adamw"
    learning_rate: PositiveFloat = 1e-3
    weight_decay: float = Field(default=0.01, ge=0)
    schedule: Literal["constant", "linear", "cosine"] = "cosine"
    warmup: float = Field(default=0.05, ge=0, lt=1)
    epochs: PositiveInt = 30
    patience: PositiveInt | None = 8
    metric: str = "macro_f1"
    batch_size: PositiveInt = 32
    batch_positions: PositiveInt = 65_536
    accumulation: PositiveInt = 1
    clip_norm: PositiveFloat | None = 1.0
    loss: Literal["cross_entropy", "focal"] = "cross_entropy"
    focal_gamma: float = Field(default=2.0, ge=0)
    label_smoothing: float = Field(default=0.0, ge=0, lt=1)
    class_weights: Literal["none", "balanced"] = "none"
    resampling: Literal["none", "oversample"] = "none"
    average: float | None = Field(default=None, gt=0, lt=1)
    precision: Precision = "auto"
    checkpoint_minutes: PositiveFloat = Field(default=5.0, exclude=True)

    @model_validator(mode="after")
    def _balances_once(self) -> Self:
        if self.class_weights != "none" and self.resampling != "none":
            raise ValueError(
                f"class_weights '{self.class_weights}' and resampling '{self.resampling}' each make the "
                "classes equal, and together the rarest the largest: choose one"
            )
        return self
