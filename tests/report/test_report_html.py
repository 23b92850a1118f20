"""The page: nothing fetched, nothing trusted, everything there."""

import base64
import hashlib
import html
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

pytest.importorskip("jinja2")
pytest.importorskip("matplotlib")

from records import make_record, study

from recpress_edge.records.budget import Budget
from recpress_edge.report.files import Unreadable
from recpress_edge.report.front import sections
from recpress_edge.report.html import Imprint, embed, render
from recpress_edge.report.runs import to_run
from recpress_edge.report.verdict import RULE, Report, verdict

EVIL = "</script><script>alert(1)</script><img src=x onerror=alert(2)>'\""


def runs_of(records):
    return [to_run(Path(f"runs/{n}.json"), r) for n, r in enumerate(records)]


def page_of(records, unreadable=()):
    found = sections(runs_of(records), Budget())
    report = Report(
        budget=Budget(),
        choose_by="balanced",
        sections=found,
        choices=tuple(verdict(section, Budget()) for section in found),
        survivals=(),
        searches=(),
        unreadable=tuple(unreadable),
    )
    return render(report, Imprint("today", "0", "recpress-edge report runs"))


class Tags(HTMLParser):
    def __init__(self):
        super().__init__()
        self.seen = []

    def handle_starttag(self, tag, attrs):
        self.seen.append((tag, dict(attrs)))


def tags_of(page):
    parser = Tags()
    parser.feed(page)
    return parser.seen


@pytest.fixture(scope="module")
def page():
    """Of everything that a page can hold."""
    bad = make_record("htd_dim10", reasons=("throttled 0x50005",), created="2026-12-01T00:00:00Z")
    worst = make_record("ftd_dim8", recall=0.15, file_bytes=9_000_000, p95_ns=300_000, model_bytes=30_000_000)
    return page_of([*study(), worst, bad], [Unreadable("runs/x.json", "is not readable JSON")])


def test_the_page_holds_all_it_promises(page):
    shown = html.unescape(page)
    for text in (
        "Ship soft_dim20-int8",
        RULE,
        "on the front",
        "behind soft_dim10-int8 in Recall@10, NDCG@10, Recall@50; level within noise in p95 latency, memory",
        "dominated by soft_dim20-int8",
        "invalid: throttled 0x50005",
        "runs/x.json",
        "governor",
        "ties to the lower item index",
        "device_bench run dist/soft_dim20-int8 --runs runs/",
        "recpress-edge report runs",
        "3 seeds",
        "23.2 MiB",
    ):
        assert text in shown, text
    assert page.count("<svg ") == 4 * 3  # what is chosen by, and each metric


def test_nothing_is_fetched(page):
    tags = tags_of(page)
    for tag, attributes in tags:
        for name in ("src", "href", "xlink:href", "action", "data"):
            value = attributes.get(name) or ""
            assert value == "" or value.startswith(("#", "data:,")), (tag, name, value)
    assert "url(http" not in page
    policy = next(a["content"] for t, a in tags if a.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none'")
    assert "unsafe-inline" not in policy.partition("script-src")[2].partition(";")[0]


@pytest.mark.usefixtures("undrawn")
def test_the_only_script_is_the_one_the_policy_names():
    page = page_of([make_record()])
    scripts = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(scripts[0].encode()).digest()).decode()
    assert len(scripts) == 1
    assert f"script-src 'sha256-{digest}'" in page


def test_names_are_text_never_markup():
    record = make_record(name=EVIL, device_model=EVIL, dataset=EVIL, teacher=EVIL, reasons=())
    record["protocol"]["command"] = EVIL
    record["warnings"] = [EVIL]
    record["quality"]["definition"] = EVIL
    invalid = make_record("htd_dim10", reasons=(EVIL,), dataset=EVIL, device_model=EVIL)
    invalid["quality"]["definition"] = EVIL
    page = page_of([record, invalid], [Unreadable(EVIL, EVIL)])
    tags = tags_of(page)
    assert [t for t, _ in tags].count("script") == 2
    assert not [t for t, a in tags if t == "img" or "onerror" in a]
    assert html.unescape(page).count(EVIL) >= 6


