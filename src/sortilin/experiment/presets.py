"""Models by name: features, classifier and options that go together.

`BACKBONE+HEAD` is a head on any language model: `esm2_t33+mlp`, `esm2_t33+cnn_attention`. A head of the mean
(`mlp`, `linear`) reads one vector a sequence. Which vector that is, and which form of the MLP reads it, is as
in the text of Li, "Benchmarking Transformer-Based Embeddings for Protein Subcellular Localization": [CLS] for
ProtBERT and ProtAlbert, the mean for all others; the deep MLP for ESM-2, the shallow one for all others. Of a
sequence beyond 2,000 residues the first 1,900 and the last 100 are read, as in the paper's code. Any other
head reads the vectors of the residues (classifier `fine_tuned`); the language model stays as it is unless
`mode` says otherwise.

The recurrent networks carry the hyperparameters of Li, "Benchmarking Transformer-Based Embeddings for
Protein Subcellular Localization", Table 6. What the table leaves open (batch size, epochs, dropout) is ours.
`cnn-attention` is ACP-ESM2 (Gao et al. 2025, doi:10.1109/TCBBIO.2025.3547952) without its language model.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sortilin import language_models, registry
from sortilin.component import Component
from sortilin.errors import UnknownNameError
from sortilin.experiment.config import default_features

LOCALIZATION = "localization"
CNN_WINDOW = 4
"""The paper pools convolutions before the LSTM and does not say over how many positions."""


@dataclass(frozen=True, slots=True)
class Preset:
    """A model that can be asked for by name.

    Attributes:
        name: Its name.
        title: What stands in tables.
        features: Descriptor set; None for networks.
        classifier: Classifier and options.
        published: Its row in the benchmark's Table 1; None if it has none.
    """

    name: str
    title: str
    features: Component | None
    classifier: Component
    published: str | None = None


@dataclass(frozen=True, slots=True)
class _Network:
    """A row of Table 6."""

    title: str
    embedding: int
    learning_rate: float
    head: str
    options: Mapping[str, Any]

    def component(self) -> Component:
        """The classifier that it stands for."""
        return Component(
            name="neural",
            options={
                "backbone": {"name": "onehot", "options": {"embedding": self.embedding}},
                "head": {"name": self.head, "options": dict(self.options)},
                "training": {"learning_rate": self.learning_rate},
            },
        )


_NETWORKS = {
    "lstm": _Network("LSTM", 128, 4.24e-4, "lstm", {"hidden": 256}),
    "bilstm": _Network("BiLSTM", 128, 2.97e-4, "lstm", {"hidden": 256, "bidirectional": True}),
    "attention-lstm": _Network(
        "Attention-LSTM",
        64,
        3.18e-4,
        "lstm",
        {"hidden": 512, "bidirectional": True, "pooling": "attention"},
    ),
    "lstm-cnn": _Network(
        "LSTM-CNN", 128, 4.20e-4, "cnn_lstm", {"hidden": 512, "kernels": [3, 5, 7], "window": CNN_WINDOW}
    ),
    "cnn-bilstm-attention": _Network(
        "CNN-BiLSTM-Attention",
        128,
        1.85e-4,
        "cnn_lstm",
        {
            "hidden": 256,
            "kernels": [3, 5, 9],
            "window": CNN_WINDOW,
            "bidirectional": True,
            "pooling": "attention",
        },
    ),
}

CNN_ATTENTION = "cnn-attention"

_CNN_ATTENTION = Component(
    name="neural",
    options={
        "backbone": {"name": "onehot", "options": {"embedding": 128}},
        "head": {"name": "cnn_attention", "options": {}},
        "training": {"metric": "mcc", "epochs": 20},
    },
)
"""Sizes are the head's own, which are published; the width of the embedding and the epochs are ours."""

_OF_THE_MEAN = ("linear", "mlp")
"""Heads to which one vector a sequence is enough."""

