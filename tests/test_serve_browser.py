"""The pages in a browser: by mouse and keyboard, on a phone, in the dark, and without scripts."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests

from served import SHORT, Served, fasta, served, settings_of

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed: apt-get install chromium"),
]

PHONE = {"width": 390, "height": 844}
SECRETED = "MKKLLLLLLLLLALAAAPASAETRWQDKVNAPRSTLEQG"
Page = Any
expect = playwright.expect


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    settings = settings_of(
        tmp_path_factory.mktemp("browser"),
        small_sequences=120,
        small_residues=20_000,
        max_length=15_000,
        max_upload=2 * 2**20,
        requests_per_minute=10_000,
        max_active_jobs=1_000,
        contact="people@example.org",
        operator="The people",
    )
    with served(settings) as found:
        yield found


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as started:
        found = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield found
        found.close()


class Visitor:
    """Opens pages, and remembers what the browser complained about and where it asked."""

    def __init__(self, browser: Any, address: str) -> None:
        self.browser, self.address = browser, address
        self.complaints: list[str] = []
        self.hosts: set[str] = set()
        self._contexts: list[Any] = []

    def page(self, **options: Any) -> Page:
        context = self.browser.new_context(base_url=self.address, **options)
        context.set_default_timeout(15_000)
        self._contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("console", self._heard)
        page.on("request", lambda request: self.hosts.add(urlsplit(request.url).netloc))
        return page

    def _heard(self, message: Any) -> None:
        # Chromium itself reports pages whose status is an error; those are told apart by their tests.
        if message.type in ("error", "warning") and "Failed to load resource" not in message.text:
            self.complaints.append(message.text)

    def leave(self) -> None:
        for context in self._contexts:
            context.close()


@pytest.fixture
def visitor(browser: Any, server: Served) -> Iterator[Visitor]:
    found = Visitor(browser, server.address)
    yield found
    found.leave()
    assert not found.complaints
    assert found.hosts <= {urlsplit(server.address).netloc}


@pytest.fixture(scope="module")
def job(server: Served) -> str:
    """Path of a result of 120 sequences, three pages."""
    answer = server.submit(fasta(119) + f">secreted\n{SECRETED}\n", title="Many")
    assert answer.status_code == 200
    return str(urlsplit(answer.json()["links"]["page"]).path)


def ids(page: Page) -> list[str]:
    return [text.strip() for text in page.locator("#rows td.id").all_text_contents()]


# --- submitting


def test_pasted_sequence_is_answered(visitor: Visitor) -> None:
    page = visitor.page()
    page.goto("/")
    page.get_by_label("Paste here").fill(f">mine\n{SECRETED}\n")
    page.get_by_label("Title").fill("A secreted one")
    expect(page.locator("#check")).to_contain_text(f"1 sequence, {len(SECRETED)} residues.")
    page.get_by_role("button", name="Predict").click()
    page.wait_for_url(re.compile(r"/jobs/[\w-]{22}$"))
    expect(page.get_by_role("heading", level=1)).to_have_text("A secreted one")
    assert ids(page) == ["mine"]
    expect(page.locator("#rows tbody tr")).to_contain_text("secreted")


def test_example_fills_the_field_and_chooses_its_model(visitor: Visitor) -> None:
    page = visitor.page()
    page.goto("/")
    page.get_by_role("button", name="Example: peptides").click()
    expect(page.locator("#check")).to_contain_text("17 sequences")
    expect(page.get_by_role("radio", name=re.compile("Activity of peptides"))).to_be_checked()
    page.get_by_role("button", name="Predict").click()
    expect(page.locator("#found")).to_have_text("1 to 17 of 17 sequences")
    expect(page.locator("#rows tbody tr").first).to_contain_text("In the training data")


def test_file_is_uploaded(visitor: Visitor, tmp_path: Path) -> None:
    path = tmp_path / "mine.fasta"
    path.write_text(f">a\n{SHORT}\n>b\n{SECRETED}\n")
    page = visitor.page()
    page.goto("/")
    page.get_by_label("or choose a file").set_input_files(path)
    expect(page.locator("#check")).to_contain_text("mine.fasta: 2 sequences")
    page.get_by_role("button", name="Predict").click()
    expect(page.locator("#found")).to_have_text("1 to 2 of 2 sequences")
    expect(page.locator("main")).to_contain_text("mine.fasta")


def test_file_can_be_dropped_and_removed(visitor: Visitor) -> None:
    page = visitor.page()
    page.goto("/")
    dropped = page.evaluate_handle(
        "text => { const d = new DataTransfer(); d.items.add(new File([text], 'dropped.fa')); return d; }",
        f">a\n{SHORT}\n",
    )
    page.dispatch_event("#drop", "drop", {"dataTransfer": dropped})
    expect(page.locator("#check")).to_contain_text("dropped.fa: 1 sequence")
    page.get_by_role("button", name="Remove the file").click()
    expect(page.locator("#check")).to_be_empty()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (">a\nMKT1AYI", 'Record 1 (a), position 4: "1" is no residue'),
        (">a\nMKTAYI\n>a\nMKVV", "Record 2 (a): an earlier record has the same id"),
        (">a\n" + "ACGT" * 20, "It looks like DNA or RNA"),
        (">a\n" + "M" * 15_001, "15,001 residues; at most 15,000 are allowed"),
        ("sequence,id\nMKTAYI,a", "It looks like a table"),
        ("what is this", "It begins neither with"),
        ("MKTAYIAKQR", "1 sequence, 10 residues"),
    ],
)
def test_field_is_checked_as_it_is_typed(visitor: Visitor, text: str, said: str) -> None:
    page = visitor.page()
    page.goto("/")
    page.get_by_label("Paste here").fill(text)
    expect(page.locator("#check")).to_contain_text(said)
    expect(page.get_by_role("button", name="Predict")).to_be_enabled()


def test_error_is_said_and_the_text_is_kept(visitor: Visitor) -> None:
    page = visitor.page()
    page.goto("/")
    page.get_by_label("Paste here").fill(">a\nMKT1AYI")
    page.get_by_label("Title").fill("Kept too")
    page.get_by_role("button", name="Predict").click()
    expect(page.get_by_role("alert")).to_contain_text("position 4: letter '1' is not a residue")
    expect(page.get_by_role("alert")).to_be_focused()
    expect(page.get_by_label("Paste here")).to_have_value(">a\nMKT1AYI")
    expect(page.get_by_label("Title")).to_have_value("Kept too")
    page.get_by_label("Leave out faulty records").check()
    page.get_by_label("Paste here").fill(f">a\nMKT1AYI\n>b\n{SHORT}\n")
    page.get_by_role("button", name="Predict").click()
    expect(page.get_by_role("region", name="Records left out")).to_contain_text("position 4")


def test_pasted_text_of_more_than_a_megabyte_arrives(server: Served) -> None:
    sent = {"text": (None, f">a\n{SHORT}\n" + "\n" * 1_200_000)}
    answer = requests.post(f"{server.address}/submit", files=sent, timeout=60, allow_redirects=False)
    assert answer.status_code == 303
    assert re.fullmatch(r"/jobs/[\w-]{22}", answer.headers["Location"])


def test_queued_job_shows_how_far_it_is_and_then_its_result(visitor: Visitor, server: Served) -> None:
    page = visitor.page()
    page.goto("/")
    page.get_by_label("Paste here").fill(fasta(121))
    expect(page.locator("#check")).to_contain_text("It is queued")
    page.get_by_role("button", name="Predict").click()
    expect(page.locator("#state")).to_have_text("Waiting")
    expect(page.locator("#waiting")).to_contain_text("1 job waits on this server")
    expect(page.get_by_label("Private link")).to_have_value(page.url)
    name = page.url.rpartition("/")[2]
    store = server.service.store
    state = store.state(name)
    store.update(name, replace(state, message="The server is being restarted."))
    expect(page.locator("#message")).to_have_text("The server is being restarted.")
    with store.lease(name):  # as a worker holds it
        store.update(name, replace(state, status="running", n_done=40))
        expect(page.locator("#state")).to_have_text("Running")
        expect(page.locator("#count")).to_have_text("40 of 121 sequences")
        expect(page.locator("#bar")).to_have_js_property("value", 40)
        store.update(name, state)
    server.work()
    expect(page.locator("#found")).to_have_text("1 to 50 of 121 sequences")


def test_failed_job_says_why(visitor: Visitor, server: Served) -> None:
    name = server.submit(fasta(121)).json()["job"]
    state = server.service.store.state(name)
    page = visitor.page()
    page.goto(f"/jobs/{name}")
    server.service.store.update(name, replace(state, status="failed", message="the model was replaced"))
    expect(page.get_by_role("alert")).to_contain_text("The model was replaced.")
    expect(page.get_by_role("alert").get_by_role("link", name="people@example.org")).to_be_visible()


# --- a result


def test_headings_sort(visitor: Visitor, job: str) -> None:
    page = visitor.page()
    page.goto(job)
    before = ids(page)
    page.get_by_role("columnheader", name="Probability").get_by_role("link").click()
    header = page.get_by_role("columnheader", name="Probability")
    expect(header).to_have_attribute("aria-sort", "descending")
    expect(header.get_by_role("link")).to_be_focused()
    shown = [
        float(text.rstrip("%"))
        for text in page.locator("#rows td[data-label=Probability] .number").all_text_contents()
    ]
    assert shown == sorted(shown, reverse=True)
    assert ids(page) != before
    header.get_by_role("link").click()
    expect(header).to_have_attribute("aria-sort", "ascending")
    page.go_back()
    expect(header).to_have_attribute("aria-sort", "descending")
    page.go_back()
    expect(page.get_by_role("columnheader", name="#")).to_have_attribute("aria-sort", "ascending")
    assert ids(page) == before


def test_rows_are_searched_filtered_and_turned(visitor: Visitor, job: str) -> None:
    page = visitor.page()
    page.goto(job)
    page.get_by_role("link", name="Next").click()
    expect(page.locator("#found")).to_have_text("51 to 100 of 120 sequences")
    page.get_by_role("searchbox", name="Find").fill("S11")
    expect(page.locator("#found")).to_contain_text("that fit, of 120")
    assert ids(page) == ["s11", *(f"s11{i}" for i in range(9))]
    expect(page.locator("#found-live")).to_contain_text("that fit, of 120")
    page.get_by_role("searchbox", name="Find").fill("no such id")
    expect(page.locator("#found")).to_contain_text("No sequence fits.")
    page.get_by_role("link", name="Show all").click()
    expect(page.locator("#found")).to_have_text("1 to 50 of 120 sequences")
    expect(page.get_by_role("searchbox", name="Find")).to_have_value("")
    page.get_by_label("Class").select_option("secreted")
    expect(page.locator("#found")).to_contain_text("that fit, of 120")
    assert set(page.locator("#rows td[data-label=Prediction]").all_text_contents()) == {"secreted"}
    page.reload()  # the address says it all
    assert set(page.locator("#rows td[data-label=Prediction]").all_text_contents()) == {"secreted"}


def test_results_are_downloaded(visitor: Visitor, job: str, server: Served) -> None:
    page = visitor.page()
    page.goto(job)
    for link, name, n_lines in (
        ("TSV", "Many-localization.tsv", 121),
        ("JSON Lines", "Many-localization.jsonl", 120),
        ("As a text file", "Many-localization-methods.txt", 3),
    ):
        with page.expect_download() as waited:
            page.get_by_role("link", name=link, exact=True).click()
        assert waited.value.suggested_filename == name
        assert len(Path(waited.value.path()).read_text().splitlines()) == n_lines
    with page.expect_download() as waited:
        page.get_by_role("link", name=re.compile("FASTA, secreted")).click()
    headers = [line for line in Path(waited.value.path()).read_text().splitlines() if line[0] == ">"]
    assert any(line.startswith(">secreted secreted ") for line in headers)
    assert all(line.split()[1] == "secreted" for line in headers)


def test_link_leads_back_from_another_browser(visitor: Visitor, job: str) -> None:
    page = visitor.page()
    page.goto(f"{job}?sort=length&search=secreted&page=7")
    assert ids(page) == ["secreted"]
    page.get_by_role("cell", name="secreted").get_by_role("link").click()
    address = page.url
    other = visitor.page()
    other.goto(address)
    expect(other.get_by_role("heading", level=1)).to_have_text("secreted")
    expect(other.get_by_role("region", name=re.compile("The sequence"))).to_contain_text(SECRETED[:10])


def test_unknown_link_is_a_page_that_says_so(visitor: Visitor) -> None:
    page = visitor.page()
    answer = page.goto("/jobs/AAAAAAAAAAAAAAAAAAAAAA")
    assert answer.status == 404
    expect(page.get_by_role("heading", level=1)).to_have_text("Not found")
    expect(page.locator("main")).to_contain_text("has expired, or was deleted")


def test_job_is_remembered_forgotten_and_deleted(visitor: Visitor, server: Served) -> None:
    page = visitor.page()
    for title in ("First", "Second"):
        page.goto(f"/jobs/{server.submit(f'>a{chr(10)}{SHORT}', title=title).json()['job']}")
    page.goto("/")
    recent = page.get_by_role("region", name="Your jobs, as this browser remembers them")
    expect(recent.get_by_role("link")).to_have_text(["Second", "First"])
    recent.get_by_role("button", name="Forget First").click()
    expect(recent.get_by_role("link")).to_have_text(["Second"])
    recent.get_by_role("link", name="Second").click()
    address = page.url
    page.get_by_text("Delete this job").click()
    page.get_by_role("button", name="Delete it now").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Deleted")
    assert page.goto(address).status == 404
    page.goto("/")
    expect(recent).to_be_hidden()
    assert not page.context.cookies()


# --- one sequence


def test_residues_are_coloured_for_the_class_that_is_chosen(visitor: Visitor, job: str) -> None:
    page = visitor.page()
    page.goto(f"{job}/sequences/120")
    expect(page.get_by_role("heading", name="Which residues speak for secreted")).to_be_visible()
    shown = page.locator(".seq .line")
    assert "".join(shown.all_text_contents()) == SECRETED  # what is copied is the sequence alone
    assert page.locator(".seq .a4").count() > 0
    expect(page.get_by_role("table", name="Known signals, by their place")).to_contain_text(
        "hydrophobic core"
    )
    page.get_by_role("link", name="nucleus").click()
    expect(page.get_by_role("heading", name="Which residues speak for nucleus")).to_be_visible()


def test_sequence_of_13000_residues_does_not_break_the_page(visitor: Visitor, server: Served) -> None:
    name = server.submit(f">titin-like\n{'MKTAYIAKQRLLVA' * 929}\n").json()["job"]
    page = visitor.page(viewport=PHONE)
    page.goto(f"/jobs/{name}/sequences/1")
    expect(page.get_by_role("main")).to_contain_text("longer than 5,000 residues")
    assert page.locator(".seq .line").count() == -(-13_006 // 60)
    assert is_as_wide_as_its_window(page)


def test_markup_in_names_is_text(visitor: Visitor, server: Served) -> None:
    evil = "<img/src=x/onerror=alert(1)>"
    page = visitor.page()
    page.on("dialog", lambda dialog: visitor.complaints.append(dialog.message))
    name = server.submit(f">{evil}\n{SHORT}\n>{evil}2\nMK1\n", title=f"<b>{evil}", skip_faulty=True).json()[
        "job"
    ]
    page.goto(f"/jobs/{name}")
    expect(page.get_by_role("heading", level=1)).to_have_text(f"<b>{evil}")
    assert ids(page) == [evil]
    page.goto(f"/jobs/{name}/sequences/1")
    expect(page.get_by_role("heading", level=1)).to_have_text(evil)
    page.goto("/")
    expect(page.locator("#recent a")).to_have_text(f"<b>{evil}")


# --- everybody


def pages(job: str) -> list[str]:
    return ["/", "/about", "/api", job, f"{job}?search=nothing", f"{job}/sequences/120", "/nowhere"]


def is_as_wide_as_its_window(page: Page) -> bool:
    return bool(page.evaluate("document.documentElement.scrollWidth <= innerWidth"))


def test_pages_fit_a_phone(visitor: Visitor, job: str) -> None:
    page = visitor.page(viewport=PHONE, has_touch=True, is_mobile=True)
    for address in pages(job):
        page.goto(address)
        assert is_as_wide_as_its_window(page), address
    page.goto(job)
    expect(page.locator("#rows thead")).to_be_hidden()  # rows are cards, sorted by the field above them
    first = page.locator("#rows tbody tr").first
    assert first.bounding_box()["width"] <= PHONE["width"]
    page.get_by_label("Sort by").select_option("p_secreted")
    page.get_by_label("descending").check()
    expect(first).to_contain_text("secreted")


def test_dark_mode_is_dark(visitor: Visitor, job: str) -> None:
    def brightness(scheme: str) -> float:
        page = visitor.page(color_scheme=scheme)
        page.goto(job)
        colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
        return sum(map(int, re.findall(r"\d+", colour)[:3])) / 3

    assert brightness("dark") < 60
    assert brightness("light") > 200


def test_keyboard_alone_is_enough(visitor: Visitor) -> None:
    page = visitor.page()
    page.goto("/")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    expect(page.get_by_label("Paste here")).to_be_focused()
    page.keyboard.type(f">mine\n{SECRETED}\n")
    focus_by_tab(page, "main button.main")
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile("/jobs/"))
    focus_by_tab(page, "#sort-5")
    page.keyboard.press("Enter")
    expect(page.get_by_role("columnheader", name="Probability")).to_have_attribute("aria-sort", "descending")
    focus_by_tab(page, "#rows td.id a")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("mine")


def focus_by_tab(page: Page, selector: str) -> None:
    for _ in range(60):
        page.keyboard.press("Tab")
        if page.evaluate("s => document.activeElement.matches(s)", selector):
            return
    raise AssertionError(f"{selector} cannot be reached by the Tab key")


def test_everything_works_without_scripts(visitor: Visitor, server: Served) -> None:
    page = visitor.page(java_script_enabled=False)
    page.goto("/")
    page.locator("noscript summary").first.click()
    expect(page.locator("noscript pre").first).to_be_visible()
    page.get_by_label("Paste here").fill(fasta(60))
    page.get_by_role("button", name="Predict").click()
    page.get_by_role("columnheader", name="Probability").get_by_role("link").click()
    expect(page.get_by_role("columnheader", name="Probability")).to_have_attribute("aria-sort", "descending")
    page.get_by_role("link", name="Next").click()
    expect(page.locator("#found")).to_have_text("51 to 60 of 60 sequences")
    page.get_by_role("searchbox", name="Find").fill("s33")
    page.get_by_role("button", name="Show").click()
    assert ids(page) == ["s33"]
    page.get_by_text("Delete this job").click()
    page.get_by_role("button", name="Delete it now").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Deleted")
    queued = server.submit(fasta(121)).json()["job"]
    page.goto(f"/jobs/{queued}")
    expect(page.locator("#state")).to_have_text("Waiting")
    server.work()
    expect(page.locator("#found")).to_have_text("1 to 50 of 121 sequences")  # the page asks again by itself


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_axe_finds_no_serious_violation(
    visitor: Visitor, server: Served, job: str, scheme: str, width: int
) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed").Axe()
    page = visitor.page(color_scheme=scheme, viewport={"width": width, "height": 900})
    options = {"rules": {"target-size": {"enabled": True}}}  # of WCAG 2.2, which axe leaves out by default
    waiting = server.submit(fasta(121)).json()["job"]
    for address in (*pages(job), f"/jobs/{waiting}"):
        page.goto(address)
        found = axe.run(page, options=options).response
        serious = [v for v in found["violations"] if v["impact"] in ("serious", "critical")]
        assert not serious, (address, [(v["id"], [n["html"] for n in v["nodes"]]) for v in serious])
        assert any(check["id"] == "color-contrast" for check in found["passes"]), address
    page.goto("/")
    page.get_by_label("Paste here").fill(">a\nMKT1AYI")
    page.get_by_role("button", name="Predict").click()
    expect(page.get_by_role("alert")).to_be_visible()
    found = axe.run(page).response
    assert not [v["id"] for v in found["violations"] if v["impact"] in ("serious", "critical")]
