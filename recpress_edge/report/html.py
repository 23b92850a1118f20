"""One offline page: everything inline, nothing fetched, every name escaped."""

import base64
import hashlib
import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any, Final

import jinja2

from recpress_edge.core.metrics import THIRDS, metric_title
from recpress_edge.core.units import UNKNOWN, format_bytes, format_change, format_ns, format_recall
from recpress_edge.records.bench import samples_section
from recpress_edge.report.baselines import is_baseline
from recpress_edge.report.chain import Chain, chains
from recpress_edge.report.clicks import HEADERS, ClickRow
from recpress_edge.report.devices import compare_devices
from recpress_edge.report.devices_plot import devices_panel
from recpress_edge.report.drawing import Panel, theme_css
from recpress_edge.report.examples import ExampleAnswers, examples_of
from recpress_edge.report.front import RULE, Section
from recpress_edge.report.pareto_plot import panels
from recpress_edge.report.points import work_form
from recpress_edge.report.runs import BenchRun
from recpress_edge.report.time_plot import over_time
from recpress_edge.report.verdict import Choice, Report, rule
from recpress_edge.report.views import View

MAX_RAW_BYTES: Final = 20 * 10**6
_DOWNLOAD: Final = """
document.getElementById("download").addEventListener("click", function () {
  var text = document.getElementById("records").textContent;
  var link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], {type: "application/json"}));
  link.download = "records.json";
  link.click();
  setTimeout(function () { URL.revokeObjectURL(link.href); }, 1000);
});
"""


@dataclass(frozen=True, slots=True)
class Plots:
    """A measure against each cost."""

    title: str
    panels: tuple[Panel, ...]


@dataclass(frozen=True, slots=True)
class Part:
    """A section with all that the page says about it."""

    section: Section
    verdict: Choice
    plots: tuple[Plots, ...]
    """One per measure of the section; the first is shown."""
    chains: tuple[Chain, ...]
    thirds: tuple[tuple[str, tuple[float | None, ...]], ...]
    """Label of a variant, and its files' recall of head, mid and tail on the validation users."""
    conditions: tuple[tuple[str, str], ...]
    commands: tuple[str, ...]
    warnings: tuple[str, ...]
    examples: ExampleAnswers | None
    over_time: tuple[Panel, ...]
    form: Callable[[float], str]
    """How a query's time, or its instructions, are written here."""
    paced: bool
    """Whether a variant was also asked with pauses."""


@dataclass(frozen=True, slots=True)
class Imprint:
    """Where a page comes from: when it was made, by which version and by which command."""

    created: str
    version: str
    command: str


def render(report: Report, imprint: Imprint) -> str:
    """The page."""
    parts = [
        _part(section, choice, f"section{number}") for number, (section, choice) in enumerate(report.pairs)
    ]
    runs = [run for section in report.sections for run in section.runs]
    devices = compare_devices(report.sections)
    raw, note = embed([*runs, *(row for clicks in report.clicks for row in clicks.rows)])
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("recpress_edge.report", "."),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(bytes=format_bytes, recall=format_recall, change=format_change)
    environment.filters["metric"] = metric_title
    environment.tests["baseline"] = is_baseline
    environment.globals["unknown"] = UNKNOWN
    digest = base64.b64encode(hashlib.sha256(_DOWNLOAD.encode()).digest()).decode()
    return environment.get_template("template.html.j2").render(
        parts=parts,
        devices=[(found, devices_panel(found, f"lanes{n}")) for n, found in enumerate(devices)],
        report=report,
        imprint=imprint,
        rule=RULE,
        choice=rule(report.budget, report.choose_by),
        theme=theme_css(),
        raw=raw,
        raw_note=note,
        n_runs=len(runs) + sum(len(section.rows) for section in report.clicks),
        click_headers=HEADERS,
        script=_DOWNLOAD,
        script_digest=digest,
    )


def _part(section: Section, choice: Choice, name: str) -> Part:
    return Part(
        section=section,
        verdict=choice,
        plots=_plots(section, choice, name) if section.placed and section.judged else (),
        chains=chains(section),
        thirds=recall_by_popularity(section),
        conditions=conditions(section),
        commands=commands(section),
        warnings=warnings(section),
        examples=examples_of(section, choice.winner.point if choice.winner else None),
        over_time=over_time(section, name),
        form=work_form(counted=section.first.counted),
        paced=any(placed.point.paced_p95_ns for placed in section.placed),
    )


