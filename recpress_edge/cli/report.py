"""recpress-edge report: bench records to one offline page, a picture and a verdict."""

import argparse
import datetime
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from recpress_edge import __version__
from recpress_edge.cli.common import add_common_options, emit, say
from recpress_edge.cli.tables import add_table_options, check_tables, variants_of, write_tables
from recpress_edge.core import layout
from recpress_edge.core.errors import ConfigError
from recpress_edge.core.files import check_free, write_atomic
from recpress_edge.core.metrics import BALANCED, CHOICES, metric_title
from recpress_edge.core.terminal import hanging, text_width
from recpress_edge.core.units import UNKNOWN, format_bytes, format_recall, parse_duration, parse_size
from recpress_edge.records.budget import Budget
from recpress_edge.report.baselines import Rival, is_baseline
from recpress_edge.report.clicks import section_facts, section_table
from recpress_edge.report.devices import compare_devices
from recpress_edge.report.files import Unreadable
from recpress_edge.report.front import Section
from recpress_edge.report.points import known, work_form
from recpress_edge.report.verdict import Choice, Report, read_report, rule


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.description = "Reads bench records, sorts out what may be compared, writes a page and a picture."
    add_common_options(parser)
    add_budget_options(parser)
    add_choice_option(parser)
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUNS", help="record files, or folders of them")
    parser.add_argument(
        "-o",
        "--out",
        type=Path,
        default=Path("report.html"),
        metavar="FILE",
        help="page to write (default: report.html)",
    )
    parser.add_argument(
        "--png", type=Path, metavar="FILE", help="picture to write (default: next to the page)"
    )
    parser.add_argument("--force", action="store_true", help="replace files that exist")
    add_table_options(parser)
    parser.set_defaults(func=run)


def add_budget_options(parser: argparse.ArgumentParser) -> None:
    """The options of the commands that know budgets."""
    group = parser.add_argument_group("budget")
    group.add_argument("--max-bytes", metavar="SIZE", help="largest model file, for example 2MiB")
    group.add_argument(
        "--max-bundle", metavar="SIZE", help="most bytes of the whole bundle, model and all other files"
    )
    group.add_argument("--max-p95", metavar="TIME", help="longest p95 of a query, for example 5ms")
    group.add_argument(
        "--max-memory",
        metavar="SIZE",
        help="most peak memory of the whole process (VmHWM), for example 64MiB",
    )
    group.add_argument(
        "--max-flash",
        metavar="SIZE",
        help="most flash of a microcontroller, code and model of a C bundle, for example 256KB",
    )
    group.add_argument("--max-ram", metavar="SIZE", help="most RAM of a microcontroller, for example 16KB")
    group.add_argument(
        "--max-paced-p95",
        metavar="TIME",
        help="longest p95 of queries that each came after a pause, for example 5ms",
    )


def add_choice_option(parser: argparse.ArgumentParser) -> None:
    """By what the commands that choose do so."""
    parser.add_argument(
        "--choose-by",
        choices=CHOICES,
        default=BALANCED,
        metavar="METRIC",
        help=f"what a variant's worth is: {', '.join(CHOICES)} (default: balanced, the geometric mean of "
        "Recall@50 and NDCG@10)",
    )


def budget_of(args: argparse.Namespace) -> Budget:
    """The limits that were given; none is allowed."""
    sizes = {"file": args.max_bytes, "bundle": args.max_bundle, "peak": args.max_memory}
    sizes |= {"flash": args.max_flash, "ram": args.max_ram}
    times = {"p95": args.max_p95, "paced_p95": args.max_paced_p95}
    limits = {f"max_{name}_bytes": parse_size(text) for name, text in sizes.items() if text}
    limits |= {f"max_{name}_ns": parse_duration(text) for name, text in times.items() if text}
    return Budget(**limits)


