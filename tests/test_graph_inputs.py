"""How sequences are cut into runs of a graph over tokens."""

from __future__ import annotations

import numpy as np
import pytest

from sortilin.graph_inputs import _batches


def runs(lengths: list[int]) -> list[list[int]]:
    """Lengths in each run."""
    return [[lengths[i] for i in batch] for batch in _batches(["M" * n for n in lengths])]


def test_each_row_stands_in_one_run_in_order_of_length() -> None:
    lengths = np.random.default_rng(1).integers(1, 900, 300).tolist()
    order = np.concatenate(list(_batches(["M" * n for n in lengths])))
    assert sorted(order.tolist()) == list(range(300))
    assert [lengths[i] for i in order] == sorted(lengths, reverse=True)


@pytest.mark.parametrize(
    ("length", "rows"), [(25, 160), (500, 8), (1_000, 4), (2_000, 4), (12_500, 4), (20_000, 2), (35_000, 1)]
)
def test_runs_are_short_but_of_four_rows_where_memory_allows(length: int, rows: int) -> None:
    found = [len(run) for run in runs([length] * (2 * rows + 1))]
    assert found == [rows, rows, 1]


def test_long_sequence_among_short_ones_is_a_run_with_few_pads() -> None:
    assert runs([5] * 50 + [35_000, 60_000]) == [[60_000], [35_000], [5] * 50]
    assert runs([5] * 50 + [2_000]) == [[2_000, 5, 5, 5], [5] * 47]
