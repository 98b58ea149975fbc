"""Vocabulary tables from a tokenizer, and the proof that they do what it does."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import takewhile
from pathlib import Path
from typing import Any

from sortilin.errors import BackboneError
from sortilin.language_models._family import Family
from sortilin.language_models._spelling import RARE, UNKNOWN, Spelling
from sortilin.language_models._vocabulary import Vocabulary
from sortilin.sequences.tokens import RESIDUES

STANDARD = RESIDUES.removesuffix(UNKNOWN)
PROBE_RESIDUES = 63
"""Short, so that no tokenizer takes a probe for too long."""


def read(folder: Path, family: type[Family], *, is_listed: bool) -> Vocabulary:
    """The vocabulary of a folder's tokenizer, checked against it on all pairs of residues.

    A checkpoint of the tables is spelled as its family does it. For any other the spelling is found out
    where that fails: with or without spaces, with X or the token of the unknown.

    Raises:
        BackboneError: The tokenizer cannot be read, or does not give one token a residue.
    """
    tokenizer = _load(folder)
    faults = []
    for spelling, letters in _spellings(family, tokenizer, is_listed=is_listed):
        try:
            return from_tokenizer(tokenizer, spelling, letters)
        except ValueError as fault:
            faults.append(str(fault))
    raise BackboneError(
        f"{folder}: the tokenizer does not give one token a residue: {faults[0]}; a backbone needs that"
    )


def _spellings(family: type[Family], tokenizer: Any, *, is_listed: bool) -> Sequence[tuple[Spelling, str]]:
    """Spellings to try, each with the letters that get a token."""
    if is_listed:
        return [(family.spelling, RESIDUES + RARE)]
    instead: list[dict[str, str]] = [{}]
    if tokenizer.unk_token is not None:
        instead.append({UNKNOWN: tokenizer.unk_token})
    found = [(Spelling(between, replaced), RESIDUES) for replaced in instead for between in ("", " ")]
    return [(family.spelling, RESIDUES + RARE), *found] if family.checkpoints else found


def _load(folder: Path) -> Any:
    from transformers import AutoTokenizer

    try:
        # Residues are capital letters, whatever the tokenizer's default is.
        return AutoTokenizer.from_pretrained(
            folder, local_files_only=True, trust_remote_code=False, do_lower_case=False
        )
    except Exception as error:
        fault = str(error).strip().partition("\n")[0]
        raise BackboneError(f"{folder}: the tokenizer cannot be read: {fault}") from error


def from_tokenizer(tokenizer: Any, spelling: Spelling, letters: str) -> Vocabulary:
    """Tables of a tokenizer.

    Args:
        tokenizer: A tokenizer of transformers.
        spelling: How a sequence is written for it.
        letters: The letters that get a token.

    Raises:
        ValueError: It does not do what tables can do; the message says where.
    """
    alone = {letter: _ids(tokenizer, spelling, letter) for letter in dict.fromkeys(letters)}
    first, other = alone[STANDARD[0]], alone[STANDARD[1]]
    n_before, n_after = _n_shared(first, other), _n_shared(first[::-1], other[::-1])
    for letter, ids in alone.items():
        if len(ids) != n_before + 1 + n_after:
            raise ValueError(f"{spelling.text(letter)!r} becomes {ids}")
    if tokenizer.pad_token_id is None:
        raise ValueError("it has no token for pads")
    vocabulary = Vocabulary.of(
        {letter: ids[n_before] for letter, ids in alone.items()},
        before=first[:n_before],
        after=first[n_before + 1 :],
        pad=tokenizer.pad_token_id,
        pads_left=tokenizer.padding_side == "left",
    )
    _check(vocabulary, tokenizer, spelling)
    return vocabulary


def _check(vocabulary: Vocabulary, tokenizer: Any, spelling: Spelling) -> None:
    n_kinds = len({int(vocabulary.id_of_byte[ord(letter)]) for letter in STANDARD})
    if n_kinds != len(STANDARD):
        raise ValueError(f"the {len(STANDARD)} standard residues have {n_kinds} tokens")
    for probe in _probes():
        found = _ids(tokenizer, spelling, probe)
        if found != vocabulary.encode(probe).tolist():
            raise ValueError(f"{probe!r} becomes {found}")


def _probes() -> Iterator[str]:
    """Sequences that together hold every pair of letters: what a tokenizer that joins letters joins."""
    pairs = "".join(a + b for a in RESIDUES for b in RESIDUES)
    for start in range(0, len(pairs), PROBE_RESIDUES):
        yield pairs[start : start + PROBE_RESIDUES + 1]


def _ids(tokenizer: Any, spelling: Spelling, sequence: str) -> list[int]:
    return list(tokenizer(spelling.text(sequence))["input_ids"])


def _n_shared(one: Sequence[int], other: Sequence[int]) -> int:
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))
