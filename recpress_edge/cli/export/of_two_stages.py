"""``recpress-edge export`` of a model of two stages: its flags, and what is said of its bundle."""

import argparse
import shlex

from recpress_edge.artifacts.two_stages.fields import place_of
from recpress_edge.cli.common import next_steps, request_of, say, table
from recpress_edge.cli.export.of_clicks import TABLES_ONLY
from recpress_edge.cli.export.of_format import format_options
from recpress_edge.cli.export.of_rankers import run_ranker
from recpress_edge.core.errors import ConfigError
from recpress_edge.core.metrics import metric_title
from recpress_edge.core.units import format_bytes, format_share
from recpress_edge.jobs.rankers.two_stages import TwoStageExportRequest, TwoStageExportResult
from recpress_export.options import NO_OPTIONS
from recpress_export.two_stages.quality import gate_words


def run_two_stages(args: argparse.Namespace) -> int:
    """Exit code 0 when the bundle is there, whether written now or before."""
    return run_ranker(args, _request(args), _report)


def _request(args: argparse.Namespace) -> TwoStageExportRequest:
    for name in TABLES_ONLY:
        if getattr(args, name):
            raise ConfigError(
                f"--{name.replace('_', '-')} is not for {args.student}, a model of two stages: its bundle is "
                "one file for all users. Leave it out."
            )
    if format_options(args) != NO_OPTIONS:
        raise ConfigError(f"{args.student} is a model of two stages, which has no options of a format")
    return request_of(TwoStageExportRequest, args)


def _report(args: argparse.Namespace, result: TwoStageExportResult) -> None:
    bundle = result.exported.bundle
    contract, stages, made = bundle.contract, bundle.quality["stages"], bundle.provenance
    folder = shlex.quote(str(bundle.folder))
    say(
        args,
        f"stages     {made['first_stage']['name']} finds {contract.candidates}, {made['student']} ranks them",
    )
    asked = [*(["user"] if contract.n_users else []), "seen", *(field.name for field in contract.stated)]
    say(args, f"asked by   {', '.join(asked)}")
    say(
        args,
        f"read       {', '.join(one.name for one in contract.fields if place_of(one)) or 'no last item'}",
    )
    say(args, f"folded     {', '.join(contract.folded)} into a row of each item")
    verb = "unchanged" if result.exported.unchanged else "wrote"
    say(args, f"{verb:<9}  {bundle.model_path}   {format_bytes(bundle.model_bytes)}   int8, exact")
    rows = [
        [split, metric_title(name), *_told(found[name])]
        for split, found in stages["gain"].items()
        for name in ("ndcg@10", "recall@10", "recall@50")
    ]
    say(args, table(("", "", "first stage", "both", "difference", "95 %"), rows))
    for split, found in stages["gain"].items():
        say(
            args,
            f"{split:<9}  {format_share(found['found'])} of what {found['users']:,} users took is among the "
            f"candidates; {found['compared']:,} lists equal numpy's to the bit",
        )
    say(args, f"gate       {gate_words(stages['gate'])}")
    questions = len(bundle.selftest())
    total = format_bytes(bundle.total_bytes)
    say(
        args,
        f"bundle     {folder}/   {total} in all   sha256 {bundle.digest[:16]}…   "
        f"self-test: {questions} requests, passed",
    )
    next_steps(args, _commands(folder, result))


def _told(gain: dict[str, float]) -> list[str]:
    interval = f"{gain['low']:+.4f} to {gain['high']:+.4f}"
    return [format_share(gain["first"]), format_share(gain["both"]), f"{gain['gain']:+.4f}", interval]


def _commands(folder: str, result: TwoStageExportResult) -> list[str]:
    """What to run next: ask for the first user with what the self-test states."""
    bundle = result.exported.bundle
    question, users, items = bundle.selftest()[2], bundle.user_ids(), bundle.item_ids()
    seen = ",".join(items[item] for item in question.seen)
    values = [
        f"--value {shlex.quote(f'{name}={value}')}"
        for name, value in question.values.items()
        if value is not None and not isinstance(value, list)
    ]
    words = [
        *([] if question.user is None else ["--user", shlex.quote(users[question.user])]),
        *(["--seen", shlex.quote(seen)] if seen else []),
        *values,
    ]
    return [
        f"recpress-edge recommend {folder} {' '.join(words)}",
        f"recpress-edge bench {folder}",
        f"recpress-edge inspect {folder}",
    ]
