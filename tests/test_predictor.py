"""Loading and predicting: what a record says, and that its answer is its own."""

from __future__ import annotations

import hashlib
import json
import shutil
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import sortilin
import tiny
from sortilin import bundled, device, predictor
from sortilin.bundled import PRETRAINED
from sortilin.errors import (
    ConfigError,
    DuplicateIdError,
    FormatError,
    InputError,
    ModelFolderError,
    ResidueError,
    UnknownNameError,
)
from sortilin.graph_inputs import UnreadError
from sortilin.predictor import Predictor
from sortilin.sequences import SequenceRecord, read_sequences
from sortilin.trust import FAR

EXAMPLES = Path(__file__).parents[1] / "examples"
MELITTIN = "GIGAVLKVLTTGLPALISWIKRKRQQ"  # in the training data of the anticancer model
TASKS = {"anticancer": "activity", "localization": "localization"}
CLASSES = {
    "anticancer": ("neither", "antimicrobial", "anticancer"),
    "localization": ("cytosol", "secreted", "mitochondrion", "nucleus"),
}
SAME = 1e-5


@pytest.fixture(scope="module", params=sorted(CLASSES))
def model(request: pytest.FixtureRequest) -> Predictor:
    return sortilin.load(request.param)


@pytest.fixture(scope="module")
def localization() -> Predictor:
    return sortilin.load("localization")


@pytest.fixture(scope="module")
def anticancer() -> Predictor:
    return sortilin.load("anticancer")


@pytest.fixture(scope="module")
def sequences() -> list[str]:
    return tiny.random_sequences(5, 40, shortest=5, longest=300)


def test_bundled_models_are_the_two() -> None:
    assert bundled.names() == tuple(sorted(CLASSES))


def test_classes_are_those_of_the_task(model: Predictor) -> None:
    assert model.classes == CLASSES[model.name]
    assert model.classes_.tolist() == list(model.classes)
    assert model.task == TASKS[model.name]


def test_record_says_what_the_probabilities_say(model: Predictor, sequences: list[str]) -> None:
    records, table = model.predict(sequences), model.predict_proba(sequences)
    assert table.shape == (len(sequences), len(model.classes))
    assert table.sum(axis=1) == pytest.approx(np.ones(len(sequences)))
    assert [record.id for record in records] == [f"seq{n}" for n in range(1, len(sequences) + 1)]
    for record, sequence, row in zip(records, sequences, table, strict=True):
        assert tuple(record.probabilities) == model.classes
        assert tuple(record.probabilities.values()) == pytest.approx(row.tolist(), abs=SAME)
        assert record.label == model.classes[row.argmax()]
        assert record.probability == max(record.probabilities.values())
        assert record.length == len(sequence)


def test_examples_get_the_classes_that_they_are_known_for() -> None:
    for name, file in (("localization", "proteins.fasta"), ("anticancer", "peptides.fasta")):
        records = list(read_sequences(EXAMPLES / file, labels="biotrainer"))
        found = sortilin.load(name).predict(records)
        assert [p.id for p in found] == [r.id for r in records]
        n_right = sum(p.label == r.label for p, r in zip(found, records, strict=True))
        assert n_right >= 10  # of 12


def test_order_and_company_change_nothing(model: Predictor, sequences: list[str]) -> None:
    table = model.predict_proba(sequences)
    assert model.predict_proba(sequences[::-1])[::-1] == pytest.approx(table, abs=SAME)
    alone = np.concatenate([model.predict_proba([sequence]) for sequence in sequences])
    assert alone == pytest.approx(table, abs=SAME)