def run(args: argparse.Namespace) -> int:
    """Write the page and the picture, print the table. Exit code 0."""
    check_tables(args)
    budget = budget_of(args)
    page, picture = args.out, args.png or args.out.with_suffix(".png")
    if page.resolve() == picture.resolve():
        raise ConfigError(
            f"--out and --png name the same file, {page}. Give the page a name that ends in .html."
        )
    for target in (page, picture):
        if target.is_dir():
            raise ConfigError(f"{target} is a folder. Name a file, for example {target / page.name}")
        check_free(target, force=args.force)
    found = read_report(args.runs, budget, args.choose_by)
    if args.dry_run:
        runs = sum(len(section.runs) for section in found.sections)
        runs += sum(len(section.rows) for section in found.clicks)
        say(args, f"would read {runs} runs and write {page} and {picture}")
        emit(args, {"dry_run": True, "runs": runs, "page": str(page), "png": str(picture)})
        return 0
    _write(args, found, page, picture)
    _print(args, found)
    for search in found.searches:
        say(args, hanging("search", f"{search.title}: {len(search.candidates)} candidates ({search.path})"))
    for row in found.survivals:
        say(args, hanging("limit", f"{row.name}, {row.limit} ({row.where}): {row.outcome}"))
    for devices in compare_devices(found.sections):
        say(args, hanging("", devices.title, 0))
        say(args)
        for line in devices.int8:
            say(args, hanging("int8", line))
        say(args)
    say(args, f"page       {page}")
    if found.drawn:
        say(args, f"picture    {picture}")
    facts = _facts(found)
    write_tables(args, variants_of(facts))
    emit(args, {"page": str(page), "png": str(picture) if found.drawn else None, **facts})
    return 0


def _write(args: argparse.Namespace, found: Report, page: Path, picture: Path) -> None:
    from recpress_edge.report import html, pareto_plot  # the report extra

    created = f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d %H:%M} UTC"
    text = html.render(found, html.Imprint(created, __version__, command_line(args)))
    image = pareto_plot.png(found.drawn, compare_devices(found.sections)) if found.drawn else None
    write_atomic(page, text.encode())
    if image is not None:
        write_atomic(picture, image)


def command_line(args: argparse.Namespace) -> str:
    """The command that makes this report again."""
    flags = ("max-bytes", "max-bundle", "max-p95", "max-memory", "max-paced-p95", "max-flash", "max-ram")
    values = {flag: getattr(args, flag.replace("-", "_")) for flag in flags}
    limits = [part for flag, value in values.items() if value for part in (f"--{flag}", value)]
    choice = [] if args.choose_by == BALANCED else ["--choose-by", args.choose_by]
    return shlex.join(
        ["recpress-edge", "report", *map(str, args.runs), *limits, *choice, "-o", str(args.out)]
    )


def _print(args: argparse.Namespace, found: Report) -> None:
    for section, judged in found.pairs:
        say(args, hanging("", section.title, 0))
        say(args)
        say(args, variants_table(section))
        say(args)
        for left in section.left:
            if left.status.startswith("invalid"):
                record = f"{left.run.name} ({Path(left.run.path).name})"
                say(args, hanging("left out", f"{record}: {left.status}"))
        for doubt in section.doubts:
            say(args, hanging("no figure", doubt))
        if section.superseded:
            say(args, f"left out   {section.superseded} superseded by newer runs")
        say(args, hanging("verdict", judged.sentence))
        say_baseline(args, judged)
        if judged.own_int8:
            say(args, hanging("int8", judged.own_int8))
        for line in judged.runtimes:
            say(args, hanging("runtime", line))
        for note in judged.notes:
            say(args, hanging("note", note))
        say(args)
    for clicks in found.clicks:
        say(args, hanging("", clicks.title, 0))
        say(args, f"\n{layout.columns(*section_table(clicks), text_width())}\n")
    say_end(args, found.unreadable, found.budget)


def say_baseline(args: argparse.Namespace, found: Choice) -> None:
    """The command that makes the baseline which is missing."""
    if found.next_command:
        command = layout.wrap_command(found.next_command, text_width(), 11)
        say(args, f"baseline   {command}")


def say_end(args: argparse.Namespace, unreadable: Sequence[Unreadable], budget: Budget) -> None:
    """How every choice was made, and each file that is no record, with the reason."""
    say(args, hanging("rule", rule(budget, args.choose_by)))
    for file in unreadable:
        say(args, hanging("no record", f"{file.path}: {file.reason}"))


