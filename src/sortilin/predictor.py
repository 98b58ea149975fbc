"""Load a model once, predict a stream in batches: the one code path of command line, Python and server.

Axis letters: N sequences, C classes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from sortilin import artifact, device, trust
from sortilin.artifact import ModelFolder
from sortilin.bundled import locate
from sortilin.errors import ConfigError, InputError
from sortilin.evaluation import conformal
from sortilin.evaluation.calibration import Calibration
from sortilin.evaluation.per_class import PerClass
from sortilin.graph_inputs import NO_VECTORS, OfSequences, Reader, UnreadError, Vectors, reader_of
from sortilin.interfaces import DoubleArray
from sortilin.labelling import Labelling, questions_of
from sortilin.pool import map_in_order
from sortilin.results import Prediction
from sortilin.sequences import SequenceRecord, records_from_strings
from sortilin.sequences.batches import batched
from sortilin.trust import Sets

Result = TypeVar("Result")

OnFailure = Callable[[SequenceRecord, str], None]
"""Called with a record that the model cannot read, and why."""

MAX_BATCH_RESIDUES = 50_000
MAX_BATCH_SEQUENCES = 2_048
"""Enough to spread NumPy's overhead thin, few enough for several batches in a file of some hundred proteins.

They do not depend on the number of threads, so that results do not either.
"""

MAX_THREADS_BY_DEFAULT = 8
"""Where all cores are asked for; more would wait for each other's Python, and each holds a batch."""


def load(
    model: str | Path,
    *,
    threads: int | None = 1,
    vectors: Sequence[str | Path] = (),
    table: str | Path | None = None,
) -> Predictor:
    """A predictor from a bundled model's name ("localization") or a model folder.

    Args:
        model: Name or path.
        threads: Batches that are worked on at a time, each in a thread of its own; None for one a core,
            at most 8. The same input gives the same bits whatever it is.
        vectors: Files with the vectors of the sequences to predict, for a model of `precomputed` features.
        table: FASTA file or table with their sequences, where the files do not name these themselves.

    Raises:
        UnknownNameError: There is no such bundled model and no such folder.
        ModelFolderError: The folder is damaged, foreign or newer.
        ConfigError: `threads` is less than 1, or the table is without vectors.
    """
    if table is not None and not vectors:
        raise ConfigError("a table of sequences is for files of vectors; give these too, or leave it out")
    given = Vectors(tuple(str(path) for path in vectors), None if table is None else str(table))
    return Predictor(artifact.read(locate(model)), name=str(model), threads=threads, vectors=given)