@pytest.mark.parametrize(("max_residues", "max_sequences"), [(300, 2048), (200_000, 7), (1, 1)])
def test_size_of_batches_changes_nothing(
    model: Predictor,
    sequences: list[str],
    max_residues: int,
    max_sequences: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    expected_table, expected = model.predict_proba(sequences), model.predict(sequences)
    monkeypatch.setattr(predictor, "MAX_BATCH_RESIDUES", max_residues)
    monkeypatch.setattr(predictor, "MAX_BATCH_SEQUENCES", max_sequences)
    assert model.predict_proba(sequences) == pytest.approx(expected_table, abs=SAME)
    found = model.predict(sequences)
    for field in ("id", "label", "length", "flags"):
        assert [getattr(p, field) for p in found] == [getattr(p, field) for p in expected]

    records = [SequenceRecord(str(n), sequence) for n, sequence in enumerate(sequences)]
    batches = list(model.predict_batches(records))
    assert [p.id for batch in batches for p in batch] == [record.id for record in records]
    for batch in batches:
        assert len(batch) <= max_sequences
        assert len(batch) == 1 or sum(p.length for p in batch) <= max_residues


def test_stream_is_read_a_batch_at_a_time(anticancer: Predictor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(predictor, "MAX_BATCH_SEQUENCES", 3)
    drawn: list[int] = []

    def records() -> Any:
        for n in range(100):
            drawn.append(n)
            yield SequenceRecord(str(n), MELITTIN)

    first = next(anticancer.predict_batches(records()))
    assert [p.id for p in first] == ["0", "1", "2"]
    assert len(drawn) == 4


@pytest.mark.parametrize("length", [1, 5, 35_000])
def test_any_length_is_predicted(model: Predictor, length: int) -> None:
    rest = tiny.random_sequences(length, 1, shortest=length, longest=length)
    (found,) = model.predict(rest)
    shortest, longest = model.model.description["training_data"]["lengths"]
    assert found.length == length
    assert sum(found.probabilities.values()) == pytest.approx(1)
    assert ("shorter_than_trained" in found.flags) == (length < shortest)
    assert ("longer_than_trained" in found.flags) == (length > longest)


def test_flags_begin_outside_the_range_of_training_lengths(anticancer: Predictor) -> None:
    shortest, longest = anticancer.model.description["training_data"]["lengths"]
    lengths = [shortest - 1, shortest, longest, longest + 1]
    found = anticancer.predict([("MKLAVDER" * 60)[:length] for length in lengths])
    flags = [tuple(flag for flag in p.flags if flag != FAR) for p in found]
    assert flags == [("shorter_than_trained",), (), (), ("longer_than_trained",)]


def test_letters_that_were_changed_are_flagged(localization: Predictor) -> None:
    mixed = "m-kuo\nAXBL" * 4 + "*"
    (found,) = localization.predict([mixed])
    assert found.flags == ("U>C:4", "O>K:4", "unknown:8", "gaps:4", "stop:1", FAR)
    assert found.length == 32
    plain = localization.predict_proba(["MKCKAXXL" * 4])
    assert localization.predict_proba([mixed]) == pytest.approx(plain, abs=SAME)


def test_training_sequence_is_flagged_letter_for_letter(anticancer: Predictor) -> None:
    found = anticancer.predict([MELITTIN, MELITTIN + "K", MELITTIN[1:], "g" + MELITTIN[1:].lower()])
    assert [p.flags for p in found] == [("trained_on",), (), (), ("trained_on",)]
    assert anticancer.was_trained_on([MELITTIN, "MKV"]).tolist() == [True, False]


def test_generator_of_strings_and_records_is_read(anticancer: Predictor) -> None:
    mixed: list[str | SequenceRecord] = ["GLFDIIKKIAESF", SequenceRecord("mine", MELITTIN, flags=("gaps:1",))]
    found = anticancer.predict(item for item in mixed)
    assert [p.id for p in found] == ["seq1", "mine"]
    assert found[1].flags == ("gaps:1", "trained_on")


def test_records_of_the_readme() -> None:
    (found,) = sortilin.load("localization").predict(["MALWMRLLPLLALLALWGPDPAAAFVNQHLCGSHLVEALYLVCGERGFF"])
    assert found.label == "secreted"
    assert found.confidence == "High"
    assert found.probability == found.probabilities["secreted"] > 0.75
    assert isinstance(found, sortilin.Prediction)


# --- several threads


@pytest.fixture(scope="module")
def mixed() -> list[SequenceRecord]:
    """Sequences of many lengths, in no order of length."""
    lengths = [5, 3_500, 1, 300, 1_200, 70, 5, 24, 800] * 4
    return [
        SequenceRecord(f"p{n}", tiny.random_sequences(n, 1, shortest=length, longest=length)[0])
        for n, length in enumerate(lengths)
    ]


@pytest.fixture(scope="module", params=sorted(CLASSES))
def by_threads(request: pytest.FixtureRequest) -> dict[int, Predictor]:
    return {threads: sortilin.load(request.param, threads=threads) for threads in (1, 2, 4)}


def bits(model: Predictor, records: list[SequenceRecord]) -> list[tuple[str, tuple[float, ...]]]:
    return [(p.id, tuple(p.probabilities.values())) for p in model.predict(records)]


@pytest.mark.parametrize(("max_residues", "max_sequences"), [(6_000, 2048), (1_000, 2048), (12_000, 3)])
def test_number_of_threads_changes_no_bit(
    by_threads: dict[int, Predictor],
    mixed: list[SequenceRecord],
    max_residues: int,
    max_sequences: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    expected = bits(by_threads[1], mixed)
    assert [record_id for record_id, _ in expected] == [record.id for record in mixed]
    monkeypatch.setattr(predictor, "MAX_BATCH_RESIDUES", max_residues)
    monkeypatch.setattr(predictor, "MAX_BATCH_SEQUENCES", max_sequences)
    batches = {threads: list(model.predict_batches(mixed)) for threads, model in by_threads.items()}
    assert len(batches[1]) >= 3
    assert batches[2] == batches[1]
    assert batches[4] == batches[1]
    table = by_threads[4].predict_proba(mixed)
    assert table.tolist() == [list(p.probabilities.values()) for batch in batches[1] for p in batch]
    if _has_no_network(by_threads[4]):
        assert table.tolist() == [list(row) for _, row in expected]
    assert table == pytest.approx(np.array([row for _, row in expected]), abs=SAME)


def _has_no_network(model: Predictor) -> bool:
    """Products of matrices are rounded differently in other company; trees and an SVM are not."""
    classifier = model.model.description["classifier"]
    members = [member["classifier"]["name"] for member in classifier["config"].get("members", ())]
    return not {"neural", "head"} & {classifier["name"], *members}


def test_short_and_long_get_alone_what_they_get_in_company(
    by_threads: dict[int, Predictor], mixed: list[SequenceRecord]
) -> None:
    model = by_threads[2]
    (longest,) = tiny.random_sequences(9, 1, shortest=35_000, longest=35_000)
    records = [SequenceRecord("longest", longest), *mixed]
    in_company = dict(bits(model, records))
    for record in records[:4]:  # 35,000, 5, 3,500 and 1
        ((_, alone),) = bits(model, [record])
        if _has_no_network(model):
            assert alone == in_company[record.id]
        assert alone == pytest.approx(in_company[record.id], abs=SAME)


@pytest.mark.parametrize("threads", [1, 2, 4])
def test_fault_in_a_stream_is_the_same_in_any_number_of_threads(
    threads: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(predictor, "MAX_BATCH_SEQUENCES", 5)
    fasta = tmp_path / "faulty.fasta"
    fasta.write_text("".join(f">p{n}\nMKLAVDER\n" for n in range(23)) + ">p23\nMK7\n>p24\nMKV\n")
    found: list[str] = []

    def predict() -> None:
        for batch in sortilin.load("anticancer", threads=threads).predict_batches(read_sequences(fasta)):
            found.extend([p.id for p in batch])

    with pytest.raises(ResidueError) as caught:
        predict()
    assert str(caught.value).startswith(
        f"{fasta}, record 24 (\"p23\"), position 3: letter '7' is not a residue"
    )
    assert found == [f"p{n}" for n in range(20)]  # the batches before it


@pytest.mark.parametrize("threads", [1, 2, 4])
def test_fault_of_a_model_is_the_same_in_any_number_of_threads(
    threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(predictor, "MAX_BATCH_SEQUENCES", 5)
    model = sortilin.load("anticancer", threads=threads)
    n_scores = len(model.model.calibration().weights)

    def scores(sequences: list[str]) -> Any:
        return np.full((len(sequences), n_scores), np.nan if "MKW" in sequences else 0.0)

    monkeypatch.setattr(model, "scores", scores)
    records = [SequenceRecord(str(n), "MKW" if n == 30 else "MKV") for n in range(40)]
    with pytest.raises(ModelFolderError, match="is damaged: it gives probabilities that are no numbers"):
        list(model.predict_batches(records))


def test_stream_is_read_a_few_batches_ahead_and_can_be_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(predictor, "MAX_BATCH_SEQUENCES", 3)
    drawn: list[int] = []

    def records() -> Any:
        for n in range(1000):
            drawn.append(n)
            yield SequenceRecord(str(n), MELITTIN)

    stream = sortilin.load("anticancer", threads=2).predict_batches(records())
    for n_given in range(1, 6):
        next(stream)
        assert len(drawn) <= 3 * (n_given + 4) + 1
    del stream
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("sortilin")]


def test_graph_is_loaded_once_for_all_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    import onnxruntime

    made: list[Any] = []
    session = onnxruntime.InferenceSession

    def make(*arguments: Any, **options: Any) -> Any:
        made.append(arguments)
        return session(*arguments, **options)

    monkeypatch.setattr(onnxruntime, "InferenceSession", make)
    monkeypatch.setattr(predictor, "MAX_BATCH_SEQUENCES", 2)
    sortilin.load("anticancer", threads=4).predict([MELITTIN] * 40)
    assert len(made) == 1


def test_threads_are_counted_from_the_cores_if_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    for n_cores, expected in ((1, 1), (3, 3), (64, 8)):
        monkeypatch.setattr(device, "usable_cores", lambda n=n_cores: n)
        assert sortilin.load("anticancer", threads=None).threads == expected
    assert sortilin.load("anticancer").threads == 1


@pytest.mark.parametrize("threads", [0, -2])
def test_number_of_threads_that_is_none_is_refused(threads: int) -> None:
    with pytest.raises(ConfigError) as caught:
        sortilin.load("anticancer", threads=threads)
    assert str(caught.value) == f"threads must be at least 1, or None for one a core; got {threads}"


# --- what cannot be predicted


@pytest.mark.parametrize("predict", ["predict", "predict_proba"])
@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ([], FormatError, "input holds no records"),
        ("MKV", InputError, "sequences must be a list of strings, got one string; write [sequence]"),
        (["MKV", ""], ResidueError, 'input, record 2 ("seq2") has no residues'),
        (["XX"], ResidueError, 'input, record 1 ("seq1") has only unknown residues (X)'),
        (["MK7"], ResidueError, """input, record 1 ("seq1"), position 3: letter '7' is not a residue; """),
        ([None], FormatError, 'input, record 1 ("seq1") is None; expected a string or a record'),
        (
            [SequenceRecord("a", "MKV"), SequenceRecord("a", "MKL")],
            DuplicateIdError,
            'input, record 2 ("a") has the id of record 1; ids must differ',
        ),
    ],
)
def test_fault_of_the_input_is_named(
    localization: Predictor, predict: str, given: Any, error: type[InputError], message: str
) -> None:
    with pytest.raises(error) as caught:
        getattr(localization, predict)(given)
    assert str(caught.value).startswith(message)


def test_unknown_model_offers_the_nearest() -> None:
    with pytest.raises(UnknownNameError) as caught:
        sortilin.load("localisation")
    assert str(caught.value) == (
        "unknown model 'localisation'; did you mean 'localization'? "
        "choose from: anticancer, localization, or the path of a model folder"
    )


def test_path_of_no_folder_is_named(tmp_path: Path) -> None:
    for path in (tmp_path / "no", str(tmp_path / "no")):
        with pytest.raises(ModelFolderError, match=r"no is not a model folder: it does not exist"):
            sortilin.load(path)


def test_model_folder_is_loaded_by_its_path(tmp_path: Path, anticancer: Predictor) -> None:
    folder = shutil.copytree(PRETRAINED / "anticancer", tmp_path / "mine")
    for path in (folder, str(folder)):
        copied = sortilin.load(path)
        assert copied.name == str(folder)
        assert copied.model.checksum == anticancer.model.checksum
        assert copied.predict_proba([MELITTIN]) == pytest.approx(
            anticancer.predict_proba([MELITTIN]), abs=SAME
        )


@pytest.fixture
def damaged(tmp_path: Path) -> Callable[..., Predictor]:
    """A copy of a bundled model after a change to its description, or with other content of its graph."""

    def changed(change: Callable[[dict[str, Any]], Any], graph: bytes | None = None) -> Predictor:
        folder = shutil.copytree(PRETRAINED / "anticancer", tmp_path / "mine")
        description = json.loads((folder / "model.json").read_text())
        if graph is not None:
            (folder / "model.onnx").write_bytes(graph)
            description["files"]["model.onnx"] = hashlib.sha256(graph).hexdigest()
        change(description)
        (folder / "model.json").write_text(json.dumps(description))
        return sortilin.load(folder)

    return changed


def test_model_of_another_feature_set_is_refused(damaged: Callable[..., Predictor]) -> None:
    model = damaged(lambda d: d["features"].update(n_features=370))
    with pytest.raises(ModelFolderError) as caught:
        model.predict([MELITTIN])
    assert "mine expects 370 peptide features; this version of sortilin computes 369: " in str(caught.value)
    assert str(caught.value).endswith(f"use the version that wrote it, {sortilin.__version__}")


@pytest.mark.parametrize(
    ("question", "message"),
    [
        ({"name": "q", "positive": "anticancer", "negative": "neither"}, "its questions cannot be read"),
        (
            {"name": "q", "positive": "anticancer", "negative": "nobody", "slope": 1.0, "offset": 0},
            "its question 'q' does not fit its classes",
        ),
        (
            {"name": "q", "positive": "anticancer", "negative": "neither", "slope": 0, "offset": 0},
            "its question 'q' does not fit its classes",
        ),
    ],
)
def test_question_that_cannot_be_answered_is_refused(
    question: dict[str, Any], message: str, damaged: Callable[..., Predictor]
) -> None:
    with pytest.raises(ModelFolderError, match=message):
        damaged(lambda d: d.update(questions=[question]))


def test_prediction_answers_the_questions_of_its_model(anticancer: Predictor) -> None:
    (prediction,) = anticancer.predict(["GLFDIVKKVVGALGSL"])
    assert prediction.answers.keys() == anticancer.questions.keys()
    for name, how in anticancer.questions.items():
        yes, no = prediction.probabilities[how.positive], prediction.probabilities[how.negative]
        odds = np.exp(how.offset) * (yes / no) ** how.slope
        assert prediction.answers[name] == pytest.approx(odds / (1 + odds))


def test_feature_set_that_is_not_installed_is_named(damaged: Callable[..., Predictor]) -> None:
    model = damaged(lambda d: d["features"].update(name="somebodys"))
    with pytest.raises(UnknownNameError, match=r"unknown features 'somebodys'; choose from: composition, "):
        model.predict([MELITTIN])


def test_graph_that_is_none_is_named(damaged: Callable[..., Predictor]) -> None:
    model = damaged(lambda _d: None, graph=b"not a graph")
    with pytest.raises(ModelFolderError, match=r"mine is damaged: model\.onnx cannot be loaded: "):
        model.predict([MELITTIN])


# --- what a model cannot read


class TooLongError(InputError):
    """What a descriptor set raises of sequences that it has no features of."""

    def __init__(self, by_place: dict[int, str]) -> None:
        self.by_place = by_place
        super().__init__("no vector")


def cannot_read(monkeypatch: pytest.MonkeyPatch, *words: str) -> None:
    """Let every model fail at sequences with a word, word by word."""
    of_all = Predictor.scores

    def scores(self: Predictor, sequences: Sequence[str]) -> Any:
        for word in words:
            by_place = {at: f"has {word}" for at, sequence in enumerate(sequences) if word in sequence}
            if by_place:
                raise TooLongError(by_place)
        return of_all(self, sequences)

    monkeypatch.setattr(Predictor, "scores", scores)
    monkeypatch.setattr(predictor, "MAX_BATCH_SEQUENCES", 3)


@pytest.mark.parametrize("threads", [1, 3])
def test_what_a_model_cannot_read_is_told_in_order_and_the_rest_predicted(
    monkeypatch: pytest.MonkeyPatch, threads: int
) -> None:
    made = ["MKWWW", "GLFD", "MKYYY", "MKYYYW", "WWW", "YYY", "KLAK", "KWWW", "AKRH", "GLLD"]
    records = [SequenceRecord(f"p{n}", sequence) for n, sequence in enumerate(made)]
    readable = [record for record in records if record.id in {"p1", "p6", "p8", "p9"}]
    expected = sortilin.load("anticancer").predict(readable)
    cannot_read(monkeypatch, "WWW", "YYY")
    model = sortilin.load("anticancer", threads=threads)
    told: list[tuple[str, str]] = []
    batches = model.predict_batches(
        records, on_failure=lambda record, reason: told.append((record.id, reason))
    )
    found = list(batches)
    assert [[prediction.id for prediction in batch] for batch in found] == [["p1"], ["p6", "p8"], ["p9"]]
    assert told == [
        ("p0", "has WWW"),
        ("p2", "has YYY"),
        ("p3", "has YYY"),
        ("p4", "has WWW"),
        ("p5", "has YYY"),
        ("p7", "has WWW"),
    ]
    for prediction, other in zip((p for batch in found for p in batch), expected, strict=True):
        assert (prediction.id, prediction.label) == (other.id, other.label)
        assert prediction.probabilities == pytest.approx(other.probabilities, abs=SAME)


def test_what_a_model_cannot_read_is_an_error_without_a_listener(monkeypatch: pytest.MonkeyPatch) -> None:
    cannot_read(monkeypatch, "WWW")
    with pytest.raises(UnreadError, match=r"the model cannot read 1 sequence: seq2: has WWW") as caught:
        sortilin.load("anticancer").predict(["GLFD", "MKWWW", "KLAK"])
    assert caught.value.by_place == {1: "has WWW"}