@pytest.mark.usefixtures("undrawn")
def test_raw_samples_are_inside_and_survive_the_escape():
    record = make_record(name=EVIL)
    page = page_of([record])
    raw = re.search(r'<script type="application/json" id="records">(.*?)</script>', page, re.DOTALL)[1]
    (entry,) = json.loads(raw)
    assert entry == {"path": "runs/0.json", "record": record}


def test_raw_records_are_capped_with_a_note():
    runs = runs_of([make_record(queries=2000), make_record("htd_dim10", queries=100)])
    whole, note = embed(runs)
    assert note == ""
    text, note = embed(runs, limit=len(whole) // 2)
    entries = json.loads(text)
    assert note.startswith("Raw latency samples of 1 of 2 records were left out")
    assert isinstance(entries[0]["record"]["latency_ns"], str)
    assert entries[1]["record"] == runs[1].record


def test_a_section_without_a_valid_run_says_so():
    page = page_of([make_record(reasons=("throttled",))])
    assert "Nothing to ship: no run is valid." in page
    assert "<svg " not in page
    rows = re.sub(r"\s+", " ", re.search(r'<table class="variants">.*?</table>', page, re.S)[0])
    metrics = "<td>.1376</td> <td>.0550</td> <td>.2751</td>"
    assert (
        f"{metrics} <td>317.3 KiB<small>707.9 KiB</small></td> <td>–</td><td>–</td> "
        "<td>2.3 MiB<small>60.5 MiB</small></td>" in rows
    )
    assert "invalid: throttled" in rows
    assert "61.0 µs" not in page.partition('id="records"')[0]


@pytest.mark.usefixtures("undrawn")
def test_recall_of_popular_and_rare_items_is_shown_by_variant_over_its_seeds():
    records = [make_record("soft_dim20", seed=seed) for seed in (0, 1)]
    for record, tail in zip(records, (0.1, 0.2), strict=True):
        thirds = {"head": {"after": 0.5}, "mid": {"after": 0.25}, "tail": {"after": tail}}
        record["artifact"]["quality"]["parity"]["by_popularity"] = thirds
    page = re.sub(r"\s+", " ", page_of(records))
    rows = re.search(r'<table class="thirds">.*?</table>', page)[0]
    assert "<td>.5000</td><td>.2500</td><td>.1500</td>" in rows
    assert "Popular and rare items" not in page_of([make_record("soft_dim20")])


@pytest.mark.usefixtures("undrawn")
def test_ties_in_time_stand_among_the_conditions():
    record = make_record()
    ties = "the items held out of 471 of 942 users (50%) are decided by a tie in time; ties are in file order"
    record["artifact"]["provenance"]["dataset"]["ties"] = ties
    assert ties in page_of([record])
    assert "data ties" not in page_of([make_record()])


@pytest.mark.usefixtures("undrawn")
def test_the_page_names_what_is_recommended():
    records = study()
    for record in records:
        record["artifact"]["examples"] = [
            {"user": 7, "seen": [], "items": ["Alien", EVIL]},
            {"user": None, "seen": ["Up"], "items": ["Heat"]},
            {"user": 8, "items": []},
            "no object",
        ]
    page = page_of(records)
    assert EVIL not in page
    text = html.unescape(page)
    assert "What it recommends" in text
    assert f"<dt>user 7</dt><dd>Alien · {EVIL}</dd>" in text
    assert "<dt>who consumed Up</dt><dd>Heat</dd>" in text
    assert "user 8" not in text
    assert "Answers of soft_dim20-int8 to a few queries" in text
    for odd in (None, "text", {"a": 1}, [[1]]):
        records[0]["artifact"]["examples"] = odd
        assert "What it recommends" in page_of(records)
    assert "What it recommends" not in page_of(study())
