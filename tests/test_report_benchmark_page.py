"""The page of a benchmark says what the results say, escapes what it is given, and needs nothing else."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any

import pytest

from sortilin.report.benchmark import _page
from sortilin.report.benchmark import _words as words
from sortilin.report.benchmark._drawing import Picture
from test_report_benchmark_table import evaluation, make_results, model

HOSTILE = '<b>"x"</b><script>alert(1)</script>'
VOID = {"meta", "input", "br", "img"}
SECTIONS = ["comparison", "exploration", "curves", "confusion", "per_class", "cross_validation", "blind"]
SECTIONS += ["choices", "method"]


class Parsed(HTMLParser):
    """Tags with their attributes, and the text between them, each tag closed where it should be."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(page)
        self.close()
        assert self._open == []
        self.text = re.sub(r"\s+", " ", self.text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self._open:
            self.text += data + " "

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.tags if name == tag]


def picture(topic: str, *, name: str = "", svg: bytes = b"<svg/>", png: bytes = b"png") -> Picture:
    return Picture(name or topic, topic, f"alt of {topic}", f"caption of {topic}", png, svg, 365, 200)


PICTURES = [picture(topic) for topic in SECTIONS[:6]]


def page_of(**changes: Any) -> Parsed:
    return Parsed(_page.build(make_results(**changes), PICTURES))


def test_page_has_every_section_in_order_and_links_to_it() -> None:
    parsed = page_of()
    assert [a["id"] for a in parsed.all("section")] == SECTIONS
    links = [a["href"] for a in parsed.all("a")]
    assert links == ["#comparison", *(f"#{name}" for name in SECTIONS)]


def test_page_headline_names_the_best_and_the_baseline() -> None:
    text = page_of().text
    assert (
        "LSTM is the best of 2 models: macro-F1 0.800 (95 % interval 0.750 to 0.850) on 30 held-out" in text
    )
    assert f"The best baseline, LENGTH, reaches 0.300 (0.250{words.EN_DASH}0.350) on the same." in text
    assert "All others are told apart from LSTM (p < 0.05)." in text
    for said in ("psl, 150 sequences", "120 to train with, 30 held out", "2 repeated sequences", "Seed 42"):
        assert said in text


def test_page_says_which_models_cannot_be_told_from_the_best() -> None:
    results = make_results()
    results["models"][1]["against_best"]["p_value"] = 0.3
    assert "Not told apart from LSTM (p ≥ 0.05): SVM." in Parsed(_page.build(results, [])).text


def test_page_comparison_shows_intervals_differences_and_the_paper() -> None:
    text = page_of().text
    dash, minus = words.EN_DASH, words.MINUS
    assert f"SVM 0.600 0.550{dash}0.650 0.600" in text
    assert f"{minus}0.200 {minus}0.300 to {minus}0.100 0.020 {minus}0.058 1 min 15 s {dash}" in text
    assert "As published: Li, Table 1. Not measured here." in text
    assert f"LSTM paper 0.726 0.708 {dash} 0.719 0.736" in text
    assert "LSTM best 0.800" in text
    assert "LENGTH baseline 0.300" in text
    assert "1,234,567" in text


def test_page_rows_of_a_table_have_equally_many_cells() -> None:
    page = _page.build(make_results(), PICTURES)
    for table in re.findall(r"<table.*?</table>", page, re.DOTALL):
        rows = re.findall(r"<tr.*?</tr>", table, re.DOTALL)
        n_cells = [
            sum(int(n or 1) for n in re.findall(r"<t[hd](?: colspan=\"(\d+)\")?[ >]", row)) for row in rows
        ]
        assert len(set(n_cells)) == 1


def test_page_shows_folds_blind_predictions_choices_and_options() -> None:
    text = page_of().text
    assert "Mean 30 0.700 ± 0.012" in text
    assert "All folds pooled 30 0.700" in text
    assert "1 of 2 classes are as published by ESM2-T33 + MLP , 0 of them with the same confidence" in text
    assert "SEQ01 cytosol 0.81 High 0.55 secreted cytosol Medium ✓ same" in text
    assert "SEQ02 cytosol 0.81 High 0.55 secreted secreted Medium ✗ differs" in text
    assert "truncation first 2,400 first 1,900" in text
    for said in (
        "training.schedule.warmup none",
        "Accelerator none",
        "Versions torch 2.13.0",
        "--out runs/b",
    ):
        assert said in text


@pytest.mark.parametrize(
    ("part", "value", "section"),
    [
        ("cross_validation", None, "cross_validation"),
        ("blind", None, "blind"),
        ("choices", [], "choices"),
        ("choices", None, "choices"),
    ],
)
@pytest.mark.parametrize("is_absent", [False, True])
def test_page_leaves_out_the_section_of_what_there_is_not(
    part: str, value: object, section: str, is_absent: bool
) -> None:
    results = make_results() | {part: value}
    if is_absent:
        del results[part]
    parsed = Parsed(_page.build(results, [p for p in PICTURES if p.topic != section]))
    assert [a["id"] for a in parsed.all("section")] == [name for name in SECTIONS if name != section]


def test_page_of_the_least_results() -> None:
    results = make_results(("no", "yes"), models=[model("svm", 0.5, ("no", "yes"))], best="svm", metric="mcc")
    results["models"][0] |= {"intervals": {}, "against_best": None, "options": {}, "seconds": None}
    for part in ("exploration", "published", "cross_validation", "blind", "choices", "machine", "command"):
        del results[part]
    for part in ("sha256", "citation", "n_repeats"):
        del results["data"][part]
    parsed = Parsed(_page.build(results, []))
    assert [a["id"] for a in parsed.all("section")] == ["comparison", "method"]
    assert "SVM is the only model: MCC 0.400 on 20 held-out sequences." in parsed.text
    assert "No options." in parsed.text