class Predictor:
    """A trained model, ready to predict.

    A sequence gets the same bits in any company; from a network or a head, the same to rounding.

    Attributes:
        name: The name or path that it was loaded by.
        model: Its folder.
        task: Name of its task.
        classes: Class names; the column order of `predict_proba`.
        questions: Question of two classes → how it is answered from the probabilities; mostly empty.
        threads: How many batches it works on at a time.
        decider: Probabilities and thresholds of a model of several classes a sequence; None for one of one.
    """

    def __init__(
        self,
        model: ModelFolder,
        *,
        name: str,
        threads: int | None = 1,
        vectors: Vectors = NO_VECTORS,
    ) -> None:
        self.name, self.model, self._vectors = name, model, vectors
        self.threads = min(device.usable_cores(), MAX_THREADS_BY_DEFAULT) if threads is None else threads
        if self.threads < 1:
            raise ConfigError(f"threads must be at least 1, or None for one a core; got {threads}")
        self.task: str = model.description["task"]
        self.classes: tuple[str, ...] = tuple(model.description["classes"])
        self.decider = model.decider()
        self._calibration: Calibration | PerClass = self.decider or model.calibration()
        self.questions = questions_of(model)
        n_classes, shape = len(self.classes), self._calibration.weights.shape
        if len(shape) != 2 or shape[1] != n_classes or self._calibration.bias.shape != (n_classes,):
            raise self.model.damaged(f"its calibration does not fit {n_classes} classes")

    @property
    def classes_(self) -> NDArray[np.str_]:
        """Class names as an array, as scikit-learn has it."""
        return np.array(self.classes)

    @cached_property
    def _reader(self) -> Reader:
        try:
            return reader_of(self.model, self._vectors)
        except ValueError as error:  # pydantic's ValidationError is one
            raise self.model.damaged(f"its input cannot be made: {error}") from None

    @cached_property
    def _session(self) -> Any:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        # A run stays in the thread that asks for it: others do other batches, and sums have one order.
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        try:
            session = onnxruntime.InferenceSession(
                self.model.graph, options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # onnxruntime's errors share no public base class
            raise self.model.damaged(f"{artifact.GRAPH} cannot be loaded: {error}") from error
        inputs = sorted((tensor.name, tensor.shape[1:]) for tensor in session.get_inputs())
        outputs = [(tensor.name, tensor.shape[1:]) for tensor in session.get_outputs()]
        expected, n_scores = self._reader.graph_inputs, self._calibration.n_scores
        if inputs != expected or outputs[:1] != [("scores", [n_scores])]:
            raise self.model.damaged(f"{artifact.GRAPH} is not from {self._reader.what} to {n_scores} scores")
        wanted = [("members", [self.n_members, n_scores])] if self.n_members > 1 else []
        if [output for output in outputs if output[0] == "members"] != wanted:
            raise self.model.damaged(f"{artifact.GRAPH} does not give the scores of {self.n_members} members")
        return session

    @cached_property
    def _labelling(self) -> Labelling:
        return Labelling(self.model, self._reader.policy, self._reader.described)

    def was_trained_on(self, sequences: Sequence[str]) -> NDArray[np.bool_]:
        """(N,) whether each cleaned sequence stood, letter for letter, in the training data."""
        return self._labelling.was_trained_on(sequences)

    def predict_proba(self, sequences: Sequence[str | SequenceRecord]) -> DoubleArray:
        """(N, C) calibrated probabilities, in the order given; columns as in `classes`.

        Raises:
            InputError: There is none, or one is empty or holds a letter that is no residue.
        """
        records = records_from_strings(sequences)
        return np.concatenate(list(self._by_batch(self._probabilities, records)))

    def proba_of_cleaned(self, sequences: Sequence[str]) -> DoubleArray:
        """(N, C) calibrated probabilities of one cleaned sequence or more; nothing but X is allowed."""
        records = (SequenceRecord(f"seq{n}", sequence) for n, sequence in enumerate(sequences, start=1))
        return np.concatenate(list(self._by_batch(self._probabilities, records)))

    def predict(
        self,
        sequences: Iterable[str | SequenceRecord],
        *,
        coverage: float | None = None,
        per_class: bool = False,
    ) -> list[Prediction]:
        """One record a sequence, in the order given; plain strings get the ids seq1, seq2, ...

        Args:
            sequences: Strings or cleaned records.
            coverage: How often the set of each prediction is to hold the true class; None for no sets.
            per_class: Whether of the sequences of every class by itself; see `sets`.

        Raises:
            InputError: There is none, or one is empty or holds a letter that is no residue.
            ConfigError: See `sets`.
        """
        add = list if coverage is None else self.sets(coverage, per_class=per_class)
        stream = self.predict_batches(records_from_strings(sequences))
        return [prediction for batch in stream for prediction in add(batch)]

    def predict_batches(
        self, records: Iterable[SequenceRecord], *, on_failure: OnFailure | None = None
    ) -> Iterator[list[Prediction]]:
        """Predictions in input order, a batch at a time.

        Records are drawn in the caller's thread; no more than two batches a thread are held. A fault of the
        records is raised behind the predictions of the batches before it.

        Args:
            records: Cleaned records.
            on_failure: Called, in input order and in the caller's thread, with each record that the model
                cannot read (a language model takes no longer one, say); it is left out. Without it, the
                first such batch is an error.

        Raises:
            UnreadError: The model cannot read some records of a batch, and there is no `on_failure`.
        """
        if on_failure is None:
            yield from self._by_batch(self._predictions, records)
            return
        for predictions, failed in self._by_batch(self._predictions_and_failures, records):
            for record, reason in failed:
                on_failure(record, reason)
            if predictions:
                yield predictions

    def scores(self, sequences: Sequence[str]) -> DoubleArray:
        """(N, S) scores of cleaned sequences, before calibration; logits where the model is a network."""
        return self._reader.scores(self._session, sequences).astype(np.float64)

    @property
    def feature_names(self) -> tuple[str, ...]:
        """One name a feature, of a model that takes nothing but features; else empty."""
        return self._reader.feature_names

    def features(self, sequences: Sequence[str]) -> NDArray[np.float32]:
        """(N, F) what such a model makes of cleaned sequences.

        Raises:
            ConfigError: The model takes something else than features.
        """
        if not self.feature_names:
            raise ConfigError(f"model '{self.name}' reads residues, not features of whole sequences")
        return self._reader.features(sequences)

    def scores_of_features(self, x: NDArray[np.float32]) -> DoubleArray:
        """(N, F) features → (N, S) scores, before calibration; see `features`."""
        return np.asarray(self._session.run(["scores"], {"features": x})[0], dtype=np.float64)

    def probabilities_of_scores(self, scores: DoubleArray) -> DoubleArray:
        """(N, S) scores → (N, C) calibrated probabilities."""
        return self._calibration(scores)

    def _by_batch(
        self, work: Callable[[list[SequenceRecord]], Result], records: Iterable[SequenceRecord]
    ) -> Iterator[Result]:
        cut = batched(records, max_residues=MAX_BATCH_RESIDUES, max_sequences=MAX_BATCH_SEQUENCES)
        return map_in_order(work, self._loaded(cut), threads=self.threads)

    def _loaded(self, batches: Iterator[list[SequenceRecord]]) -> Iterator[list[SequenceRecord]]:
        """The batches; before the first, what all threads share is loaded, once and in this thread."""
        for batch in batches:
            _ = self._session, self._labelling
            yield batch

    def _predictions_and_failures(
        self, batch: list[SequenceRecord]
    ) -> tuple[list[Prediction], list[tuple[SequenceRecord, str]]]:
        """Predictions of the records that the model can read; the others, and why it cannot."""
        failed: dict[int, str] = {}
        while True:
            left = [at for at in range(len(batch)) if at not in failed]
            try:
                found = self._predictions([batch[at] for at in left]) if left else []
            except UnreadError as error:
                failed |= {left[at]: reason for at, reason in error.by_place.items()}
            else:
                return found, [(batch[at], failed[at]) for at in sorted(failed)]

    @property
    def n_members(self) -> int:
        """How many opinions a prediction is the mean of: members, times dropout masks; 1 without either."""
        about = self.model.description.get("members")
        return 1 if about is None else about["networks"] * max(about["dropout_samples"], 1)

    @property
    def extra_columns(self) -> tuple[str, ...]:
        """Optional columns that its predictions have."""
        return ("spread", "disagreement") if self.n_members > 1 else ()

    def predict_members(self, sequences: Sequence[str | SequenceRecord]) -> DoubleArray:
        """(N, K, C) probabilities of each of K members, in the order given.

        The calibration of the model, which was fitted to the mean, is applied to the scores of each.

        Raises:
            ConfigError: The model has one opinion.
            InputError: There is no sequence, or one is empty or holds a letter that is no residue.
        """
        if self.n_members == 1:
            raise ConfigError(
                f"model '{self.name}' has one opinion; networks that are trained with members above 1, or "
                "with dropout_samples, have several"
            )
        parts = self._by_batch(lambda batch: self._opinions(batch)[1], records_from_strings(sequences))
        return np.concatenate([part for part in parts if part is not None])

    def _opinions(self, batch: list[SequenceRecord]) -> tuple[DoubleArray, DoubleArray | None]:
        """(N, C) probabilities, and (N, K, C) of the members where there are several; from one run."""
        scores, each = self._read_by(self._scores_of_members if self.n_members > 1 else self._bare, batch)
        table = self._checked(self._calibration(scores))
        if each is None:
            return table, None
        found = self._checked(self._calibration(each.reshape(-1, each.shape[2])))
        return table, found.reshape(*each.shape[:2], -1)

    def _bare(self, sequences: Sequence[str]) -> tuple[DoubleArray, DoubleArray | None]:
        return self.scores(sequences), None

    def _scores_of_members(self, sequences: Sequence[str]) -> tuple[DoubleArray, DoubleArray | None]:
        """(N, S) scores, and (N, K, S) of the members."""
        scores, each = self._reader.outputs(self._session, sequences, ("scores", "members"))
        return scores.astype(np.float64), each.astype(np.float64)

    def _read_by(self, work: Callable[[Sequence[str]], Result], batch: list[SequenceRecord]) -> Result:
        """What a graph's run gives of a batch; a fault of some of its sequences names their records."""
        try:
            return work([record.sequence for record in batch])
        except InputError as error:
            if isinstance(error, OfSequences) and error.by_place:
                raise UnreadError(batch, error.by_place) from None
            raise

    def _checked(self, table: DoubleArray) -> DoubleArray:
        if not np.isfinite(table).all():
            raise self.model.damaged("it gives probabilities that are no numbers")
        return table

    def _predictions(self, batch: list[SequenceRecord]) -> list[Prediction]:
        return self._labelling(batch, *self._opinions(batch))

    def sets(
        self,
        coverage: float,
        *,
        per_class: bool = False,
        kind: str = conformal.KINDS[0],
        never_empty: bool = False,
    ) -> Sets:
        """What adds to predictions the classes of which the true one is one as often as asked.

        Args:
            coverage: How often, above 0 and below 1.
            per_class: Whether of the sequences of every class by itself.
            kind: The nonconformity: "lac" or "aps".
            never_empty: Whether a set that would be empty holds the predicted class; the true one is then in
                the sets more often than asked.

        Raises:
            ConfigError: The coverage is not allowed, or the model has no tables for sets, or too small ones.
            UnknownNameError: There is no such nonconformity.
        """
        return trust.sets_of(self.model, coverage, per_class=per_class, kind=kind, never_empty=never_empty)

    def _probabilities(self, batch: list[SequenceRecord]) -> DoubleArray:
        return self._checked(self._calibration(self._read_by(self.scores, batch)))

    def vector_files(self) -> dict[str, str]:
        """File of vectors, and of their sequences, that it predicts from → SHA-256; mostly empty.

        Raises:
            InputError: One cannot be read.
        """
        return self._reader.files()

    @property
    def kept_when_shortened(self) -> tuple[int, int]:
        """How many first and last residues count, of a sequence that is longer than it reads."""
        policy = self._reader.policy
        return (policy.max_residues or 0) - policy.keep_last, policy.keep_last

    @property
    def has_attention(self) -> bool:
        """Whether `attention` gives weights."""
        return "attention" in [tensor.name for tensor in self._session.get_outputs()]

    def attention(self, sequences: Sequence[str | SequenceRecord]) -> list[NDArray[np.float32]]:
        """Attention weights of each residue, one (L,) array a sequence, which sums to 1.

        NaN stands at residues that the model did not look at (see the flag `shortened_to`).

        Raises:
            ConfigError: The model has no attention.
            InputError: There is no sequence, or one is empty or holds a letter that is no residue.
        """
        if not self.has_attention:
            raise ConfigError(
                f"model '{self.name}' has no attention; networks with pooling: attention or self_attention "
                "have (attention-lstm, cnn-bilstm-attention, cnn-attention)"
            )
        parts = self._by_batch(self._attention, records_from_strings(sequences))
        return [weights for part in parts for weights in part]

    def _attention(self, batch: list[SequenceRecord]) -> list[NDArray[np.float32]]:
        return self._reader.attention(self._session, [record.sequence for record in batch])
