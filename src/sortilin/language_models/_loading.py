"""Checkpoints from their files: transformers' own module, the encoder alone, checked on the way."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sortilin.errors import BackboneError, ConfigError, MissingDependencyError
from sortilin.language_models import _config, _files, _hub, _place, _tokenizer
from sortilin.language_models._checkpoint import MAIN, Checkpoint
from sortilin.language_models._family import DTYPES, Family
from sortilin.language_models._model import LoadedModel
from sortilin.language_models._place import Place
from sortilin.language_models._vocabulary import Vocabulary

if TYPE_CHECKING:
    from sortilin.interfaces import OnProgress

NOT_NEEDED = ("contact_head.", "pooler.", "position_ids", "inv_freq")
"""Parts of a key that a checkpoint may lack: nothing here reads what they hold."""

OWN_WORDS = "see its model card"
SILENT = 60
"""A level of logging above all messages."""


def checkpoint(name: str) -> Checkpoint:
    """What is known of a checkpoint: a short name, a hub id with or without `@revision`, or a folder.

    One of the tables is known before it is fetched. Of any other, `config.json` is read, so that it must be
    on this machine.

    Raises:
        UnknownNameError: There is no such checkpoint; the message offers the nearest names.
        BackboneError: It is in no table and not on this machine, or it cannot be used.
    """
    place = _place.resolve(name)
    if place.listed is not None:
        return replace(place.listed, revision=place.commit or MAIN)
    folder = _hub.whole(place)
    family = _config.family_of(folder, None)
    vocabulary = _tokenizer.read(folder, family, is_listed=False)
    return _described(place, folder, family, _read_config(folder, family), vocabulary)


def load(
    name: str,
    *,
    dtype: str = "float32",
    offline: bool | None = None,
    on_progress: OnProgress | None = None,
) -> LoadedModel:
    """A checkpoint, ready to compute; one that is not on this machine is fetched.

    Args:
        name: Short name, hub id with or without `@revision`, or a folder.
        dtype: "float32", "bfloat16" or "float16"; what is computed in. `hidden` gives float32 always.
        offline: Never connect; None for what `HF_HUB_OFFLINE` says.
        on_progress: Called while files are fetched.

    Raises:
        UnknownNameError: There is no such checkpoint.
        BackboneError: It is not there and cannot be fetched, or its files are wrong.
        ConfigError: There is no such `dtype`, or the family cannot compute in it.
        MissingDependencyError: torch or transformers is not installed.
    """
    if dtype not in DTYPES:
        raise ConfigError(f"dtype is '{dtype}'; allowed: {', '.join(DTYPES)}")
    _check_packages()
    place = _place.resolve(name)
    folder = _folder(place, offline=offline, on_progress=on_progress)
    family = _config.family_of(folder, place.listed)
    if dtype not in family.dtypes:
        raise ConfigError(f"{name} computes in {' or '.join(family.dtypes)} only, not in {dtype}")
    config = _read_config(folder, family)
    _check_listed(place, folder, config)
    vocabulary = _tokenizer.read(folder, family, is_listed=place.listed is not None)
    module = _module(folder, family, config, dtype)
    _check_rows(folder, module, vocabulary)
    found = _described(place, folder, family, config, vocabulary)
    return LoadedModel(found, vocabulary, module, folder)


def _check_packages() -> None:
    for package in ("torch", "transformers"):
        if importlib.util.find_spec(package) is None:
            raise MissingDependencyError("a backbone", package, "plm")


def _folder(place: Place, *, offline: bool | None, on_progress: OnProgress | None) -> Path:
    is_offline = _place.is_offline() if offline is None else offline
    folder = place.folder
    is_there = folder is not None and not _files.missing_in(folder)
    if not is_there and not is_offline and place.own_folder is None:
        return _hub.fetch(place.name, on_progress=on_progress)
    folder = _hub.whole(place)
    with suppress(BackboneError):  # a cache that is read only
        place.pin(folder.name)
    return folder


def _read_config(folder: Path, family: type[Family]) -> Any:
    from transformers import AutoConfig

    reader = family.config_class() if family.checkpoints else AutoConfig
    try:
        return reader.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except (OSError, ValueError, TypeError) as error:
        raise BackboneError(f"{folder / _files.CONFIG} cannot be read: {_first_line(error)}") from error


def _check_listed(place: Place, folder: Path, config: Any) -> None:
    listed = place.listed
    if listed is None:
        return
    found = (config.hidden_size, config.num_hidden_layers)
    if found != (listed.width, listed.n_layers):
        raise BackboneError(
            f"{folder} is not {listed.name}: its config.json says width {found[0]} and {found[1]} layers, "
            f"expected {listed.width} and {listed.n_layers}"
        )


def _module(folder: Path, family: type[Family], config: Any, dtype: str) -> Any:
    import torch

    names = _files.weights({path.name for path in folder.iterdir()})
    for name in names:
        _check_file(folder / name)
    model_class, options = _config.module_class(family, config)
    try:
        with _quiet():
            module, report = model_class.from_pretrained(
                folder,
                config=config,
                dtype=getattr(torch, dtype),
                local_files_only=True,
                use_safetensors=any(".safetensors" in name for name in names),
                weights_only=True,
                output_loading_info=True,
                ignore_mismatched_sizes=True,  # reported, and refused below
                **options,
            )
    except Exception as error:
        raise BackboneError(f"{folder}: the weights cannot be read: {_first_line(error)}") from error
    _check_report(folder, report)
    return module.eval().requires_grad_(requires_grad=False)


def _check_file(path: Path) -> None:
    """Whether a file of weights is whole, as far as its own header tells.

    Raises:
        BackboneError: It is cut short or no such file.
    """
    from safetensors import SafetensorError, safe_open

    if path.suffix != ".safetensors":
        return
    try:
        with safe_open(path, framework="numpy"):
            pass
    except (SafetensorError, OSError) as error:
        raise BackboneError(
            f"{path} is damaged: {_first_line(error)}; fetch it again with: sortilin backbones fetch NAME"
        ) from error


def _check_report(folder: Path, report: Any) -> None:
    """Weights that a file lacks would be random numbers: that is an error, never a warning."""
    keys = {*report["missing_keys"], *(str(key[0]) for key in report["mismatched_keys"])}
    lacking = [key for key in keys if not any(part in key for part in NOT_NEEDED)]
    if lacking:
        more = f" and {len(lacking) - 3} more" if len(lacking) > 3 else ""
        raise BackboneError(
            f"{folder}: the weights are not those of its config.json: {', '.join(sorted(lacking)[:3])}{more} "
            "missing or of another shape"
        )


def _check_rows(folder: Path, module: Any, vocabulary: Vocabulary) -> None:
    n_rows = int(module.get_input_embeddings().num_embeddings)
    highest = max(int(vocabulary.id_of_byte.max()), vocabulary.pad, *vocabulary.before, *vocabulary.after)
    if highest >= n_rows:
        raise BackboneError(
            f"{folder}: the tokenizer gives token {highest}, but the model has {n_rows}; "
            "they are not of one model"
        )


def _described(
    place: Place, folder: Path, family: type[Family], config: Any, vocabulary: Vocabulary
) -> Checkpoint:
    most_residues = _config.most_residues(family, config, vocabulary.n_special)
    if place.listed is not None:
        return replace(place.listed, revision=folder.name, most_residues=most_residues)
    names = [path.name for path in folder.iterdir()]
    return Checkpoint(
        name=place.name if place.hub_id else folder.name or str(folder),
        family="huggingface",
        hub_id=place.hub_id or str(folder),
        revision=folder.name if place.hub_id else _files.fingerprint(folder),
        width=int(config.hidden_size),
        n_layers=int(config.num_hidden_layers),
        n_parameters=_n_parameters(family, config),
        download_bytes=sum((folder / name).stat().st_size for name in _files.choose(names)),
        licence=OWN_WORDS,
        citation=OWN_WORDS,
        most_residues=most_residues,
        trained_residues=None,
        half_precision="16" in str(getattr(config, "dtype", "")),
    )


def _n_parameters(family: type[Family], config: Any) -> int:
    import torch

    model_class, options = _config.module_class(family, config)
    with torch.device("meta"):
        module = model_class(config, **options)
    return sum(parameter.numel() for parameter in module.parameters())


@contextmanager
def _quiet() -> Iterator[None]:
    """Stops reports and bars of transformers: the library itself never prints."""
    from transformers.utils import logging

    level, has_bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity(SILENT)
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if has_bars:
            logging.enable_progress_bar()  # type: ignore[no-untyped-call]


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0] or type(error).__name__
