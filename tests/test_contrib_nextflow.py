"""The Nextflow modules of contrib/: scripts run by bash, syntax read by Groovy, and all by Nextflow."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

import pytest
import yaml

from contributed import CONTRIB, MODEL, Ran, execute, snakemake_at, table_of_one_run, write_shards

NEXTFLOW = CONTRIB / "nextflow"
MODULES = NEXTFLOW / "modules" / "sortilin"


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_shards(tmp_path_factory.mktemp("input") / "shards")


@pytest.fixture(scope="module")
def expected(shards: Path) -> str:
    return table_of_one_run(shards)


def section(module: str, name: str) -> str:
    """The lines of a section of a module's process, `script` or `stub`."""
    text = (MODULES / module / "main.nf").read_text()
    found = re.search(rf"^    {name}:\n(.*?)(?=^    \w+:\n|^\}})", text, re.MULTILINE | re.DOTALL)
    assert found, f"{module} has no section {name}"
    return found[1]


def filled_by_python(text: str, values: dict[str, str]) -> str:
    """The script of a section; a variable without a value is an error, as it is in Nextflow."""
    body = text.split('"""')[1]
    return re.sub(r"\$\{([\w.]+)\}", lambda found: values[found[1]], body).replace("\\\\", "\\")


def filled_by_groovy(text: str, values: dict[str, str], folder: Path) -> str:
    """The same by Groovy itself, which also runs the lines above the script."""
    groovy = shutil.which("groovy")
    if not groovy:
        pytest.skip("needs Groovy: no `groovy` on the PATH")
    given = "".join(f"{name} = '''{value}'''\n" for name, value in values.items() if "." not in name)
    given = re.sub(r"^(args|option|prefix) = .*\n", "", given, flags=re.MULTILINE)
    given += f"meta = [id: '{values['prefix']}']\nmodel = []\n"
    given += f"task = [cpus: 1, ext: [args: '{values['args']}']]\n"
    (folder / "fill.groovy").write_text(f"{given}def script = {{ ->\n{text}}}\nprint script()\n")
    java = shutil.which("java")
    home = {"JAVA_HOME": Path(java).resolve().parents[1]} if java and "JAVA_HOME" not in os.environ else {}
    ran = execute([groovy, "fill.groovy"], folder, **home)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def task(module: str, folder: Path, filler: str, values: dict[str, str], part: str = "script") -> Ran:
    """Run a section of a module in a work folder, as Nextflow would."""
    text = section(module, part)
    by_groovy = filler == "groovy"
    script = filled_by_groovy(text, values, folder) if by_groovy else filled_by_python(text, values)
    (folder / ".command.sh").write_text(f"#!/bin/bash -ue\n{script}")
    return execute(["bash", "-ue", ".command.sh"], folder)


def staged(folder: Path, sources: list[Path], below: str = "") -> Path:
    """A work folder with links to what a task is given."""
    (folder / below).mkdir(parents=True)
    for source in sources:
        (folder / below / source.name).symlink_to(source)
    return folder


def shard_values(shard: int, n: int) -> dict[str, str]:
    values = {"prefix": "mine", "args": f"--model {MODEL}", "option": "", "task.cpus": "1"}
    return values | {"shard": str(shard), "n_shards": str(n)}


@pytest.mark.slow
@pytest.mark.parametrize("filler", ["python", "groovy"])
def test_nextflow_scripts_make_the_table_of_one_run(
    shards: Path, expected: str, tmp_path: Path, filler: str
) -> None:
    """Each task in a work folder of its own, and so the sequences elsewhere in each."""
    parts = []
    for shard in (1, 2, 3):
        work = staged(tmp_path / f"work{shard}", sorted(shards.iterdir()), "sequences")
        ran = task("predict", work, filler, shard_values(shard, 3))
        assert ran.returncode == 0, ran.stderr
        parts += [path for path in work.glob("*.parts") if path.is_dir()]
    assert [path.name for path in parts] == [f"mine.{shard}-of-3.parts" for shard in (1, 2, 3)]

    work = staged(tmp_path / "merge", parts)
    values = {"prefix": "mine", "args": "", "ending": "tsv", "parts": " ".join(p.name for p in parts)}
    ran = task("merge", work, filler, values)
    assert ran.returncode == 0, ran.stderr
    assert (work / "mine.tsv").read_text() == expected
    assert (work / "mine.tsv.meta.json").is_file()


