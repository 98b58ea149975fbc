"""The page says what the predictions say, escapes what it is given, and needs nothing from elsewhere."""

from __future__ import annotations

import base64
import hashlib
import io
import re
from collections import Counter
from collections.abc import Mapping
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

import sortilin.report
from sortilin import registry
from sortilin.report._html_page import (
    MAX_SKIPPED_SHOWN,
    N_COLOURS,
    ExpectedNote,
    Section,
    build_page,
    class_name,
    percent,
)
from sortilin.report.html import MAX_SHOWN
from sortilin.results import Prediction, RunSummary

CLASSES = ("cytosol", "secreted", "mitochondrion", "nucleus")
STYLE = (Path(sortilin.report.__file__).parent / "templates" / "page.css.j2").read_text(encoding="utf-8")
VOID = {"meta", "input", "br", "link", "img"}


def _summary(*, n_skipped: int = 0, changes: Mapping[str, int] | None = None, **details: Any) -> RunSummary:
    return RunSummary(
        version="0.1.0",
        model="localization-light",
        model_checksum="0123456789abcdef" * 4,
        task="localization",
        date="2026-03-14T09:26:53+00:00",
        source="proteins.fasta",
        n_predicted=1,
        n_skipped=n_skipped,
        changes=changes or {},
        details=details,
    )


def _prediction(record_id: str, label: str = "secreted", *flags: str, top: float = 0.85) -> Prediction:
    rest = (1 - top) / 3
    return Prediction(record_id, 110, label, {c: top if c == label else rest for c in CLASSES}, flags)


def _section(*predictions: Prediction, summary: RunSummary | None = None, **options: Any) -> Section:
    return Section("Predictions", CLASSES, predictions, summary or _summary(), **options)


def _page(*predictions: Prediction, summary: RunSummary | None = None, **options: Any) -> str:
    return build_page("proteins.fasta", "", [_section(*predictions, summary=summary, **options)])


