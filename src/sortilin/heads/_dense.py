"""What dense heads share.

Axis letters: B batch, L residues, D width, C classes.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from sortilin.errors import ConfigError
from sortilin.heads._pooling import masked_mean


class OfTheMean(nn.Module):
    """A head that sees nothing of a sequence but the mean of its residues' vectors.

    Attributes:
        layers: (B, D) → (B, C).
    """

    has_attention = False
    layers: nn.Sequential

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """(B, L, D), (B, L) → (B, C) logits."""
        logits: Tensor = self.layers(masked_mean(x, mask))
        return logits

    def attention(self, x: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:  # noqa: ARG002 - none looks at them
        """A head of the mean has none.

        Raises:
            ConfigError: Always.
        """
        name = type(self).__module__.rpartition(".")[2]
        raise ConfigError(
            f"head '{name}' has no attention; light_attention and cnn_attention have, and lstm and "
            "cnn_lstm with pooling: attention"
        )


class BatchNorm(nn.BatchNorm1d):
    """Batch normalization (Ioffe & Szegedy 2015) that also learns from a batch of one.

    One example has no spread, and PyTorch refuses it; the last batch of an epoch may be one. It is then
    normalized as in evaluation.
    """

    def forward(self, x: Tensor) -> Tensor:
        """(B, D) → (B, D)."""
        if self.training and x.shape[0] == 1:
            return functional.batch_norm(
                x, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps
            )
        return super().forward(x)
