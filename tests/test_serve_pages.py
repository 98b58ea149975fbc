"""What the pages say, without a browser."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import requests

from served import SHORT, Served, served, settings_of
from sortilin.explain.occlusion import Profile
from sortilin.explain.signals import Signal
from sortilin.results import Prediction
from sortilin.serve import endpoints, plots, rendering, residues
from sortilin.serve.explaining import Explainer
from sortilin.serve.sets import names, prediction_set
from sortilin.trust import Sets


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    settings = settings_of(
        tmp_path_factory.mktemp("pages"), root_path="/below", max_upload=2**20, models=("localization",)
    )
    with served(settings) as found:
        yield found


def get(server: Served, path: str, **options: Any) -> requests.Response:
    return requests.get(f"{server.address}{path}", timeout=60, **options)


def profile(values: list[float]) -> Profile:
    return Profile("nucleus", np.array(values), 0.5, 3, 1)


# --- residues


def test_lines_hold_the_sequence_and_where_its_signals_begin() -> None:
    sequence = "ACDEFGHIKLMNPQRSTVWY" * 7
    marks = [Signal("one", 3, 6), Signal("two", 5, 12), Signal("three", 60, 61)]
    lines = residues.lines(sequence, None, marks)
    assert [line.first for line in lines] == [1, 61, 121]
    runs = [run for line in lines for block in line.blocks for run in block]
    assert "".join(run.letters for run in runs) == sequence
    assert all(len("".join(run.letters for run in block)) == 10 for line in lines for block in line.blocks)
    at: dict[int, int] = {}
    place = 0
    for run in runs:
        at |= dict.fromkeys(run.starts, place)
        assert run.level == 0
        place += len(run.letters)
    assert at == {1: 3, 2: 5, 3: 60}


def test_levels_have_two_sides_and_leave_out_what_is_weak() -> None:
    lines = residues.lines("ACDEF", profile([1.0, -1.0, 0.5, 0.1, 0.0]), [])
    levels = [run.level for run in lines[0].blocks[0] for _ in run.letters]
    assert levels == [4, -4, 2, 0, 0]


def test_stretches_are_named_from_one_and_the_strongest_comes_first() -> None:
    found = residues.stretches("ACDEFGH", profile([0.5, 0.5, 0.0, -2.0, -2.0, 0.0, 0.6]))
    assert [(s.start, s.end, s.letters) for s in found] == [(4, 5, "EF"), (7, 7, "H")]
    assert [s.mean for s in found] == pytest.approx([-2.0, 0.6])


def test_curve_stays_in_its_picture() -> None:
    curve = residues.curve(profile([0.5, -0.5, 1.5]))
    assert (curve.high, curve.low, curve.zero) == (1.5, -0.5, 75.0)
    heights = [float(y) for y in re.findall(r"V([\d.]+)", curve.path)]
    assert heights == [50.0, 100.0, 0.0, 75.0]


def test_curve_of_nothing_is_drawn() -> None:
    assert residues.curve(profile([0.0, 0.0])).zero == 0.0


# --- plots, words


def test_bar_of_one_among_thousands_is_seen() -> None:
    plot = plots.probabilities([10_000, 0, 1], "nucleus", 3)
    assert [bar.height for bar in plot.bars] == [100, 0, 2.0]
    assert plot.tallest == 10_000
    assert plot.bars[2].words.endswith(": 1")


def test_lengths_name_their_ends() -> None:
    plot = plots.lengths({"lengths": {"first": 8, "width": 5, "counts": [1, 0, 2]}})
    assert (plot.first, plot.last) == ("8 residues", "22")
    assert plot.bars[2].words == "18 to 22 residues: 2"


def test_set_of_a_model_with_tables_is_conformal_and_never_empty() -> None:
    sets = Sets(0.9, per_class=True, kind="lac", never_empty=True, n=50, thresholds=np.array([0.2, 0.8, 0.6]))
    p = Prediction("a", 9, "x", {"x": 0.5, "y": 0.3, "z": 0.2})
    assert names(p, sets) == ["y"]  # x would have to be more probable
    assert names(Prediction("a", 9, "x", {"x": 0.7, "y": 0.15, "z": 0.15}), sets) == ["x"]
    assert names(p, None) == prediction_set(p)


def test_prediction_set_is_the_smallest_that_reaches_nine_tenths() -> None:
    p = Prediction("a", 9, "x", {"x": 0.6, "y": 0.1, "z": 0.3})
    assert prediction_set(p) == ["x", "z"]
    assert prediction_set(Prediction("a", 9, "x", {"x": 0.95, "y": 0.05})) == ["x"]


@pytest.mark.parametrize(
    ("hours", "words"),
    [(168, "7 days"), (24, "24 hours"), (1, "1 hour"), (0.5, "30 minutes"), (0.001, "1 minute")],
)
def test_span_is_what_people_say(hours: float, words: str) -> None:
    assert rendering.span(hours) == words


@pytest.mark.parametrize(
    ("contact", "link"),
    [
        ("https://example.org/help", "https://example.org/help"),
        ("a@example.org", "mailto:a@example.org"),
        ("javascript:alert(1)", ""),
        ("room 12", ""),
    ],
)
def test_contact_links_only_to_pages_and_letters(contact: str, link: str) -> None:
    assert rendering.contact_link(contact) == link


def test_code_in_words_is_escaped() -> None:
    assert rendering.with_code("a `<b>` & c") == "a <code>&lt;b&gt;</code> &amp; c"


# --- the API's page


def test_endpoints_say_what_they_take_and_give() -> None:
    document = {
        "paths": {
            "/jobs": {
                "post": {
                    "summary": "Submit",
                    "parameters": [{"name": "n", "in": "query", "schema": {"type": "integer", "default": 5}}],
                    "requestBody": {
                        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/In"}}}
                    },
                    "responses": {
                        "200": {
                            "description": "Done",
                            "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Out"}}},
                        }
                    },
                }
            }
        },
        "components": {
            "schemas": {
                "In": {
                    "properties": {"fasta": {"anyOf": [{"type": "string"}, {"type": "null"}]}},
                    "required": ["fasta"],
                },
                "Out": {
                    "description": "It.",
                    "properties": {"rows": {"type": "array", "items": {"type": "number"}}},
                },
            }
        },
    }
    (found,) = endpoints.endpoints(document)
    assert (found.method, found.path, found.answers) == ("POST", "/jobs", [("200", "Done", "Out")])
    assert [(f.name, f.place, f.kind, f.is_required, f.default) for f in found.fields] == [
        ("n", "query", "integer", False, "5"),
        ("fasta", "body", "string or null", True, ""),
    ]
    (schema,) = endpoints.schemas(document)
    assert (schema.name, schema.fields[0].kind) == ("Out", "list of number")


def test_page_of_the_api_shows_all_of_it(server: Served) -> None:
    page = get(server, "/api").text
    for path in get(server, "/api/v1/openapi.json").json()["paths"]:
        assert f"<code>{path.removeprefix('/below')}</code>" in page
    assert "HTTPValidationError" not in page
    assert f"{server.address}/below/api/v1/jobs" in page


# --- pages


def test_limits_are_said_on_the_form_and_beside_the_models(server: Served) -> None:
    settings = server.service.settings
    for path in ("/", "/about"):
        page = get(server, path).text
        for limit in (settings.max_sequences, settings.max_residues, settings.max_length):
            assert f"{limit:,}" in page
        assert "1 MB" in page
        assert "7 days" in page


def test_pages_need_no_inline_script_or_style_and_no_other_host(server: Served) -> None:
    job = server.submit(f">a\n{SHORT}\n").json()["job"]
    for path in ("/", "/about", "/api", f"/jobs/{job}", f"/jobs/{job}/sequences/1", "/nowhere"):
        page = get(server, path).text
        assert not re.search(r"<style|\sstyle=|<script(?![^>]*\ssrc=)|\son\w+=", page), path
        loaded = re.findall(r'<(?:script|link|img)[^>]*(?:src|href)="([^"]*)"', page)
        assert loaded
        assert all(address.startswith("/below/static/") for address in loaded), path


def test_server_below_a_path_links_below_it(server: Served) -> None:
    page = get(server, "/").text
    assert 'action="/below/submit"' in page
    sent = {"text": (None, SHORT)}
    answer = requests.post(f"{server.address}/submit", files=sent, timeout=60, allow_redirects=False)
    assert answer.headers["Location"].startswith("/below/jobs/")
    missing = get(server, "/api/v1/jobs/nothing")
    assert missing.status_code == 404
    assert "no job's name" in missing.json()["error"]["message"]


def test_browser_that_sends_too_much_gets_a_page(server: Served) -> None:
    files = {"file": ("big.fasta", b">a\n" + b"M" * 2**21)}
    answer = requests.post(
        f"{server.address}/submit", files=files, timeout=60, headers={"Accept": "text/html"}
    )
    assert answer.status_code == 413
    assert answer.headers["Content-Type"].startswith("text/html")
    assert "larger than 1 MB" in answer.text


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        ({}, "There is no sequence yet"),
        ({"text": (None, SHORT), "file": ("a.fasta", SHORT)}, "There are both a file and pasted sequences"),
        ({"text": (None, SHORT), "model": (None, "<nothing>")}, "unknown model"),
    ],
)
def test_form_that_cannot_be_read_comes_back(server: Served, sent: dict[str, Any], said: str) -> None:
    answer = requests.post(f"{server.address}/submit", files=sent or {"title": (None, "x")}, timeout=60)
    assert answer.status_code == 422
    assert said.lower() in answer.text.lower()
    assert "<nothing>" not in answer.text


@pytest.mark.parametrize("position", ["0", "2", "-1", "99999999999999999999999"])
def test_position_that_is_none_is_not_found(server: Served, position: str) -> None:
    job = server.submit(f">a\n{SHORT}\n").json()["job"]
    assert get(server, f"/jobs/{job}/sequences/{position}").status_code == 404


def test_page_behind_the_last_one_is_the_last_one(server: Served) -> None:
    job = server.submit(f">a\n{SHORT}\n").json()["job"]
    assert "1 to 1 of 1 sequence" in get(server, f"/jobs/{job}?page=9").text


def test_job_whose_queue_is_away_says_that_it_is_kept(
    server: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = server.submit("".join(f">s{i}\n{SHORT}\n" for i in range(51))).json()["job"]
    address = f"/jobs/{job}"
    assert re.search(r'id="message"[^>]* hidden', get(server, address).text)
    monkeypatch.setattr(server.service.keeper, "queue_is_up", False)
    monkeypatch.setattr(server.service.keeper, "look", lambda: None)
    page = get(server, address).text
    assert "The job is kept and is begun when the queue is back." in page
    assert not re.search(r'id="message"[^>]* hidden', page)


def test_replaced_model_explains_nothing(server: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    job = server.submit(f">a\n{SHORT}\n").json()["job"]
    address = f"/jobs/{job}/sequences/1"
    assert "Occlusion" in get(server, address).text
    store = server.service.store
    before = store.job
    monkeypatch.setattr(store, "job", lambda name: replace(before(name), checksum="0" * 64))
    page = get(server, address).text
    assert "no longer offered here" in page
    assert "Occlusion" not in page
    assert SHORT[:10] in page


# --- attributions


class Slow:
    """A model that answers when it is told to."""

    classes = ("x", "y")

    def __init__(self) -> None:
        import threading

        self.n_asked, self.go = 0, threading.Event()

    def predict_proba(self, sequences: list[str]) -> np.ndarray:
        self.n_asked += 1
        assert self.go.wait(30)
        return np.full((len(sequences), 2), 0.5)


def test_explainer_keeps_profiles_and_does_not_let_visitors_wait_for_ever() -> None:
    model: Any = Slow()

    async def visit() -> None:
        explainer = Explainer(patience_s=0.05)
        first = asyncio.create_task(explainer.profile(("job", 1, "x"), model, "ACDEF"))
        while not model.n_asked:
            await asyncio.sleep(0.01)
        assert await explainer.profile(("job", 2, "x"), model, "ACDEF") is None
        model.go.set()
        found = await first
        assert await explainer.profile(("job", 1, "x"), model, "ACDEF") is found
        assert model.n_asked == 1

    asyncio.run(visit())