JOINT = "+"
"""Stands between backbone and head in a name."""

ANY_BACKBONE = "BACKBONE+HEAD"
"""What names of that kind are called where all names are listed."""

_CLS = ("protbert", "protalbert")
_DEEP = "esm2"
"""How the names of checkpoints begin whose vector is that of [CLS], and which the deep MLP reads."""

DEEP_MLP: Mapping[str, Any] = {"hidden": [512, 256], "dropout": [0.3, 0.2], "batch_norm": True}
"""Options of the head `mlp` that make the paper's deep form; its defaults are the shallow one."""

_PUBLISHED_BACKBONES = {
    "esm2_t6": "ESM2-T6",
    "esm2_t33": "ESM2-T33",
    "protbert": "ProtBERT",
    "protalbert": "ProtAlbert",
    "protxlnet": "ProtXLNet",
}
"""Checkpoint → its name in the benchmark's Table 1, where it stands with an MLP."""

NAMES = ("svm", "boosting", *_NETWORKS, CNN_ATTENTION)
"""All presets without a language model, in the order of the papers' tables."""


def get(name: str, task: str) -> Preset:
    """The preset of a name, with the features that suit a task.

    Raises:
        UnknownNameError: There is none; the message offers the nearest names.
    """
    if name in _NETWORKS:
        network = _NETWORKS[name]
        return Preset(name, network.title, None, network.component(), network.title)
    if name == CNN_ATTENTION:
        return Preset(name, "CNN and self-attention", None, _CNN_ATTENTION)
    if name == "svm":
        features = "paper71" if task == LOCALIZATION else default_features(task)
        return Preset(name, f"SVM, {features}", Component(name=features), Component(name=name), "SVM")
    if name == "boosting":
        features = default_features(task)
        return Preset(name, f"boosted trees, {features}", Component(name=features), Component(name=name))
    if JOINT in name:
        return _on_a_language_model(name)
    raise UnknownNameError("model", name, (*NAMES, ANY_BACKBONE))


def _on_a_language_model(name: str) -> Preset:
    """A head on the vectors of a language model, of sequences or of residues.

    Raises:
        UnknownNameError: There is no such backbone, or no such head.
    """
    backbone, _, head = name.rpartition(JOINT)
    if head not in registry.names("head"):
        raise UnknownNameError("head", head, registry.names("head"))
    return (_on_sequences if head in _OF_THE_MEAN else _on_residues)(backbone, head)


def _on_residues(backbone: str, head: str) -> Preset:
    language_models.checkpoint(backbone)
    options = {"backbone": backbone, "mode": "frozen", "head": {"name": head, "options": {}}}
    return Preset(
        f"{backbone}{JOINT}{head}",
        f"{backbone} + {head}",
        None,
        Component(name="fine_tuned", options=options),
    )


def _on_sequences(backbone: str, head: str) -> Preset:
    pooling = "cls" if backbone.startswith(_CLS) else "mean"
    features = Component(
        name="embedding",
        options={"backbone": backbone, "pooling": pooling, "length_policy": "head-tail"},
    )
    features.build("features")
    options = dict(DEEP_MLP) if head == "mlp" and backbone.startswith(_DEEP) else {}
    classifier = Component(name="head", options={"head": {"name": head, "options": options}})
    published = f"{_PUBLISHED_BACKBONES[backbone]}+MLP" if _is_published(backbone, head) else None
    return Preset(f"{backbone}{JOINT}{head}", f"{backbone} + {head}", features, classifier, published)


def _is_published(backbone: str, head: str) -> bool:
    return head == "mlp" and backbone in _PUBLISHED_BACKBONES


def merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """`base` with the values of `over` in place of its own, nested mappings merged alike."""
    result = dict(base)
    for key, value in over.items():
        old = result.get(key)
        both = isinstance(old, Mapping) and isinstance(value, Mapping)
        result[key] = merged(old, value) if both else value  # type: ignore[arg-type]
    return result
