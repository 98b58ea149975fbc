"""Fetching from a hub on this machine: whole, pinned, cut, changed, refused, offline."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("huggingface_hub")
pytest.importorskip("transformers")
pytest.importorskip("sentencepiece")

from hub import LAYERS, WIDTH, files_of
from sortilin import language_models
from sortilin.errors import BackboneError
from sortilin.language_models import _place

if TYPE_CHECKING:
    from hub import Hub

T6 = "c731040fcd8d73dceaa04b0a8e6329b345b0f5df"
SNAPSHOT = f"models--facebook--esm2_t6_8M_UR50D/snapshots/{T6}"


def no_wait(seconds: float) -> None:
    """Between tries."""


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", no_wait)


def fault(name: str = "esm2_t6") -> str:
    with pytest.raises(BackboneError) as caught:
        language_models.fetch(name)
    return str(caught.value)


def gets(hub: Hub, name: str) -> int:
    return sum(request.startswith("GET") and request.endswith(f"/{name}") for request in hub.requests)


def half_written(cache: Path) -> list[Path]:
    return list(cache.rglob("*.incomplete*"))


# --- what is fetched, and where it lands


def test_checkpoint_arrives_whole_in_the_cache_of_the_hub(
    hub: Hub, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    hub.publish("esm2_t6")
    folder = language_models.fetch("esm2_t6")
    assert folder == _place.cache() / SNAPSHOT == language_models.locate("esm2_t6")
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == files_of("esm2")
    assert language_models.path("esm2_t6") == folder
    assert half_written(_place.cache()) == []
    assert (*capfd.readouterr(), caplog.text) == ("", "", "")


def test_only_what_is_needed_is_fetched(hub: Hub) -> None:
    hub.publish("esm2_t6")
    more = {"README.md": b"card", "tf_model.h5": b"x" * 99, "pytorch_model.bin": b"y" * 99, "onnx.onnx": b"z"}
    hub.repositories["facebook/esm2_t6_8M_UR50D"].commits[T6] |= more
    folder = language_models.fetch("esm2_t6")
    assert not {path.name for path in folder.iterdir()} & set(more)


def test_pinned_revision_is_fetched_whatever_main_is(hub: Hub) -> None:
    hub.publish("esm2_t6")
    hub.add("facebook/esm2_t6_8M_UR50D", files_of("esm2", seed=2), name="main")
    folder = language_models.fetch("esm2_t6")
    assert folder.name == T6
    assert (folder / "model.safetensors").read_bytes() == files_of("esm2")["model.safetensors"]


def test_second_fetch_and_load_ask_nobody(hub: Hub) -> None:
    hub.publish("esm2_t6")
    language_models.fetch("esm2_t6")
    hub.requests.clear()
    language_models.fetch("esm2_t6")
    model = language_models.load("esm2_t6")
    assert (model.checkpoint.width, model.checkpoint.n_layers) == (WIDTH, LAYERS)
    assert hub.requests == []


def test_load_fetches_what_is_missing(hub: Hub) -> None:
    hub.publish("prott5", as_bin=True, half=True)
    model = language_models.load("prott5")
    assert {parameter.dtype.itemsize for parameter in model.module.parameters()} == {4}
    assert model.folder == language_models.locate("prott5")


def test_progress_counts_bytes_up_to_the_size(hub: Hub) -> None:
    hub.publish("esm2_t6")
    seen: list[tuple[str, int, int]] = []
    language_models.fetch("esm2_t6", on_progress=lambda *told: seen.append(told))
    files = files_of("esm2")
    last = {stage: (done, total) for stage, done, total in seen}
    assert last == {f"esm2_t6 {name}": (len(files[name]), len(files[name])) for name in files}


@pytest.mark.parametrize("as_bin", [False, True])
@pytest.mark.parametrize("name", ["esm2_t6", "protbert"])
def test_weights_in_parts_are_those_in_one(hub: Hub, name: str, *, as_bin: bool) -> None:
    import torch

    tables = hub.publish(name)
    (sequence,) = ["MKVLAAGIX"]
    hub.publish(name)
    whole = language_models.load(name)
    parts = files_of(tables.family, shards=True, as_bin=as_bin)
    assert sum(key.endswith((".safetensors", ".bin")) for key in parts) > 1
    hub.add("mine/parts", parts)
    model = language_models.load("mine/parts")
    ids, attention, _ = map(torch.from_numpy, model.vocabulary.batch([sequence]))
    assert torch.equal(model.hidden(ids, attention), whole.hidden(ids, attention))


def test_missing_part_of_weights_is_no_whole_checkpoint(hub: Hub) -> None:
    hub.add("mine/parts", files_of("esm2", shards=True))
    folder = language_models.fetch("mine/parts")
    part = sorted(folder.glob("*.safetensors"))[1]
    part.unlink()
    assert language_models.locate("mine/parts") is None
    with pytest.raises(BackboneError, match=f"missing {part.name}; looked in {folder}"):
        language_models.load("mine/parts", offline=True)
    assert language_models.fetch("mine/parts") == folder
    assert part.exists()


# --- revisions


def test_first_commit_is_kept_where_none_is_pinned(hub: Hub) -> None:
    hub.publish("protalbert")
    first = language_models.load("protalbert").checkpoint.revision
    assert first == hub.repositories["Rostlab/prot_albert"].names["main"]
    moved = hub.add("Rostlab/prot_albert", files_of("protalbert", seed=2))
    assert moved != first
    assert language_models.fetch("protalbert").name == first
    assert language_models.checkpoint("protalbert").revision == first
    assert language_models.load("protalbert").checkpoint.revision == first
    reference = _place.cache() / "models--Rostlab--prot_albert" / "refs" / "sortilin"
    assert reference.read_text() == first


def test_unpinned_checkpoint_says_main_until_it_is_fetched(hub: Hub) -> None:
    assert language_models.checkpoint("protalbert").revision == "main"


def test_snapshot_of_another_program_is_taken_and_pinned(hub: Hub) -> None:
    from huggingface_hub import snapshot_download

    hub.publish("protxlnet")
    snapshot_download("Rostlab/prot_xlnet", endpoint=hub.url, cache_dir=_place.cache())
    hub.requests.clear()
    first = language_models.load("protxlnet").checkpoint.revision
    assert hub.requests == []
    (_place.cache() / "models--Rostlab--prot_xlnet" / "refs" / "main").write_text("0" * 40)
    assert language_models.load("protxlnet", offline=True).checkpoint.revision == first


def test_branch_is_asked_for_each_time_and_kept_offline(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    first = hub.add("mine/esm", files_of("esm2"), name="dev")
    assert language_models.fetch("mine/esm@dev").name == first
    second = hub.add("mine/esm", files_of("esm2", seed=2), name="dev")
    assert language_models.load("mine/esm@dev").checkpoint.revision == first
    assert language_models.fetch("mine/esm@dev").name == second
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert language_models.load("mine/esm@dev").checkpoint.revision == second
    assert language_models.load(f"mine/esm@{first}").checkpoint.revision == first


def test_hub_id_that_is_in_no_table_is_described_by_its_files(hub: Hub) -> None:
    commit = hub.add("mine/esm", files_of("esm2"))
    with pytest.raises(BackboneError, match=r"backbone mine/esm .* is not on this machine"):
        language_models.checkpoint("mine/esm")
    model = language_models.load("mine/esm")
    found = language_models.checkpoint("mine/esm")
    assert found == model.checkpoint
    assert (found.family, found.hub_id, found.revision) == ("huggingface", "mine/esm", commit)
    assert (found.width, found.n_layers, found.most_residues) == (WIDTH, LAYERS, None)
    assert found.download_bytes == sum(map(len, files_of("esm2").values()))


def test_unknown_revision_is_named(hub: Hub) -> None:
    hub.add("mine/esm", files_of("esm2"))
    assert fault("mine/esm@v9") == "cannot fetch mine/esm@v9 (mine/esm): it has no revision 'v9'"


# --- faults on the way


def test_cut_connection_is_resumed_where_it_broke(hub: Hub) -> None:
    hub.publish("esm2_t6")
    hub.cuts = [40_000, 30_000]
    folder = language_models.fetch("esm2_t6")
    assert (folder / "model.safetensors").read_bytes() == files_of("esm2")["model.safetensors"]
    assert gets(hub, "model.safetensors") == 3


def test_connection_that_breaks_again_and_again_keeps_what_was_whole(hub: Hub) -> None:
    hub.publish("esm2_t6")
    hub.cuts = [0] * 20
    message = fault()
    assert message.startswith("cannot fetch esm2_t6 (facebook/esm2_t6_8M_UR50D): ")
    assert "check the connection" in message
    assert half_written(_place.cache()) == []
    assert language_models.locate("esm2_t6") is None
    hub.cuts = []
    language_models.fetch("esm2_t6")
    assert language_models.locate("esm2_t6") is not None


@pytest.mark.parametrize("name", ["model.safetensors", "vocab.txt"])
def test_file_that_is_changed_on_the_way_is_not_kept(hub: Hub, name: str) -> None:
    hub.publish("esm2_t6")
    content = files_of("esm2")[name]
    hub.changed[name] = bytes([content[0] ^ 1]) + content[1:]
    message = fault()
    assert message.startswith(f"facebook/esm2_t6_8M_UR50D {name} is not the file that the hub lists: ")
    assert "it was not kept" in message
    assert gets(hub, name) == 2
    assert not (_place.cache() / SNAPSHOT / name).exists()
    hub.changed.clear()
    assert (language_models.fetch("esm2_t6") / name).read_bytes() == content


def test_file_that_is_damaged_in_the_cache_is_fetched_again(hub: Hub) -> None:
    hub.publish("esm2_t6")
    path = language_models.fetch("esm2_t6") / "model.safetensors"
    content = path.read_bytes()
    path.resolve().write_bytes(content[:-4] + b"....")
    language_models.fetch("esm2_t6")
    assert path.read_bytes() == content


def copy_without_links(hub: Hub, target: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The cache as a stick of FAT has it; its file of weights."""
    hub.publish("esm2_t6")
    language_models.fetch("esm2_t6")
    shutil.copytree(_place.cache(), target)
    monkeypatch.setenv("HF_HUB_CACHE", str(target))
    hub.requests.clear()
    return target / SNAPSHOT / "model.safetensors"