def test_page_of_folds_speaks_of_cross_validated_sequences() -> None:
    text = page_of(split="folds").text
    assert "macro-F1 0.800 (95 % interval 0.750 to 0.850) on 30 cross-validated sequences" in text
    assert "cross-validation in 5 folds: all sequences are scored" in text
    assert "held-out" not in text
    assert "Held out" not in text


def test_page_shows_a_dash_for_what_is_undefined() -> None:
    results = make_results()
    for m in results["models"]:
        m["evaluation"]["metrics"] = dict.fromkeys(m["evaluation"]["metrics"]) | {"mcc": float("nan")}
        m["intervals"] = {"macro_f1": [None, None]}
    results["models"][1]["against_best"] |= {"difference": None, "low": None, "high": None, "p_value": None}
    text = Parsed(_page.build(results, [])).text
    assert f"LSTM best {words.UNDEFINED} {words.UNDEFINED}" in text
    assert "nan" not in text.lower().replace("finance", "")
    assert "None" not in text


def test_page_shows_hostile_text_as_text() -> None:
    classes = (HOSTILE, "nucleus")
    results = make_results(classes, title=HOSTILE, command=HOSTILE)
    results["models"][0] |= {
        "title": HOSTILE,
        "options": {HOSTILE: {HOSTILE: HOSTILE}},
        "chosen": {"a": HOSTILE},
    }
    results["choices"] = [dict.fromkeys(("point", "paper", "ours"), HOSTILE)]
    results["published"] |= {"source": HOSTILE, "rows": {HOSTILE: [0.5] * 5}}
    results["machine"] = {HOSTILE: HOSTILE, "versions": {HOSTILE: HOSTILE}}
    results["data"] |= dict.fromkeys(("name", "citation", "sha256"), HOSTILE)
    results["blind"]["rows"][0] |= {"id": HOSTILE, "confidence": HOSTILE}
    shown = Picture("a", "confusion", HOSTILE, HOSTILE, b"png", b"<svg/>", 900, 200)
    parsed = Parsed(_page.build(results, [shown]))
    assert parsed.all("script") == parsed.all("iframe") == []
    assert parsed.text.count(HOSTILE) > 20
    assert not any(name.startswith("on") for _, attributes in parsed.tags for name in attributes)
    (image,) = parsed.all("img")
    assert image["alt"] == HOSTILE


def test_page_names_no_resource_from_elsewhere() -> None:
    results = make_results()
    results["data"]["citation"] = "https://example.org/paper"
    page = _page.build(results, PICTURES)
    parsed = Parsed(page)
    assert parsed.all("link") == parsed.all("script") == parsed.all("iframe") == []
    assert all(a["href"].startswith("#") for a in parsed.all("a"))
    assert all(a["src"].startswith("data:image/") for a in parsed.all("img"))
    assert "url(" not in page
    assert "@import" not in page
    (policy,) = [a for a in parsed.all("meta") if a.get("http-equiv") == "Content-Security-Policy"]
    assert policy["content"] == "default-src 'none'; style-src 'unsafe-inline'; img-src data:"


def test_page_pictures_have_their_words_and_their_size() -> None:
    parsed = page_of()
    images = parsed.all("img")
    assert [a["alt"] for a in images] == [f"alt of {p.topic}" for p in PICTURES]
    assert {(a["width"], a["height"]) for a in images} == {("365", "200")}
    assert all(f"caption of {p.topic}" in parsed.text for p in PICTURES)


def test_page_anchors_and_labels_lead_somewhere_and_ids_differ() -> None:
    wide = [Picture(f"w{i}", "confusion", "", "", b"png", b"<svg/>", 900, 200) for i in range(2)]
    parsed = Parsed(_page.build(make_results(), wide))
    ids = [attributes["id"] for _, attributes in parsed.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    wanted = {a["href"][1:] for a in parsed.all("a")} | {a["for"] for a in parsed.all("label")}
    wanted |= {a["aria-labelledby"] for a in parsed.all("section")}
    assert wanted <= set(ids)


def test_embedded_pictures_keep_within_the_budget_if_png_is_smaller() -> None:
    from io import BytesIO

    image = pytest.importorskip("PIL.Image")
    stream = BytesIO()
    image.new("RGB", (20, 20), "white").save(stream, format="PNG")
    large = picture("confusion", name="large", svg=b"x" * 9000, png=stream.getvalue())
    small = picture("confusion", name="small", svg=b"x" * 30, png=stream.getvalue())
    assert {a.split(";")[0] for a in _page.embedded([large, small]).values()} == {"data:image/svg+xml"}
    addresses = _page.embedded([small, large], budget=2000)
    assert addresses["large"].startswith("data:image/png;base64,")
    assert addresses["small"].startswith("data:image/svg+xml;base64,")
    assert len(addresses["large"]) < 2000


def test_per_class_table_holds_every_model_and_class() -> None:
    results = make_results()
    results["models"][2]["evaluation"] = evaluation(0.9)
    text = page_of(models=results["models"]).text
    for name in results["classes"]:
        assert f"LSTM {name} 0.900 0.900 0.900 0.900 10" in text