class _Page(HTMLParser):
    """Checks that tags nest; collects attributes and the text of the body as a person reads it."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(page)
        self.close()
        assert self._open == []
        self.text = " ".join(self.text.split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not {"style", "script"} & set(self._open):
            self.text += data + ("" if "h3" in self._open else " ")

    def all(self, tag: str, **attributes: str) -> list[dict[str, str]]:
        wanted = {name.rstrip("_"): value for name, value in attributes.items()}
        return [found for name, found in self.tags if name == tag and wanted.items() <= found.items()]


def test_page_names_no_resource_from_elsewhere() -> None:
    page = _page(_prediction("P01308"), _prediction("https://example.org/x"))
    parsed = _Page(page)
    assert parsed.all("link") == parsed.all("img") == parsed.all("iframe") == []
    assert all("src" not in attributes for _, attributes in parsed.tags)
    assert all(a["href"].startswith("#") for a in parsed.all("a"))
    assert "url(" not in page
    assert "@import" not in page


def test_page_policy_allows_its_own_script_and_no_other() -> None:
    page = _page(_prediction("P01308"), _prediction("P02768"))
    (script,) = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    (policy,) = [a for a in _Page(page).all("meta") if a.get("http-equiv") == "Content-Security-Policy"]
    assert policy["content"] == (
        f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"
    )


def test_page_shows_hostile_text_as_text() -> None:
    hostile = '"><script>alert(1)</script><img src=x onerror=alert(1)>'
    note = ExpectedNote("nucleus", hostile, is_in_training=False)
    page = build_page(
        hostile,
        hostile,
        [
            _section(
                _prediction(hostile, "secreted", hostile),
                _prediction("b"),
                summary=_summary(
                    n_skipped=1, skipped=[{"record": 1, "id": hostile, "reason": hostile}], limits=[hostile]
                ),
                expected={hostile: note},
            )
        ],
    )
    parsed = _Page(page)
    assert len(parsed.all("script")) == 1
    assert parsed.all("img") == []
    assert not any(name.startswith("on") for _, attributes in parsed.tags for name in attributes)
    assert parsed.text.count(hostile) == 9  # title twice, intro, id, note, flag, skipped id and reason, limit


@pytest.mark.parametrize("top", [0.26, 0.5, 0.875, 1.0])
def test_page_bars_are_as_long_as_the_probabilities(top: float) -> None:
    prediction = _prediction("P01308", "secreted", top=top)
    parsed = _Page(_page(prediction))
    bars = [a for a in parsed.all("i") if "style" in a]
    overview, row = bars[:4], bars[4:]
    assert [a["style"] for a in overview] == ["width:0.0%", "width:100.0%", "width:0.0%", "width:0.0%"]
    for attributes, probability in zip(row, prediction.probabilities.values(), strict=True):
        width = float(attributes["style"].removeprefix("width:").removesuffix("%"))
        assert width == pytest.approx(100 * probability, abs=0.051)
    assert [a["class"] for a in row] == ["c0", "c1", "c2", "c3"]
    assert f"secreted {percent(top)}" in parsed.text


@pytest.mark.parametrize(
    ("probability", "text"),
    [(1.0, "100.0%"), (0.9996, ">99.9%"), (0.873, "87.3%"), (0.0004, "<0.1%"), (0.0, "0.0%")],
)
def test_percent_rounds_neither_to_nothing_nor_to_certainty(probability: float, text: str) -> None:
    assert percent(probability) == text


def test_page_row_says_length_class_and_confidence_in_words() -> None:
    parsed = _Page(_page(_prediction("P01308", "nucleus", top=0.6)))
    assert "P01308 110 residues nucleus Medium confidence" in parsed.text


def test_page_flags_stand_in_words() -> None:
    flags = ("U>C:1", "unknown:2", "stop:1", "longer_than_trained", "odd_flag:1")
    text = _Page(_page(_prediction("P07203", "cytosol", *flags))).text
    for words in (
        "1 selenocysteine (U) read as cysteine (C)",
        "2 unknown residues (B, Z, J or X)",
        "a final * was removed",
        "longer than any sequence the model was trained on",
        "odd_flag:1",
    ):
        assert words in text


def test_page_says_where_it_came_from() -> None:
    parsed = _Page(_page(_prediction("a"), summary=_summary(changes={"U>C": 2})))
    for words in (
        "Source proteins.fasta",
        "Model localization-light",
        "Model checksum 0123456789ab ",
        "Date 2026-03-14 09:26 UTC",
        "Version sortilin 0.1.0",
        "Noted in the input: 2 selenocysteines (U) read as cysteine (C).",
    ):
        assert words in parsed.text
    assert {"title": "0123456789abcdef" * 4} in parsed.all("dd")


def test_page_date_that_is_none_is_shown_as_given() -> None:
    summary = RunSummary("0", "m", "c", "t", "last <week>", "s", 0, 0, {})
    assert "Date last <week>" in _Page(_page(summary=summary)).text


def test_page_lists_skipped_records_and_limits() -> None:
    skipped = [{"record": 7, "id": "dna", "reason": "looks like DNA"}]
    summary = _summary(n_skipped=1, skipped=skipped, limits=["Knows four places."])
    text = _Page(_page(_prediction("a"), summary=summary)).text
    assert "1 sequence, 1 record skipped" in text
    assert "Record Id Reason 7 dna looks like DNA" in text
    assert "What this does not say Knows four places." in text


def test_page_long_list_of_skipped_records_is_cut_and_says_so() -> None:
    skipped = [{"record": i, "id": f"r{i}", "reason": "holds no residue"} for i in range(1500)]
    text = _Page(_page(_prediction("a"), summary=_summary(n_skipped=1500, skipped=skipped))).text
    assert "1,500 records skipped" in text
    assert f"The first {MAX_SKIPPED_SHOWN} of 1,500 are listed." in text
    assert text.count("holds no residue") == MAX_SKIPPED_SHOWN


def test_page_counts_skipped_records_that_are_not_listed() -> None:
    assert (
        "1 sequence, 3 records skipped" in _Page(_page(_prediction("a"), summary=_summary(n_skipped=3))).text
    )


def test_page_without_predictions_says_so() -> None:
    text = _Page(_page()).text
    assert "0 sequences" in text
    assert "No sequence was predicted." in text


def test_page_compares_with_what_is_expected() -> None:
    expected = {
        "P01308": ExpectedNote("secreted", "Human insulin, Homo sapiens, P01308", is_in_training=False),
        "P99999": ExpectedNote("mitochondrion", "Cytochrome c", is_in_training=True),
    }
    predictions = (_prediction("P01308"), _prediction("P99999", "cytosol", "trained_on"), _prediction("odd"))
    text = _Page(_page(*predictions, expected=expected)).text
    assert "3 sequences · 1 of 2 as expected" in text
    assert "Human insulin, Homo sapiens, P01308" in text
    assert "✓ as expected · not in the training data" in text
    assert "✗ differs: expected mitochondrion · in the training data" in text
    assert text.count("the training data") == 2
    assert "the model was trained on" not in text  # the flag would say it a second time


def test_page_without_expectations_does_not_speak_of_them() -> None:
    assert "expected" not in _Page(_page(_prediction("a"))).text


def test_page_of_several_sections_links_to_each() -> None:
    peptides = Section(
        "Peptides",
        ("anticancer", "not_anticancer"),
        [Prediction("m", 23, "not_anticancer", {"anticancer": 0.2, "not_anticancer": 0.8})],
        _summary(),
    )
    page = build_page("Both", "First.\n\nSecond.", [_section(_prediction("a"), expected={}), peptides])
    parsed = _Page(page)
    links = [a["href"] for a in parsed.all("a")]
    assert links == ["#section-1", "#section-1", "#section-2"]
    assert {a["id"] for a in parsed.all("section")} == {"section-1", "section-2"}
    assert len(parsed.all("p", class_="intro")) == 2
    assert "not anticancer High confidence" in parsed.text


def test_page_ids_of_elements_are_unique() -> None:
    page = build_page("Both", "", [_section(_prediction("a"), summary=_summary(n_skipped=1))] * 3)
    ids = [a["id"] for _, a in _Page(page).tags if "id" in a]
    assert len(ids) == len(set(ids)) == 9


@pytest.mark.parametrize(
    ("name", "shown"),
    [("not_anticancer", "not anticancer"), ("GO_0005737", "GO_0005737"), ("a_b_c", "a b c"), ("_x", "_x")],
)
def test_class_name_is_written_for_people(name: str, shown: str) -> None:
    assert class_name(name) == shown


def test_page_controls_wait_for_the_script() -> None:
    (form,) = _Page(_page(_prediction("a"), _prediction("b"))).all("form")
    assert "hidden" in form
    assert _Page(_page(_prediction("a"))).all("form") == []


def test_html_shows_the_first_rows_and_counts_all() -> None:
    n = 3 * MAX_SHOWN
    stream = io.BytesIO()
    out = registry.get("format", "html")(stream, classes=CLASSES, title="proteins.fasta")
    for start in range(0, n, 700):
        labels = [CLASSES[i % 3] for i in range(start, min(n, start + 700))]
        out.write([_prediction(f"r{start + i}", label) for i, label in enumerate(labels)])
    out.finish(_summary())
    page = stream.getvalue().decode()
    assert len(page) < 10_000_000
    parsed = _Page(page)
    rows = parsed.all("li", class_="row")
    assert len(rows) == MAX_SHOWN
    assert Counter(row["data-class"] for row in rows).most_common(1) == [("cytosol", 1667)]
    assert "Showing the first 5,000 of 15,000 sequences." in parsed.text
    assert "for the full table, use .tsv" in parsed.text
    assert "cytosol 5,000 33.3% secreted 5,000 33.3% mitochondrion 5,000 33.3% nucleus 0 0.0%" in parsed.text


def test_html_up_to_the_limit_has_no_notice() -> None:
    assert "Showing the first" not in _page(*[_prediction(f"r{i}") for i in range(12)])


def test_page_more_classes_than_colours_start_again() -> None:
    classes = tuple(f"class {i}" for i in range(N_COLOURS + 2))
    scores = dict.fromkeys(classes, 0.1)
    prediction = Prediction("a", 5, classes[-1], scores)
    page = build_page("Many", "", [Section("Many", classes, [prediction], _summary())])
    colours = [a["class"] for a in _Page(page).all("i") if "style" in a]
    assert colours == [f"c{i % N_COLOURS}" for i in range(N_COLOURS + 2)] * 2


def _palettes() -> list[dict[str, str]]:
    """The variables of the light and of the dark scheme."""
    light, dark, _print = re.findall(r":root \{(.*?)\}", STYLE, re.DOTALL)
    return [dict(re.findall(r"--(\w[\w-]*): (#[0-9a-f]{6});", block)) for block in (light, dark)]


def _luminance(colour: str) -> float:
    """Relative luminance, WCAG 2.2."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _contrast(one: str, other: str) -> float:
    low, high = sorted((_luminance(one), _luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("palette", _palettes(), ids=["light", "dark"])
def test_page_colours_meet_wcag_aa(palette: dict[str, str]) -> None:
    for text in ("ink", "soft", "link"):
        assert _contrast(palette[text], palette["page"]) >= 4.5
    for background in ("track", "field", "notice"):
        assert _contrast(palette["ink"], palette[background]) >= 4.5
    assert _contrast(palette["soft"], palette["field"]) >= 4.5  # the hint inside the search field
    assert _contrast(palette["strong-rule"], palette["page"]) >= 3  # edges of fields and badges
    for index in range(N_COLOURS):
        for background in ("page", "track"):
            assert _contrast(palette[f"c{index}"], palette[background]) >= 3