def variants_table(section: Section) -> str:
    """A line of figures per variant, its status below; names stand apart where that is too wide."""
    figures = _figures(section)
    rows = list(zip(*figures.values(), strict=True))
    labels = [row.point.label for row in section.rows]
    named = [[label, *row] for label, row in zip(labels, rows, strict=True)]
    lines = layout.columns(["variant", *figures], named, None).split("\n")
    apart = max(map(len, lines)) > text_width()
    if apart:
        lines = layout.columns(["", *figures], [["", *row] for row in rows], None).split("\n")
    made = lines[:2]
    for line, label, placed in zip(lines[2:], labels, section.rows, strict=True):
        made += [label, line] if apart else [line]
        size = f"bundle {format_bytes(placed.point.bundle_bytes)}"  # a column more would be too wide
        made.append(hanging("", f"{size}; {placed.status}", 4))
    return "\n".join(made)


def _figures(section: Section) -> dict[str, list[str]]:
    """The columns of the table by their headers; memory is what the section compares."""
    points = [row.point for row in section.rows]
    form, memory = work_form(counted=section.first.counted), section.axes[2].key
    shown = {
        **{metric_title(n): [format_recall(p.figure(n).mean) for p in points] for n in section.shown},
        "file": [format_bytes(p.file_bytes.mean) for p in points],
    }
    if section.placed and not all(p.p95_ns for p in points):
        shown["p50"] = [form(p.p50_ns.mean) for p in points]
    if section.placed:  # what disturbs a run moves its times
        shown["p95"] = [form(p.p95_ns.mean) if p.p95_ns else UNKNOWN for p in points]
    if section.placed and any(p.paced_p95_ns for p in points):
        shown["paced p95"] = [form(p.paced_p95_ns.mean) if p.paced_p95_ns else UNKNOWN for p in points]
    shown["memory"] = [format_bytes(p.span(memory).mean) for p in points]
    if {p.first.basis for p in points} != {"measured"}:
        shown["basis"] = [p.first.basis for p in points]
    return shown


def _facts(found: Report) -> dict[str, Any]:
    """What the page says, for programs. Base units."""
    return {
        "rule": rule(found.budget, found.choose_by),
        "choose_by": found.choose_by,
        "sections": [
            {
                "conditions": dict(section.conditions),
                "verdict": judged.sentence,
                "notes": list(judged.notes),
                "cutoff": section.cutoff,
                "profile": section.first.profile,
                "runtimes": list(judged.runtimes),
                "winner": judged.winner.point.label if judged.winner else None,
                "rival": rival_facts(judged.rival),
                "next": judged.next_command,
                "int8": list(judged.int8),
                "variants": [
                    {
                        "name": p.point.label,
                        "baseline": is_baseline(p.point),
                        "status": p.status,
                        "front": p.front,
                        **p.point.quality_facts(),
                        "worth": known(p.point.value(section.by).mean),
                        "seeds": len(p.point.runs),
                        "file_bytes": p.point.file_bytes.mean,
                        "bundle_bytes": p.point.bundle_bytes,
                        "runtime": p.point.first.runtime,
                        f"p50_{unit}": p.point.p50_ns.mean,
                        f"p95_{unit}": p.point.p95_ns.mean if p.point.p95_ns else None,
                        f"paced_p95_{unit}": p.point.paced_p95_ns.mean if p.point.paced_p95_ns else None,
                        "model_memory_bytes": p.point.model_bytes.mean,
                        "peak_memory_bytes": p.point.cost.peak_bytes,
                        "basis": p.point.first.basis,
                        "runs": [run.path for run in p.point.runs],
                    }
                    for p in section.placed
                ],
                "left_out": [{"path": left.run.path, "status": left.status} for left in section.left],
            }
            for section, judged in found.pairs
            for unit in ["instructions" if section.first.counted else "ns"]
        ],
        "clicks": [section_facts(one) for one in found.clicks],
        "unreadable": [{"path": file.path, "reason": file.reason} for file in found.unreadable],
    }


def rival_facts(rival: Rival | None) -> dict[str, Any] | None:
    """What the chosen variant is held against, for programs."""
    if rival is None:
        return None
    return {
        "name": rival.point.label,
        "standing": rival.verdict,
        "of_its_bytes": rival.of_its_bytes,
        "file_bytes": rival.point.file_bytes.mean,
        "bundle_bytes": rival.point.bundle_bytes,
        **rival.point.quality_facts(),
    }