@pytest.mark.parametrize("module", ["predict", "embed"])
def test_nextflow_stub_of_a_shard_makes_its_output(tmp_path: Path, module: str) -> None:
    ran = task(module, staged(tmp_path / "work", []), "python", shard_values(2, 3), "stub")
    assert ran.returncode == 0, ran.stderr
    assert [path.name for path in (tmp_path / "work").glob("*.parts")] == ["mine.2-of-3.parts"]


def test_nextflow_stub_of_merging_makes_its_outputs(tmp_path: Path) -> None:
    ran = task("merge", staged(tmp_path / "work", []), "python", {"prefix": "mine", "ending": "h5"}, "stub")
    assert ran.returncode == 0, ran.stderr
    assert {"mine.h5", "mine.h5.meta.json"} <= {path.name for path in (tmp_path / "work").iterdir()}


@pytest.mark.parametrize("module", ["predict", "embed", "merge"])
def test_nextflow_description_names_what_the_module_emits_and_takes(module: str) -> None:
    described = yaml.safe_load((MODULES / module / "meta.yml").read_text())
    emitted = re.findall(r"emit: (\w+)", section(module, "output"))
    assert emitted == list(described["output"])
    names = [
        name
        for taken in described["input"]
        for one in (taken if isinstance(taken, list) else [taken])
        for name in one
    ]
    assert re.findall(r"(?:val|path)[ (](\w+)", section(module, "input")) == names
    assert described["name"] == f"sortilin_{module}"


@pytest.mark.parametrize("module", ["predict", "embed", "merge"])
def test_version_that_nextflow_reads_is_that_of_sortilin(module: str, tmp_path: Path) -> None:
    from sortilin import __version__

    command = re.findall(r'eval\("(.*)"\)', section(module, "output"))[0]
    assert execute(["bash", "-c", command], tmp_path).stdout == f"{__version__}\n"


PARSE = """
import sys
from groovy_parser.parser import parse_groovy_content
for name in sys.argv[1:]:
    parse_groovy_content(open(name).read())
"""


@pytest.fixture
def python_with_parser(tmp_path: Path) -> Path:
    python = snakemake_at().with_name("python")
    if execute([python, "-c", "import groovy_parser"], tmp_path).returncode != 0:
        pytest.skip(f"needs groovy-parser: {python} has none")
    return python


@pytest.mark.slow
def test_nextflow_files_are_groovy(python_with_parser: Path, tmp_path: Path) -> None:
    files = [*sorted(NEXTFLOW.rglob("*.nf")), NEXTFLOW / "nextflow.config"]
    assert len(files) == 5
    ran = execute([python_with_parser, "-c", PARSE, *files], tmp_path)
    assert ran.returncode == 0, ran.stderr


@pytest.mark.slow
def test_broken_nextflow_file_is_no_groovy(python_with_parser: Path, tmp_path: Path) -> None:
    """The test above would pass with a parser that takes anything."""
    (tmp_path / "broken.nf").write_text((NEXTFLOW / "main.nf").read_text().rstrip().removesuffix("}"))
    assert execute([python_with_parser, "-c", PARSE, "broken.nf"], tmp_path).returncode != 0


@pytest.mark.slow
def test_nextflow_makes_the_table_of_one_run(shards: Path, expected: str, tmp_path: Path) -> None:
    nextflow = shutil.which("nextflow")
    if not nextflow:
        pytest.skip("needs Nextflow: no `nextflow` on the PATH")
    words = [nextflow, "run", NEXTFLOW / "main.nf", "--input", shards, "--shards", 3, "--model", MODEL]
    ran = execute([*words, "--outdir", "results"], tmp_path, NXF_OFFLINE="true")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert (tmp_path / "results" / "shards.tsv").read_text() == expected