def test_copy_without_links_is_compared_with_the_list_of_the_hub(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = copy_without_links(hub, tmp_path / "usb", monkeypatch)
    assert not path.is_symlink()
    content = path.read_bytes()
    assert language_models.fetch("esm2_t6") == path.parent
    assert gets(hub, path.name) == 0  # sound
    path.write_bytes(content[:-4] + b"....")
    assert language_models.fetch("esm2_t6") == path.parent
    assert path.read_bytes() == content


def test_copy_without_links_is_used_offline(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = copy_without_links(hub, tmp_path / "usb", monkeypatch)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert language_models.fetch("esm2_t6") == path.parent
    assert hub.requests == []


def test_file_that_the_hub_lists_and_has_not_is_named(hub: Hub) -> None:
    hub.publish("esm2_t6")
    hub.hidden.add("vocab.txt")
    assert "a file that the hub lists is not there: " in fault()


@pytest.mark.parametrize(
    ("missing", "expected"),
    [
        ("config.json", "lacks config.json; it holds: model.safetensors, tokenizer_config.json, vocab.txt"),
        (
            "vocab.txt",
            "lacks a vocabulary (tokenizer.json, vocab.txt or spiece.model); it holds: config.json",
        ),
        (
            "model.safetensors",
            "lacks weights (model.safetensors or pytorch_model.bin, whole or with an index)",
        ),
    ],
)
def test_repository_that_is_no_model_says_what_it_lacks(hub: Hub, missing: str, expected: str) -> None:
    files = {name: content for name, content in files_of("esm2").items() if name != missing}
    commit = hub.add("mine/half", files)
    assert fault("mine/half").startswith(f"mine/half at revision {commit} {expected}")


def test_private_repository_needs_the_token(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.add("mine/secret", files_of("esm2"))
    hub.repositories["mine/secret"].token = "hf_right"
    expected = (
        "cannot fetch mine/secret (mine/secret): there is no such repository, or it is private: "
        "set HF_TOKEN to a token that may read it"
    )
    assert fault("mine/secret") == expected
    monkeypatch.setenv("HF_TOKEN", "hf_wrong")
    assert fault("mine/secret") == expected
    monkeypatch.setenv("HF_TOKEN", "hf_right")
    assert language_models.fetch("mine/secret").is_dir()


def test_gated_repository_says_how_to_ask(hub: Hub) -> None:
    hub.add("mine/gated", files_of("esm2"))
    hub.repositories["mine/gated"].is_gated = True
    assert "its authors give access on request: ask on its page, then set HF_TOKEN" in fault("mine/gated")


def test_hub_that_fails_says_its_status(hub: Hub) -> None:
    hub.publish("esm2_t6")
    hub.status = 500
    assert "the hub answers 500; try again later" in fault()
    hub.status = 403
    assert "the hub answers 403; it refuses the token; check HF_TOKEN" in fault()


def test_no_network_says_so(hub: Hub) -> None:
    hub.http.server_close()
    message = fault()
    assert message.startswith("cannot fetch esm2_t6 (facebook/esm2_t6_8M_UR50D): ")
    assert message.endswith(
        "check the connection (HTTPS_PROXY and HF_ENDPOINT, if they are set) and try again"
    )


def test_full_disk_is_seen_before_the_download(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.publish("esm2_t6")

    class Usage:
        free = 1_000_000

    monkeypatch.setattr("shutil.disk_usage", lambda _path: Usage)
    assert "esm2_t6 cannot be fetched: " in fault()
    assert "1 MB are free; at least 50 MB are needed" in fault()
    assert gets(hub, "config.json") == 0


def test_disk_that_fills_up_is_named(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    import errno

    import huggingface_hub

    def full(*_arguments: Any, **_options: Any) -> str:
        raise OSError(errno.ENOSPC, "No space left on device")

    hub.publish("esm2_t6")
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", full)
    assert fault().endswith("models--facebook--esm2_t6_8M_UR50D cannot be written: No space left on device")


def test_cache_that_is_a_file_is_named(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.publish("esm2_t6")
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "file"))
    assert str(tmp_path / "file") in fault()


# --- offline


def test_missing_checkpoint_offline_says_what_where_and_how(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.publish("esm2_t6")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(BackboneError) as caught:
        language_models.load("esm2_t6")
    assert str(caught.value) == (
        "backbone esm2_t6 (facebook/esm2_t6_8M_UR50D) is not on this machine: missing config.json and "
        "a vocabulary (tokenizer.json, vocab.txt or spiece.model) and weights (model.safetensors or "
        f"pytorch_model.bin, whole or with an index); looked in {_place.cache() / SNAPSHOT}; fetch it with: "
        "sortilin backbones fetch esm2_t6 (where there is a network; then copy the folder "
        f"{_place.cache()} here, or give a folder that holds its files as the backbone)"
    )
    assert fault().startswith(
        "cannot fetch esm2_t6: HF_HUB_OFFLINE forbids connections; unset it, or: fetch it"
    )
    assert hub.requests == []


def test_one_missing_file_is_named_offline(hub: Hub) -> None:
    hub.publish("esm2_t6")
    (language_models.fetch("esm2_t6") / "config.json").unlink()
    with pytest.raises(BackboneError, match=r"is not on this machine: missing config\.json; looked in"):
        language_models.load("esm2_t6", offline=True)


@pytest.mark.parametrize("variable", ["HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"])
def test_fetched_checkpoint_works_offline(hub: Hub, monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    hub.publish("esm2_t6")
    folder = language_models.fetch("esm2_t6")
    monkeypatch.setenv(variable, "1")
    hub.requests.clear()
    assert language_models.load("esm2_t6").folder == folder
    assert language_models.fetch("esm2_t6") == folder
    assert hub.requests == []


def test_copied_cache_is_used(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.publish("protalbert")
    language_models.fetch("protalbert")
    shutil.copytree(_place.cache(), tmp_path / "usb", symlinks=True)
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "usb"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert language_models.load("protalbert").folder.is_relative_to(tmp_path / "usb")


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"HF_HUB_CACHE": "/a/b"}, "/a/b"),
        ({"HUGGINGFACE_HUB_CACHE": "/a/c"}, "/a/c"),
        ({"HF_HOME": "/a"}, "/a/hub"),
        ({"XDG_CACHE_HOME": "/x"}, "/x/huggingface/hub"),
        ({"HOME": "/h"}, "/h/.cache/huggingface/hub"),
        ({"HF_HOME": "~/m", "HOME": "/h"}, "/h/m/hub"),
    ],
    ids=str,
)
def test_cache_is_where_the_library_of_the_hub_has_it(
    variables: dict[str, str], expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import os
    import subprocess
    import sys

    for name in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert str(_place.cache()) == expected
    script = "from huggingface_hub import constants; print(constants.HF_HUB_CACHE)"
    result = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, env=dict(os.environ)
    )
    assert result.stdout.strip() == expected


# --- what is fetched is what is listed


def test_checkpoint_of_another_size_is_refused(hub: Hub) -> None:
    tiny = hub.publish("esm2_t6")
    files = dict(files_of("esm2"))
    files["config.json"] = json.dumps({**json.loads(files["config.json"]), "num_hidden_layers": 2}).encode()
    hub.repositories[tiny.hub_id].commits[T6] = files
    with pytest.raises(
        BackboneError, match=r"is not esm2_t6: its config\.json says width 32 and 2 layers, expected"
    ):
        language_models.load("esm2_t6")


def test_checkpoint_of_another_architecture_is_refused(hub: Hub) -> None:
    tiny = hub.publish("esm2_t6")
    hub.repositories[tiny.hub_id].commits[T6] = files_of("protbert")
    with pytest.raises(
        BackboneError, match=r"is not esm2_t6: its config\.json says model_type 'bert', which esm2"
    ):
        language_models.load("esm2_t6")


def test_tokenizer_of_another_order_is_read_as_it_is(hub: Hub) -> None:
    """The tables come from the fetched tokenizer, not from the published order."""
    tiny = hub.publish("protbert")
    files = dict(files_of("protbert"))
    lines = files["vocab.txt"].decode().split("\n")
    files["vocab.txt"] = "\n".join([*lines[:5], *reversed(lines[5:])]).encode()
    hub.repositories[tiny.hub_id].commits[tiny.revision] = files
    assert language_models.load("protbert").vocabulary.encode("LO").tolist() == [2, 29, 9, 3]