def _plots(section: Section, choice: Choice, name: str) -> tuple[Plots, ...]:
    views = [View(section, choice.winner, measure) for measure in section.measures]
    return tuple(Plots(view.title, panels(view, name)) for view in views)


def commands(section: Section) -> tuple[str, ...]:
    """What made every row: the exports, then the runs."""
    rows = [run.record for placed in section.placed for run in placed.point.runs]
    made = [record["artifact"]["provenance"].get("command") for record in rows]
    ran = [record["protocol"].get("command") for record in rows]
    return tuple(dict.fromkeys(str(command) for command in (*made, *ran) if command))


def recall_by_popularity(section: Section) -> tuple[tuple[str, tuple[float | None, ...]], ...]:
    """Recall@K of each variant's file by thirds of the train interactions, the mean over its seeds."""
    rows = []
    for placed in section.placed:
        found = [
            [third.get(name, {}).get("after") for name in THIRDS]
            for run in placed.point.runs
            if (third := run.record["artifact"].get("quality", {}).get("parity", {}).get("by_popularity"))
        ]
        if found:
            means = ([value for value in column if value is not None] for column in zip(*found, strict=True))
            rows.append((placed.point.label, tuple(fmean(m) if m else None for m in means)))
    return tuple(rows)


def warnings(section: Section) -> tuple[str, ...]:
    """What the bench warned about, each once, with the number of runs."""
    counts = Counter(str(text) for run in section.runs for text in run.record.get("warnings", ()))
    return tuple(f"{text} ({count} of {len(section.runs)} runs)" for text, count in sorted(counts.items()))


def conditions(section: Section) -> tuple[tuple[str, str], ...]:
    """What was measured where and how; facts on which the runs differ list every value."""
    runs = section.runs
    rows: list[tuple[str, str]] = []
    for group in ("device", "software", "protocol"):
        facts: list[Mapping[str, Any]] = [run.record[group] for run in runs]
        names = dict.fromkeys(name for fact in facts for name in fact if name != "command")
        rows += [
            (
                f"{group} {name.removesuffix('_bytes').removesuffix('_ns')}".replace("_", " "),
                _values([_sized(name, fact.get(name)) for fact in facts]),
            )
            for name in names
        ]
    quality = [run.record["quality"] or {} for run in runs]
    for name, label in (
        ("definition", f"Recall@{section.cutoff}"),
        ("split", "split"),
        ("users", "evaluation users"),
    ):
        rows.append((label, _values([facts.get(name) for facts in quality])))
    dataset = [run.record["artifact"]["provenance"]["dataset"] for run in runs]
    rows += [
        (f"data {key}", _values([d.get(key) for d in dataset]))
        for key in ("name", "protocol", "ties", "licence", "digest")
    ]
    rows.append(("seeds", _values(sorted({run.seed for run in runs}))))
    return tuple((name, value) for name, value in rows if value)


def _values(values: Sequence[Any]) -> str:
    texts = dict.fromkeys(_text(value) for value in values if value is not None)
    return " | ".join(text for text in texts if text)


def _sized(name: str, value: Any) -> Any:
    form = {"bytes": format_bytes, "ns": format_ns}.get(name.rpartition("_")[2])
    return form(value) if form and type(value) is int else value


def _text(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_text(entry)}" for key, entry in value.items())
    if isinstance(value, list):
        return ", ".join(map(_text, value))
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)


def embed(runs: Sequence[BenchRun | ClickRow], limit: int = MAX_RAW_BYTES) -> tuple[str, str]:
    """The records as JSON that is safe inside <script>, and a note on what was left out, if anything.

    Above ``limit`` bytes the raw latency samples of the largest records are dropped first.
    """
    texts = {run.path: _encode(run, run.record) for run in runs}
    dropped = 0
    for run in sorted(runs, key=lambda r: len(texts[r.path]), reverse=True):
        if sum(map(len, texts.values())) <= limit:
            break
        texts[run.path] = _encode(
            run, {**run.record, samples_section(run.record): "left out of this page for size, see the path"}
        )
        dropped += 1
    note = (
        f"Raw latency samples of {dropped} of {len(runs)} records were left out to keep this page under "
        f"{limit // 10**6} MB; they are in the record files."
        if dropped
        else ""
    )
    return "[\n" + ",\n".join(texts[run.path] for run in runs) + "\n]", note


def _encode(run: BenchRun | ClickRow, record: Mapping[str, Any]) -> str:
    text = json.dumps({"path": run.path, "record": record}, ensure_ascii=True, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
