"""Torch modules from a model folder: what was trained, as it was, so that gradients can be taken.

A model folder predicts from its graph, which has no gradients. The module is built again from the options in
`model.json` and from the arrays, and is compared with the graph before anyone uses it.

Axis letters: B batch, L residues, D width, F features, C classes, S scores.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from sortilin import artifact, registry
from sortilin.artifact import ModelFolder
from sortilin.component import Component, explain
from sortilin.errors import ConfigError, MissingDependencyError, ModelFolderError
from sortilin.sequences import tokens

RESTORED = ("neural", "head", "fine_tuned")
"""Classifiers whose module is restored."""

PROBE = ("MKVLAAGIVGLCWXDEFHNPQRSTYMKVLA", "MSTNPKPQRK")
"""Of unlike lengths, so that pads are among what is compared."""

PREFIX, MASKS = "classifier.", "masks."
"""Before the arrays of a classifier in a model folder, and before those that are dropout masks."""

_TOLERANCE = 1e-4


def why_not(model: ModelFolder) -> str | None:
    """None if a model's module can be restored, else the reason in words."""
    name = model.description["classifier"]["name"]
    if name not in RESTORED:
        return f"its classifier, {name}, has no gradients; networks have: {', '.join(RESTORED)}"
    if model.description.get("multi_label"):
        return "gradients are of the log-odds of one class against all others, and it gives several labels"
    if importlib.util.find_spec("torch") is None:
        return "gradients need torch: pip install 'sortilin[train]'"
    return None


def restored(model: ModelFolder) -> Any:
    """The torch module of a model, in eval mode, without gradients of its weights.

    Args:
        model: Its folder.

    Returns:
        Of `neural` a `Network` from tokens (B, L), of `head` a `FeatureNetwork` from features (B, F), of
        `fine_tuned` a `ResidueNetwork` from residue vectors (B, L, D) and mask (B, L); each to (B, C) logits.

    Raises:
        ConfigError: Its classifier is none of these.
        MissingDependencyError: torch is not installed.
        ModelFolderError: Options or arrays are not those of its graph.
    """
    if importlib.util.find_spec("torch") is None:
        raise MissingDependencyError("explaining by gradients", "torch", "train")
    if reason := why_not(model):
        raise ConfigError(f"{model.path}: {reason}")
    network = _whole(model, _config(model)).eval().requires_grad_(requires_grad=False)
    _check(model, network)
    return network


def _whole(model: ModelFolder, config: Any) -> Any:
    """One network, or the mean of members and of dropout masks; see `_members`."""
    if config.members == 1 and not config.dropout_samples:
        return _loaded(model, _module(model, config), PREFIX)
    from sortilin.classifiers._members import Masked, Mean

    networks = []
    for number in range(1, config.members + 1):
        prefix = PREFIX if config.members == 1 else f"{PREFIX}member{number}."
        network = _loaded(model, _module(model, config), prefix).eval()
        masks = _arrays_below(model, f"{prefix}{MASKS}")
        networks.append(Masked(network, masks) if masks else network)
    found = Mean(networks)
    if model.description["classifier"]["name"] == "head":  # of the same rows, whichever member
        one = found.bare()[0]
        found.register_buffer("mean", one.mean)
        found.register_buffer("scale", one.scale)
    return found


def _config(model: ModelFolder) -> Any:
    spec = model.description["classifier"]
    try:
        return registry.get("classifier", spec["name"]).Config(**spec.get("config", {}))
    except ValidationError as error:
        raise ModelFolderError(
            f"{model.path / artifact.DESCRIPTION}: options of classifier '{spec['name']}' are not this "
            f"version's: {explain(error)}"
        ) from None


