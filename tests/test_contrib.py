"""The job arrays and rules of contrib/: run by bash and by the real Snakemake."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from contributed import (
    CONTRIB,
    MODEL,
    N_EACH,
    Ran,
    execute,
    program,
    sequences_of,
    snakemake_at,
    table_of_one_run,
    write_shards,
)

SLURM, SNAKEMAKE = CONTRIB / "slurm", CONTRIB / "snakemake"


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_shards(tmp_path_factory.mktemp("input") / "shards")


@pytest.fixture(scope="module")
def expected(shards: Path) -> str:
    return table_of_one_run(shards)


# Slurm


@pytest.fixture
def recorder(tmp_path: Path) -> Path:
    """A `sortilin` that says what it was called with, a word a line."""
    return program(tmp_path, "sortilin", "printf '%s\\n' \"$@\"")


def array_of(n: int, task: int) -> dict[str, object]:
    """What Slurm sets in a task of `--array=1-n`."""
    return {
        "SLURM_ARRAY_TASK_ID": task,
        "SLURM_ARRAY_TASK_MIN": 1,
        "SLURM_ARRAY_TASK_MAX": n,
        "SLURM_ARRAY_TASK_COUNT": n,
    }


def sbatch(name: str, folder: Path, variables: dict[str, Any], bin_folder: Path | None = None) -> Ran:
    return execute(["bash", SLURM / name], folder, bin_folder, **variables)


def test_task_of_an_array_does_its_shard(recorder: Path, tmp_path: Path) -> None:
    given: dict[str, Any] = {"SOURCE": "a b/*.fasta", "OUT": "run", "OPTIONS": "--model mine  --coverage 0.9"}
    given |= array_of(4, 3) | {"SLURM_CPUS_PER_TASK": 2}
    ran = sbatch("array.sbatch", tmp_path, given, recorder)
    words = ["predict", "a b/*.fasta", "--shard", "3/4", "--threads", "2", "--quiet", "-o", "run"]
    assert ran.stdout.splitlines() == [*words, "--model", "mine", "--coverage", "0.9"]


def test_tasks_that_run_again_keep_the_number_of_shards(recorder: Path, tmp_path: Path) -> None:
    """`--array=3,7` has two tasks, but they are 3 and 7 of 16."""
    again = array_of(2, 7) | {"SLURM_ARRAY_TASK_MIN": 3, "SLURM_ARRAY_TASK_MAX": 7}
    again |= {"SOURCE": "a", "OUT": "run"}
    refused = sbatch("array.sbatch", tmp_path, again, recorder)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "runs from 3 to 7 with 2 tasks" in refused.stderr
    assert "N_SHARDS" in refused.stderr
    ran = sbatch("array.sbatch", tmp_path, again | {"N_SHARDS": 16}, recorder)
    assert "7/16" in ran.stdout.splitlines()


def test_array_from_0_is_refused(recorder: Path, tmp_path: Path) -> None:
    """Shards are counted from 1; by the count alone, 0 to 3 would be 0/4 to 3/4."""
    given = array_of(4, 0) | {"SLURM_ARRAY_TASK_MIN": 0, "SLURM_ARRAY_TASK_MAX": 3}
    ran = sbatch("array.sbatch", tmp_path, given | {"SOURCE": "a", "OUT": "b"}, recorder)
    assert (ran.returncode, ran.stdout) == (2, "")


@pytest.mark.parametrize("missing", ["SOURCE", "OUT", "SLURM_ARRAY_TASK_ID"])
def test_array_says_what_is_missing(recorder: Path, tmp_path: Path, missing: str) -> None:
    given = {"SOURCE": "a", "OUT": "b", **array_of(2, 1)}
    del given[missing]
    ran = sbatch("array.sbatch", tmp_path, given, recorder)
    assert ran.returncode != 0
    assert missing in ran.stderr
    assert ran.stdout == ""


def test_command_that_has_no_shards_is_refused(recorder: Path, tmp_path: Path) -> None:
    given = {"SOURCE": "a", "OUT": "b", "COMMAND": "train", **array_of(2, 1)}
    ran = sbatch("array.sbatch", tmp_path, given, recorder)
    assert ran.returncode == 2
    assert "'train'; choose predict or embed" in ran.stderr


FAKE_SBATCH = """
printf '%s ' "$@" | sed "s|$SCRIPTS/||" >>"$LOG"; echo >>"$LOG"
if [[ "$*" == *--array=1-* ]]; then
    n="$*"; n="${n##*--array=1-}"; n="${n%% *}"; echo "41;cluster"
    for ((i = 1; i <= n; i++)); do
        SLURM_ARRAY_TASK_ID=$i SLURM_ARRAY_TASK_MIN=1 SLURM_ARRAY_TASK_MAX=$n SLURM_ARRAY_TASK_COUNT=$n \\
            bash "${@: -1}" >&2 || exit 1
    done
