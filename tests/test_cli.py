"""The command line: what it writes and where, its exit codes, and what is left when it is stopped."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import os
import pty
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import click
import pyarrow.parquet
import pytest
from click.testing import CliRunner

import printed
import sortilin
import tiny
from sortilin.cli.main import cli
from sortilin.sequences import read_sequences
from terminal import Terminal

EXAMPLES = Path(__file__).parents[1] / "examples"
PROTEINS, PEPTIDES = EXAMPLES / "proteins.fasta", EXAMPLES / "peptides.fasta"
COLUMNS = {
    "localization": "id length prediction probability confidence "
    "p_cytosol p_secreted p_mitochondrion p_nucleus flags",
    "anticancer": "id length prediction probability confidence p_neither p_antimicrobial p_anticancer flags",
}
COMMAND = [sys.executable, "-c", "from sortilin.cli.main import main; main()"]
PATIENCE_S = 60


@pytest.fixture
def faulty(tmp_path: Path) -> Path:
    path = tmp_path / "faulty.fasta"
    path.write_text(">a\nMKVU\n>b\nMK7\n>c\n\n>d\nMKL\n")
    return path


def svm_config(folder: Path) -> Path:
    """A configuration that is run in a moment, with its data."""
    data, config = tiny.write_table(folder / "train.csv", tiny.labelled(1, 20)), folder / "svm.yaml"
    config.write_text(
        f"task: custom\ndata: {data}\nfeatures: {{name: composition}}\nseed: 1\nfolds: 3\n"
        "classifier: {name: svm, options: {c: [1], gamma: [scale]}}\nholdout: 0\nbaselines: false\n"
    )
    return config


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text), delimiter="\t"))


def listing(path: Path) -> list[str]:
    return sorted(entry.name for entry in path.iterdir())


def commands() -> Iterator[tuple[str, ...]]:
    yield ()
    for name, command in cli.commands.items():
        yield (name,)
        if isinstance(command, click.Group):
            yield from ((name, inner) for inner in command.commands)


# --- help and usage


@pytest.mark.parametrize("path", list(commands()), ids=" ".join)
def test_help_of_every_command_says_what_it_does(path: tuple[str, ...]) -> None:
    result = CliRunner().invoke(cli, [*path, "--help"], prog_name="sortilin")
    assert result.exit_code == 0
    assert result.output.startswith(f"Usage: {' '.join(('sortilin', *path))} ")
    if len(path) < 2:
        assert "Examples:\n" in result.output
        assert result.output.count(f"  sortilin {' '.join(path)}") >= 2


def test_module_is_the_command() -> None:
    command = [sys.executable, "-m", "sortilin", "models", "list"]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr
    assert "localization" in found.stdout
    refused = subprocess.run(
        [*command[:3], "predict", "absent.fasta"], capture_output=True, text=True, check=False
    )
    assert refused.returncode == 1
    assert "error: absent.fasta" in refused.stderr


def test_version_is_that_of_the_package(run: Terminal) -> None:
    assert run("--version") == (0, f"sortilin, version {sortilin.__version__}\n", "")


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["predict"], "Error: Missing argument 'SOURCE'."),
        (["predct"], "Error: No such command 'predct'."),
        (["predict", "x.fasta", "--mode", "a"], "Error: No such option '--mode'."),
        (["predict", "x.fasta", "--on-error", "stop"], "Error: Invalid value for '--on-error': 'stop'"),
        (["predict", "x.fasta", "--threads", "0"], "Error: Invalid value for '--threads'"),
        (["train", "--task", "custom"], "Error: Missing option '--output'"),
        (["evaluate", "anticancer"], "Error: Missing option '--data'"),
        (["describe", "x.fasta", "-o", "x.tsv"], "Error: --output is for the table of --features; "),
        (["describe", "x.fasta", "--features", "length", "--json"], "Error: --json is for the summary; "),
    ],
)
def test_wrong_usage_exits_with_2(args: list[str], message: str, run: Terminal) -> None:
    result = run(*args)
    assert (result.code, result.out) == (2, "")
    assert message in result.err


# --- predict


@pytest.mark.parametrize(("model", "source"), [("localization", PROTEINS), ("anticancer", PEPTIDES)])
def test_table_has_exactly_the_columns_and_a_row_a_record(model: str, source: Path, run: Terminal) -> None:
    code, out, err = run("predict", source, "--model", model)
    assert code == 0
    assert out.splitlines()[0].split("\t") == COLUMNS[model].split()
    expected = sortilin.load(model).predict(read_sequences(source))
    found = rows(out)
    assert [row["id"] for row in found] == [p.id for p in expected]
    for row, prediction in zip(found, expected, strict=True):
        assert row["prediction"] == prediction.label
        assert row["confidence"] == prediction.confidence
        assert float(row["probability"]) == pytest.approx(prediction.probability, abs=1e-4)
        assert row["flags"] == ";".join(prediction.flags)
    assert err.startswith(f"{len(expected)} predicted (")


@pytest.mark.parametrize("ending", ["tsv", "tsv.gz", "jsonl", "html", "parquet"])
def test_ending_chooses_the_format_and_the_rest_stands_beside(
    ending: str, tmp_path: Path, run: Terminal
) -> None:
    out = tmp_path / f"out.{ending}"
    code, stdout, err = run("predict", PEPTIDES, "-m", "anticancer", "-o", out)
    assert (code, stdout) == (0, "")
    assert err.startswith(f"{out}: 17 predicted (neither ")
    assert listing(tmp_path) == [out.name, f"{out.name}.meta.json"]
    magic = {"tsv": b"id\t", "tsv.gz": b"\x1f\x8b", "jsonl": b'{"id"', "html": b"<!", "parquet": b"PAR1"}
    assert out.read_bytes().startswith(magic[ending])
    if ending == "parquet":
        assert pyarrow.parquet.read_schema(out).names == COLUMNS["anticancer"].split()


@pytest.mark.parametrize("format_name", ["tsv", "jsonl", "html"])
def test_standard_output_gets_what_a_file_gets(format_name: str, tmp_path: Path, run: Terminal) -> None:
    out = tmp_path / "out"
    assert run("predict", PEPTIDES, "-m", "anticancer", "-o", out, "--format", format_name).code == 0
    result = run("predict", PEPTIDES, "-m", "anticancer", "-o", "-", "--format", format_name)
    if format_name == "html":  # it shows when it was made
        assert result.out.startswith(out.read_text()[:200])
    else:
        assert result.out == out.read_text()


def test_standard_input_is_read(run: Terminal) -> None:
    from_file = run("predict", PEPTIDES, "-m", "anticancer")
    assert run("predict", "-", "-m", "anticancer", stdin=PEPTIDES.read_bytes()) == from_file


@pytest.mark.parametrize("threads", [["--threads", 1], ["--threads", 3], []])
def test_number_of_threads_changes_no_row(
    threads: list[object], run: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fasta = tmp_path / "many.fasta"
    sequences = tiny.random_sequences(2, 60, shortest=5, longest=900)
    fasta.write_text("".join(f">p{n}\n{sequence}\n" for n, sequence in enumerate(sequences)))
    expected = run("predict", fasta, "--format", "jsonl", "--threads", 1)
    monkeypatch.setattr("sortilin.predictor.MAX_BATCH_RESIDUES", 2_000)
    assert run("predict", fasta, "--format", "jsonl", *threads) == expected


def test_table_as_input_is_read(tmp_path: Path, run: Terminal) -> None:
    table = tiny.write_table(tmp_path / "x.csv", [("a", "GLFDIIKKIAESF"), ("b", "MKVLA")])
    assert [row["id"] for row in rows(run("predict", table).out)] == ["p0", "p1"]


def test_meta_says_where_the_table_came_from(tmp_path: Path, run: Terminal, faulty: Path) -> None:
    out = tmp_path / "out.tsv"
    assert run("predict", faulty, "-o", out, "--on-error", "skip").code == 0
    meta = json.loads((tmp_path / "out.tsv.meta.json").read_text())
    model = sortilin.load("localization")
    assert (meta["model"], meta["task"]) == ("localization", "localization")
    assert meta["model_checksum"] == model.model.checksum
    assert meta["version"] == sortilin.__version__
    assert meta["source"] == str(faulty)
    assert (meta["n_predicted"], meta["n_skipped"]) == (2, 2)
    assert meta["changes"] == {"U>C": 1}
    assert sum(meta["details"]["counts"].values()) == 2
    assert tuple(meta["details"]["counts"]) == model.classes
    assert meta["details"]["on_error"] == "skip"
    assert [skipped["id"] for skipped in meta["details"]["skipped"]] == ["b", "c"]
    assert meta["details"]["limits"]
    assert "vectors" not in meta["details"]
    assert meta["output"]["name"] == "out.tsv"
    assert meta["output"]["bytes"] == out.stat().st_size


def test_faulty_records_are_left_out_and_listed_if_asked(tmp_path: Path, run: Terminal, faulty: Path) -> None:
    out = tmp_path / "out.tsv"
    code, _, err = run("predict", faulty, "-o", out, "--on-error", "skip")
    assert code == 0
    assert [(row["id"], row["flags"]) for row in rows(out.read_text())] == [
        ("a", "U>C:1;shorter_than_trained;far_from_training"),
        ("d", "shorter_than_trained;far_from_training"),
    ]
    skipped = rows((tmp_path / "out.tsv.skipped.tsv").read_text())
    assert [(row["record"], row["id"]) for row in skipped] == [("2", "b"), ("3", "c")]
    assert skipped[1]["reason"] == "has no residues"
    assert "warning: U (selenocysteine) read as C: 1 in 1 record\n" in err
    assert "warning: left out: 2 records of 4\n  record 2 (b): position 3: letter '7'" in err
    assert run("predict", faulty, "-o", out, "--on-error", "skip", "--quiet").err == ""


def test_faulty_record_stops_and_keeps_what_was_there(tmp_path: Path, run: Terminal, faulty: Path) -> None:
    out = tmp_path / "out.tsv"
    out.write_text("of an earlier run")
    code, stdout, err = run("predict", faulty, "-o", out)
    assert (code, stdout) == (1, "")
    assert err.startswith(
        f"sortilin: error: {faulty}, record 2 (\"b\"), position 3: letter '7' is not a residue"
    )
    assert "Traceback" not in err
    assert out.read_text() == "of an earlier run"
    assert listing(tmp_path) == ["faulty.fasta", "out.tsv"]


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["predict", "no.fasta"], "no.fasta: there is no such file"),
        (["predict", "."], ". is a folder; give the file in it that is meant"),
        (["predict", "empty.fasta"], "empty.fasta is empty"),
        (
            ["predict", PROTEINS, "--model", "anticancr"],
            (
                "unknown model 'anticancr'; did you mean 'anticancer'? "
                "choose from: anticancer, localization, or the path of a model folder"
            ),
        ),
        (["predict", PROTEINS, "--model", "./no"], "no is not a model folder: it does not exist"),
        (
            ["predict", PROTEINS, "-o", "no/out.tsv"],
            "no/out.tsv: the folder 'no' does not exist; create it first",
        ),
        (["predict", PROTEINS, "-o", "out.xlsx"], "out.xlsx: the ending chooses no output format; allowed: "),
        (
            ["predict", PROTEINS, "--format", "xml"],
            "unknown format 'xml'; choose from: html, jsonl, parquet, tsv",
        ),
        (["models", "show", "no"], "unknown model 'no'; choose from: "),
        (["datasets", "path", "pls"], "unknown dataset 'pls'; did you mean 'psl'?"),
        (["describe", PROTEINS, "--features", "paper"], "unknown features 'paper'; "),
        (["evaluate", "anticancer", "--data", "no.csv"], "no.csv: there is no such file"),
        (["train", "-o", "out"], "what to train: give a configuration file, or --task with its options"),
        (["train", "no.yaml", "-o", "out"], "no.yaml cannot be read: No such file or directory"),
        (["train", "--task", "custom", "-o", "out"], "task 'custom' has no data of its own: give labelled"),
        (["train", "--task", "custom", "--folds", "1", "-o", "out"], "command line: folds: Input should be"),
        (["train", "--task", "custom", "--classifier", "svn", "-o", "out"], "unknown classifier 'svn'; did"),
    ],
)
def test_error_is_one_line_and_exits_with_1(
    args: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run: Terminal
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty.fasta").touch()
    code, out, err = run(*args)
    assert (code, out) == (1, "")
    assert err.startswith(f"sortilin: error: {message}")
    assert err.count("\n") == 1
    assert listing(tmp_path) == ["empty.fasta"]


def test_file_that_is_read_is_not_written_over(tmp_path: Path, run: Terminal) -> None:
    table = tiny.write_table(tmp_path / "x.tsv", [("a", "GLFDIIKKIAESF")])
    before = table.read_bytes()
    code, _, err = run("predict", table, "-o", table)
    assert code == 1
    assert err == f"sortilin: error: {table}: is the file that is read; choose another name for the output\n"
    assert table.read_bytes() == before


def test_dna_is_refused(run: Terminal) -> None:
    code, _, err = run("predict", "-", stdin=b">a\n" + b"ATGGCGTGCA" * 10 + b"\n")
    assert code == 1
    assert err.startswith("sortilin: error: standard input looks like DNA: all letters of its first record ")


# --- stopped in the middle


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_stopped_in_the_middle_leaves_nothing(number: signal.Signals, code: int, tmp_path: Path) -> None:
    # A shell that starts the tests in the background has them ignore Ctrl-C, and children inherit that.
    heeds = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
    python, option, code_text = COMMAND
    command = [python, option, heeds + code_text]
    command += ["predict", "-", "-m", "anticancer", "-o", str(tmp_path / "out.tsv")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        process.stdin.write(">a\nGLFDIIKKIAESF\n>b\nMK")  # and more to come
        process.stdin.flush()
        end = time.monotonic() + PATIENCE_S
        while not any(".partial-" in name for name in listing(tmp_path)):
            assert process.poll() is None
            assert time.monotonic() < end
            time.sleep(0.02)
        process.send_signal(number)
        # The pipe stays open: it is the signal that ends the run, not the end of the input.
        assert process.wait(PATIENCE_S) == code
        assert process.stderr is not None
        err = process.stderr.read()
    assert "Traceback" not in err
    assert err.strip() == ("sortilin: interrupted" if number == signal.SIGINT else "")
    assert listing(tmp_path) == []


@pytest.mark.parametrize(
    "args",
    [
        ["predict", "many.fasta", "-m", "anticancer"],
        ["predict", "many.fasta", "-m", "anticancer", "--format", "jsonl"],
        ["describe", "many.fasta", "--features", "composition"],
    ],
    ids=["predict", "jsonl", "describe"],
)
def test_reader_that_leaves_early_is_no_error(args: list[str], tmp_path: Path) -> None:
    tiny.write_fasta(tmp_path / "many.fasta", tiny.random_sequences(3, 4000, shortest=12, longest=14))
    with subprocess.Popen(
        [*COMMAND, *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=tmp_path
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline()
        process.stdout.close()
        assert process.wait(PATIENCE_S) == 0
        assert process.stderr.read() == b""


def test_error_in_a_real_process_has_no_traceback() -> None:
    found = subprocess.run([*COMMAND, "predict", "no.fasta"], capture_output=True, text=True, check=False)
    assert found.returncode == 1
    assert found.stderr == "sortilin: error: no.fasta: there is no such file\n"


# --- on a terminal


def shown_on_a_terminal(*args: str) -> str:
    """What a person sees, both streams together, without colours and cursor movements."""
    master, slave = pty.openpty()
    shown = b""
    environment = {**os.environ, "COLUMNS": "120", "TERM": "xterm"}
    with subprocess.Popen([*COMMAND, *args], stdout=slave, stderr=slave, env=environment) as process:
        os.close(slave)
        with contextlib.suppress(OSError):  # Linux ends a terminal with an error
            while chunk := os.read(master, 4096):
                shown += chunk
        assert process.wait(PATIENCE_S) == 0
    os.close(master)
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown.decode())


def test_predictions_are_a_table_on_a_terminal() -> None:
    shown = shown_on_a_terminal("predict", str(PEPTIDES), "-m", "anticancer")
    assert "\t" not in shown
    assert all(record.id in shown for record in read_sequences(PEPTIDES))
    assert "Traceback" not in shown


def test_models_are_a_table_and_a_page_on_a_terminal() -> None:
    listed = shown_on_a_terminal("models", "list")
    assert "\t" not in listed
    assert "anticancer" in listed
    card = shown_on_a_terminal("models", "show", "anticancer")
    assert "## Intended use" not in card
    assert "Intended use" in card


def test_training_shows_bars_on_a_terminal(tmp_path: Path) -> None:
    shown = shown_on_a_terminal("train", str(svm_config(tmp_path)), "-o", str(tmp_path / "model"))
    assert "measuring svm on composition" in shown
    assert "60/60" in shown
    assert f"wrote {tmp_path / 'model'}" in shown.replace("\r\n", "")


# --- models and datasets


def test_models_list_is_a_table(run: Terminal) -> None:
    code, out, _ = run("models", "list")
    assert code == 0
    found = {row["name"]: row for row in rows(out)}
    assert list(found) == ["anticancer", "localization"]
    for name, row in found.items():
        described = sortilin.load(name).model.description
        assert row["classes"] == ", ".join(described["classes"])
        assert row["made_of"] == f"{described['classifier']['name']} on {described['features']['name']}"
        assert float(row["value"]) == pytest.approx(described["metrics"][row["metric"]], abs=5e-4)
        assert 0 < float(row["size_mb"]) < 16


def test_models_show_prints_the_card_or_the_description(run: Terminal) -> None:
    model = sortilin.load("anticancer").model
    assert run("models", "show", "anticancer") == (0, f"{model.card}\n", "")
    described = json.loads(run("models", "show", "anticancer", "--json").out)
    assert described == {**model.description, "checksum": model.checksum}


def test_datasets_list_names_all(run: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SORTILIN_DATA_DIR", str(tmp_path))
    code, out, _ = run("datasets", "list")
    assert code == 0
    lines = [line.split("\t") for line in out.splitlines()]
    assert [(line[0], line[2]) for line in lines] == [
        (name, "missing from SORTILIN_DATA_DIR") for name in ("psl", "psl-blind", "acp", "acp-ml", "acp-hard")
    ]
    long = run("datasets", "list", "--long").out
    assert long.count("    licence:") == long.count("    cite:") == 5
    assert str(tmp_path / "psl") in long


def test_datasets_path_is_that_of_the_users_folder(
    run: Terminal, shared_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SORTILIN_DATA_DIR", str(shared_data))
    assert run("datasets", "path", "acp") == (0, f"{shared_data / 'acp'}\n", "")
    assert run("datasets", "fetch", "acp", "-q") == (0, f"acp\t{shared_data / 'acp'}\n", "")


def test_dataset_that_is_missing_is_an_error(
    run: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SORTILIN_DATA_DIR", str(tmp_path))
    code, out, err = run("datasets", "path", "acp")
    assert (code, out) == (1, "")
    assert err.startswith(f"sortilin: error: dataset 'acp' needs acp/Train.fasta, missing in {tmp_path} ")


# --- describe


def test_describe_says_what_is_in_a_file(run: Terminal, faulty: Path) -> None:
    code, out, err = run("describe", faulty)
    assert (code, err) == (0, "")
    assert out.splitlines()[:3] == [
        f"{faulty}: 2 sequences, 7 residues",
        "length: 3 to 4, median 3, mean 3.5, middle half 3 to 4",
        "composition in percent: C 14.3  K 28.6  L 14.3  M 28.6  V 14.3",
    ]
    assert "U (selenocysteine) read as C: 1 in 1 record" in out
    assert "  record 3 (c): has no residues" in out


def test_describe_as_json_holds_the_same(run: Terminal, faulty: Path) -> None:
    found = json.loads(run("describe", faulty, "--json").out)
    assert (found["sequences"], found["residues"], found["n_left_out"]) == (2, 7, 2)
    assert found["length"] == {
        "shortest": 3,
        "quarter": 3,
        "median": 3,
        "three_quarters": 4,
        "longest": 4,
        "mean": 3.5,
    }
    assert found["letters_changed"] == {"U>C": 1}
    assert sum(found["composition_percent"].values()) == pytest.approx(100, abs=0.1)


def test_describe_stops_at_a_fault_if_asked(run: Terminal, faulty: Path) -> None:
    code, out, err = run("describe", faulty, "--on-error", "fail")
    assert (code, out) == (1, "")
    assert 'record 2 ("b")' in err


def test_describe_features_is_a_table_of_named_columns(run: Terminal, tmp_path: Path) -> None:
    from sortilin.features.paper71 import VARIANT

    paper71 = VARIANT()
    code, out, _ = run("describe", PROTEINS, "--features", "paper71")
    assert code == 0
    found = rows(out)
    assert list(found[0]) == ["id", *paper71.feature_names]
    records = list(read_sequences(PROTEINS))
    expected = paper71.transform([record.sequence for record in records])
    for row, record, values in zip(found, records, expected.tolist(), strict=True):
        assert row.pop("id") == record.id
        assert [float(cell) for cell in row.values()] == pytest.approx(values, rel=1e-5)

    path = tmp_path / "features.tsv"
    assert run("describe", PROTEINS, "--features", "paper71", "-o", path)[:2] == (0, "")
    assert path.read_text() == out


# --- train, then predict and evaluate


class Trained(NamedTuple):
    folder: Path
    data: Path
    card: str
    notes: str


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    place = tmp_path_factory.mktemp("trained")
    data = tiny.write_table(place / "train.csv", tiny.labelled(1, 20))
    command = [*COMMAND, "train", "--task", "custom", "--data", str(data), "-o", str(place / "runs" / "mine")]
    options = ["--classifier", "boosting", "--features", "composition", "--folds", "3", "--holdout", "0"]
    found = subprocess.run([*command, *options], capture_output=True, text=True, check=True)
    return Trained(place / "runs" / "mine", data, found.stdout, found.stderr)


def test_train_prints_the_card_and_the_next_step(trained: Trained) -> None:
    assert trained.card == (trained.folder / "README.md").read_text() + "\n"
    assert trained.notes.endswith(
        f"wrote {trained.folder}; next: sortilin predict FILE --model {trained.folder}\n"
    )
    assert "measuring boosting on composition: 1/3\n" not in trained.notes
    assert "fitting on all sequences: 1/1\n" in trained.notes


def test_trained_model_predicts(trained: Trained, tmp_path: Path, run: Terminal) -> None:
    new = tiny.labelled(9, 5)
    source = tiny.write_fasta(tmp_path / "new.fasta", [sequence for _, sequence in new])
    code, out, _ = run("predict", source, "--model", trained.folder)
    assert code == 0
    assert list(rows(out)[0])[5:8] == ["p_acidic", "p_basic", "p_greasy"]
    n_right = sum(row["prediction"] == label for row, (label, _) in zip(rows(out), new, strict=True))
    assert n_right >= len(new) - 2


def test_evaluate_scores_without_the_training_sequences(
    trained: Trained, tmp_path: Path, run: Terminal
) -> None:
    rows_of_both = tiny.labelled(9, 5) + tiny.labelled(1, 20)[:7]
    data = tiny.write_table(tmp_path / "both.csv", rows_of_both)
    code, out, err = run("evaluate", trained.folder, "--data", data)
    assert (code, err) == (0, "")
    assert out.startswith(
        f"{trained.folder} on {data}\n\n"
        "| metric | whole (n = 22) | without 7 training sequences (n = 15) |\n"
        "| --- | --- | --- |\n| macro-F1 | "
    )
    assert printed.bare(out) == []
    found = json.loads(run("evaluate", trained.folder, "--data", data, "--json").out)
    assert {part: figures["n"] for part, figures in found.items()} == {
        "whole": 22,
        "without 7 training sequences": 15,
    }


def test_evaluate_says_if_every_sequence_was_trained_on(trained: Trained, run: Terminal) -> None:
    out = run("evaluate", trained.folder, "--data", trained.data).out
    assert "| metric | whole, every one a training sequence (n = 60) |" in out
    assert "| without" not in out


def strict(text: str) -> Any:
    def refuse(constant: str) -> None:
        raise ValueError(f"{constant} is no JSON")

    return json.loads(text, parse_constant=refuse)


def test_evaluate_on_one_class_writes_sound_json(trained: Trained, tmp_path: Path, run: Terminal) -> None:
    fasta = tiny.write_fasta(tmp_path / "x.fasta", [tiny.labelled(9, 1)[0][1]])
    code, out, _ = run("evaluate", trained.folder, "--data", f"acidic={fasta}", "--json")
    assert code == 0
    metrics = strict(out)["whole"]["metrics"]
    assert metrics["accuracy"] == 1
    assert metrics["roc_auc"] is None


def test_evaluate_on_an_unknown_class_is_an_error(trained: Trained, tmp_path: Path, run: Terminal) -> None:
    data = tiny.write_table(tmp_path / "x.csv", [("acidic", "MKV"), ("neutral", "MKL")])
    code, _, err = run("evaluate", trained.folder, "--data", data)
    assert code == 1
    assert err == (
        "sortilin: error: record 'p1': unknown label 'neutral'; choose from: acidic, basic, greasy\n"
    )


def test_train_takes_a_configuration_and_does_not_overwrite(tmp_path: Path, run: Terminal) -> None:
    out, config = tmp_path / "model", svm_config(tmp_path)
    code, _, err = run("train", config, "-o", out, "-q", "--seed", "5")
    assert (code, err) == (0, "")
    described = sortilin.load(out).model.description
    assert (described["seed"], described["classifier"]["name"]) == (5, "svm")

    code, stdout, err = run("train", config, "-o", out, "-q")
    assert (code, stdout) == (1, "")
    refusal = "exists and is not empty: choose another name, or pass --overwrite"
    assert err == f"sortilin: error: {out} {refusal}\n"
    assert run("train", config, "-o", out, "-q", "--overwrite").code == 0
    assert sortilin.load(out).model.description["seed"] == 1