def _module(model: ModelFolder, config: Any) -> Any:
    """With the weights that it is built with."""
    import torch

    from sortilin.classifiers import _network

    n_classes = len(model.description["classes"])
    with torch.random.fork_rng(devices=[]):  # weights are drawn, and replaced
        if model.description["classifier"]["name"] == "neural":
            base = config.backbone.build("backbone")
            return _network.Network(base, _head(config.head, base.width, n_classes))
        if model.description["classifier"]["name"] == "head":
            n_features = int(model.description["features"]["n_features"])
            blank = np.zeros(n_features, dtype=np.float32)
            head = _head(config.head, n_features, n_classes)
            return _network.FeatureNetwork(head, blank, blank + 1)
        from sortilin.classifiers._finetuning import ResidueNetwork

        width = int(model.description["language_model"]["width"])
        return ResidueNetwork(_head(config.head, width, n_classes))


def _head(spec: Component, width: int, n_classes: int) -> Any:
    variant, options = spec.resolved("head")
    return variant(options, width=width, n_classes=n_classes)


def _arrays_below(model: ModelFolder, prefix: str) -> dict[str, NDArray[Any]]:
    """Arrays whose names begin so, by the rest of their names."""
    from safetensors import safe_open

    with safe_open(model.path / artifact.ARRAYS, framework="numpy") as stored:
        names = sorted(name for name in stored.keys() if name.startswith(prefix))  # noqa: SIM118 - no mapping
    return {name.removeprefix(prefix): model.array(name) for name in names}


def _loaded(model: ModelFolder, module: Any, prefix: str) -> Any:
    """The module with the arrays of a folder, whose names begin so, as its weights."""
    import torch

    state = {}
    for name, weight in module.state_dict().items():
        array = torch.from_numpy(np.array(model.array(f"{prefix}{name}")))
        if array.numel() != weight.numel():
            raise ModelFolderError(
                f"{model.path / artifact.ARRAYS}: '{prefix}{name}' is of shape {tuple(array.shape)}, and the "
                f"options in {artifact.DESCRIPTION} need {tuple(weight.shape)}"
            )
        state[name] = array.reshape(weight.shape).to(weight.dtype)
    module.load_state_dict(state)
    return module


def _check(model: ModelFolder, network: Any) -> None:
    """Compare the module with the graph, on numbers that need no language model.

    Raises:
        ModelFolderError: They differ.
    """
    import torch

    from sortilin.classifiers._network import as_scores

    given = _probe(model, network)
    names = [name for name in ("features", "tokens", "residues", "mask") if name in given]
    with torch.inference_mode():
        found = as_scores(network(*(torch.from_numpy(given[name]) for name in names))).numpy()
    expected = _of_graph(model, given)
    gap = float(np.abs(found - expected).max()) if found.shape == expected.shape else float("inf")
    if not gap <= _TOLERANCE * max(1.0, float(np.abs(expected).max())):
        raise ModelFolderError(
            f"{model.path}: its arrays do not give what its graph gives (scores differ by {gap:.2g}; "
            f"allowed: {_TOLERANCE:g}): train it again"
        )


def _probe(model: ModelFolder, network: Any) -> Mapping[str, NDArray[Any]]:
    """Inputs of the graph by name, the same whenever they are made."""
    described = model.description
    if described["classifier"]["name"] == "neural":
        return {"tokens": tokens.pad(PROBE)}
    rng = np.random.default_rng(0)
    if described["classifier"]["name"] == "head":
        width = int(described["features"]["n_features"])
        drawn = network.mean.numpy() + network.scale.numpy() * rng.standard_normal((2, width))
        return {"features": drawn.astype(np.float32)}
    lengths = np.array([len(sequence) for sequence in PROBE])
    mask = np.arange(lengths.max()) < lengths[:, None]
    vectors = rng.standard_normal((*mask.shape, int(described["language_model"]["width"])))
    return {"residues": (vectors * mask[..., None]).astype(np.float32), "mask": mask}


def _of_graph(model: ModelFolder, given: Mapping[str, NDArray[Any]]) -> NDArray[np.float32]:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(model.graph, options, providers=["CPUExecutionProvider"])
        return np.asarray(session.run(["scores"], dict(given))[0])
    except Exception as error:  # onnxruntime's errors share no public base class
        raise ModelFolderError(f"{model.path / artifact.GRAPH} cannot be run: {error}") from error