else
    echo 42; bash "${@: -1}" >&2
fi"""


@pytest.mark.slow
def test_submitted_array_and_merge_make_the_table_of_one_run(
    shards: Path, expected: str, tmp_path: Path
) -> None:
    fake = program(tmp_path, "sbatch", FAKE_SBATCH)
    words = ["bash", SLURM / "submit.sh", shards, 3, "run", "all.tsv", "--model", MODEL]
    ran = execute(words, tmp_path, fake, LOG=tmp_path / "log", SCRIPTS=SLURM)
    assert (ran.returncode, ran.stdout) == (0, "array 41, merge 42\n"), ran.stderr
    assert (tmp_path / "all.tsv").read_text() == expected
    assert (tmp_path / "log").read_text().split("\n")[:2] == [
        "--parsable --export=ALL --array=1-3 array.sbatch ",
        "--parsable --export=ALL --dependency=afterok:41 --kill-on-invalid-dep=yes merge.sbatch ",
    ]


@pytest.mark.slow
def test_merge_fails_until_a_missing_task_has_run(shards: Path, expected: str, tmp_path: Path) -> None:
    given: dict[str, Any] = {"SOURCE": shards, "OUT": "run", "OPTIONS": f"--model {MODEL}"}
    for task in (1, 3):
        ran = sbatch("array.sbatch", tmp_path, given | array_of(3, task))
        assert ran.returncode == 0, ran.stderr
    merge = {"OUT": "run", "MERGED": "all.tsv"}
    assert sbatch("merge.sbatch", tmp_path, merge).returncode != 0
    assert not (tmp_path / "all.tsv").exists()
    assert sbatch("array.sbatch", tmp_path, given | array_of(3, 2)).returncode == 0
    assert sbatch("merge.sbatch", tmp_path, merge).returncode == 0
    assert (tmp_path / "all.tsv").read_text() == expected


@pytest.mark.parametrize("words", [["a", "2", "out"], ["a", "0", "out", "x.tsv"], ["a", "two", "o", "x.tsv"]])
def test_submit_refuses_what_is_no_call(tmp_path: Path, words: list[str]) -> None:
    fake = program(tmp_path, "sbatch", "touch called")
    assert execute(["bash", SLURM / "submit.sh", *words], tmp_path, fake).returncode == 2
    assert not (tmp_path / "called").exists()


# Snakemake


@pytest.fixture
def snakemake() -> Path:
    return snakemake_at()


def workflow(snakemake: Path, folder: Path, config: dict[str, Any]) -> Ran:
    """Run the example in a folder, with its cache there too."""
    (folder / "mine.yaml").write_text(yaml.safe_dump(config))
    words = [snakemake, "--snakefile", SNAKEMAKE / "Snakefile", "--configfile", "mine.yaml", "--cores", 2]
    ran = execute(words, folder, XDG_CACHE_HOME=folder / "cache")
    logs = "".join(path.read_text() for path in folder.glob("results/*/logs/*"))
    return subprocess.CompletedProcess(ran.args, ran.returncode, ran.stdout, ran.stderr + logs)


def n_jobs(ran: Ran) -> dict[str, int]:
    """How many jobs of each rule Snakemake ran."""
    table = (ran.stdout + ran.stderr).partition("Job stats:")[2].partition("\ntotal")[0]
    return {name: int(n) for name, n in re.findall(r"^(\w+) +(\d+)$", table, re.MULTILINE)}


def predictions(source: Path | str, n: int = 3) -> dict[str, Any]:
    return {"sequences": {"mine": str(source)}, "shards": n, "predict": {"model": MODEL, "threads": 1}}


@pytest.mark.slow
def test_snakemake_makes_the_table_of_one_run_and_only_what_is_missing(
    snakemake: Path, shards: Path, expected: str, tmp_path: Path
) -> None:
    ran = workflow(snakemake, tmp_path, predictions(shards))
    assert ran.returncode == 0, ran.stderr
    results = tmp_path / "results" / "mine"
    table = results / "predict.tsv"
    assert table.read_text() == expected
    assert n_jobs(ran) == {"all": 1, "sortilin_predict": 3, "sortilin_merge_predict": 1}
    assert (results / "predict.tsv.meta.json").is_file()

    (results / "predict.shards" / "2-of-3.done").unlink()
    table.unlink()
    ran = workflow(snakemake, tmp_path, predictions(shards))
    assert ran.returncode == 0, ran.stderr
    assert n_jobs(ran) == {"all": 1, "sortilin_predict": 1, "sortilin_merge_predict": 1}
    assert table.read_text() == expected


@pytest.mark.slow
def test_snakemake_keeps_finished_parts_when_a_shard_fails(
    snakemake: Path, shards: Path, expected: str, tmp_path: Path
) -> None:
    mine = tmp_path / "mine"
    shutil.copytree(shards, mine)
    whole = (mine / "2.fasta").read_text()
    (mine / "2.fasta").write_text(whole + ">faulty\nMK1\n")
    ran = workflow(snakemake, tmp_path, predictions("mine/*.fasta", 4))
    assert ran.returncode != 0
    assert "faulty" in ran.stderr
    assert not (tmp_path / "results" / "mine" / "predict.tsv").exists()
    assert list((tmp_path / "results" / "mine" / "predict.parts").rglob("*.parquet"))

    shutil.rmtree(tmp_path / "results" / "mine" / "predict.parts")  # it belongs to the faulty input
    (mine / "2.fasta").write_text(whole)
    ran = workflow(snakemake, tmp_path, predictions("mine/*.fasta", 4))
    assert ran.returncode == 0, ran.stderr
    assert (tmp_path / "results" / "mine" / "predict.tsv").read_text() == expected


@pytest.mark.slow
def test_snakemake_makes_vectors(snakemake: Path, shards: Path, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    pytest.importorskip("transformers")
    from hub import files_of
    from sortilin.vectors import open_vectors

    backbone = tmp_path / "backbone"
    backbone.mkdir()
    for name, content in files_of("esm2").items():
        (backbone / name).write_bytes(content)
    few = tmp_path / "few"
    few.mkdir()
    for n in range(2):
        shutil.copy(shards / f"{n}.fasta", few)
    options = "--runtime torch --no-store --offline"
    embed = {"backbone": str(backbone), "threads": 1, "options": options}
    config = {"sequences": {"few": "few"}, "shards": 2, "files": ["embed.npz"], "embed": embed}
    ran = workflow(snakemake, tmp_path, config)
    assert ran.returncode == 0, ran.stderr
    with open_vectors(tmp_path / "results" / "few" / "embed.npz") as opened:
        vectors = opened.match(sequences_of(few)).vectors
    assert len(vectors) == 2 * N_EACH
    assert all(vector is not None for vector in vectors)


@pytest.mark.slow
def test_snakemake_without_sequences_says_what_is_needed(snakemake: Path, tmp_path: Path) -> None:
    ran = workflow(snakemake, tmp_path, {"shards": 2})
    assert ran.returncode != 0
    assert "--configfile config.yaml" in ran.stderr + ran.stdout


# What they install


@pytest.mark.parametrize(
    "path", sorted(CONTRIB.rglob("*.y*ml")), ids=lambda path: path.relative_to(CONTRIB).as_posix()
)
def test_environment_names_the_present_version(path: Path) -> None:
    from sortilin import __version__

    wheels = re.findall(r"sortilin-([\d.]+)-py3", path.read_text())
    assert wheels in ([], [__version__])
