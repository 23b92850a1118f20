"""``recpress-edge reproduce``: published studies with the code that ships, against the published figures."""

import argparse
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, Final

from recpress_edge.cli.common import (
    add_common_options,
    add_executor_options,
    command_again,
    emit,
    executor_of,
    next_steps,
    positive_int,
    request_of,
    say,
    table,
)
from recpress_edge.cli.events import print_events
from recpress_edge.core.errors import ConfigError
from recpress_edge.core.files import check_free, write_json
from recpress_edge.core.registry import named
from recpress_edge.studies.study import StudyRequest, StudyResult

STUDIES: Final[Mapping[str, str]] = {
    # name -> its request, imported when it is chosen
    "topology": "recpress_edge.studies.topology:TopologyRequest",
    "de-rrd": "recpress_edge.studies.de_rrd:DeRrdRequest",
    "hetcomp": "recpress_edge.studies.hetcomp:HetCompRequest",
    "gowalla": "recpress_edge.studies.gowalla:GowallaRequest",
    "frappe": "recpress_edge.studies.frappe:FrappeRequest",
    "ml100k-ctr": "recpress_edge.studies.ml100k_ctr:Ml100kCtrRequest",
    "ml-1m": "recpress_edge.studies.sequences:Ml1mRequest",
    "beauty": "recpress_edge.studies.sequences:BeautyRequest",
}
OWN_FLAGS: Final = ("dims", "methods", "until_stalled", "teachers")
"""Flags that only the studies whose requests have a field of this name take."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.description = (
        "topology: FTD and HTD (Kang et al., KDD 2021) on CiteULike by the reference protocol: "
        "100 epochs, no early stopping, test Recall@50 at the last epoch. de-rrd: DE, RRD, DE-RRD and "
        "IR-RRD (Kang et al., CIKM 2020, Inf. Sci. 2021) on CiteULike by LOO-499. hetcomp: several teachers "
        "(Kang et al., WWW 2023), CiteULike split 60/20/20. gowalla: teachers on the LightGCN split by "
        "Recall@20, trained again on train and validation. frappe: LR, FM, Wide & Deep and DeepFM by BARS' "
        "settings, and small DeepFMs. ml100k-ctr: these on rows split at random and by time. ml-1m, beauty: "
        "SASRec by several losses and BERT4Rec, the last item of each user ranked in the whole catalogue and "
        "among 100 sampled items; hours of CPU time. What is trained already is reused, and a study that "
        "was stopped goes on where it was."
    )
    parser.epilog = "example: recpress-edge reproduce topology --dims 10,20 --jobs 2 --out topology.json"
    add_common_options(parser)
    parser.add_argument("study", choices=list(STUDIES), metavar="STUDY", help=", ".join(STUDIES))
    parser.add_argument("--dims", metavar="N,N", help="topology: student dims (default: 10,20,100,200)")
    parser.add_argument(
        "--methods", metavar="NAME,NAME", help="de-rrd: students (default: bpr,de,rrd,de_rrd,irrrd)"
    )
    parser.add_argument(
        "--until-stalled",
        action="store_true",
        help="de-rrd: train students until validation stalls, not for 200 epochs",
    )
    parser.add_argument(
        "--teachers",
        metavar="NAME,NAME",
        help="hetcomp, gowalla: teachers; the studies after them: models (default: all of the study)",
    )
    parser.add_argument(
        "--seeds",
        type=positive_int,
        metavar="N",
        help="seeds of every student, for hetcomp of the one without distillation and HetComp's (default: "
        "topology 3 for dims below 100, else 1; others 1)",
    )
    add_executor_options(parser)
    parser.add_argument("--out", type=Path, metavar="FILE", help="write every run and the verdicts as JSON")
    parser.add_argument("--force", action="store_true", help="replace --out when it exists")
    parser.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    """Run a study and print its table, differences and verdicts."""
    request, executor = _request(args), executor_of(args)
    if args.out:
        check_free(args.out, force=args.force)
    if args.dry_run:
        say(args, "\n".join(request.plan()))
        return 0
    with print_events(args) as on_event:
        result = request.run(on_event, executor)
    _say_result(args, result)
    next_steps(args, [result.next_step])
    record = result.facts(command_again(args), executor.slots)
    if args.out:
        write_json(args.out, record)
        say(args, f"wrote {args.out}")
    emit(args, record)
    return 0


def _request(args: argparse.Namespace) -> StudyRequest:
    kind: type[StudyRequest] = named(STUDIES[args.study])
    for flag in OWN_FLAGS:
        if getattr(args, flag) not in (None, False) and flag not in _fields(kind):
            owners = [name for name, where in STUDIES.items() if flag in _fields(named(where))]
            raise ConfigError(
                f"--{flag.replace('_', '-')} belongs to {' and '.join(owners)}, not to {args.study}. "
                "Leave it out."
            )
    given: dict[str, Any] = {"dims": _dims(args.dims)} if args.dims else {}
    lists = [flag for flag in ("methods", "teachers") if getattr(args, flag) is not None]
    return request_of(kind, args, **given, **{flag: tuple(getattr(args, flag).split(",")) for flag in lists})


def _fields(kind: type[StudyRequest]) -> set[str]:
    return {field.name for field in fields(kind)}


def _dims(text: str) -> tuple[int, ...]:
    try:
        dims = tuple(int(part) for part in text.split(","))
    except ValueError:
        raise ConfigError(
            f"--dims must be numbers with commas between, such as 10,20; got {text!r}"
        ) from None
    if min(dims) < 1:
        raise ConfigError(f"--dims must be at least 1, got {min(dims)}")
    return dims


def _say_result(args: argparse.Namespace, result: StudyResult) -> None:
    blank = [""] if result.differences else []
    verdicts = [
        f"{'holds' if verdict.holds else 'does NOT hold'}: {verdict.claim} ({verdict.evidence})"
        for verdict in result.verdicts
    ]
    rows = table(result.study.headers, result.study.table_rows(result.outcomes))
    differences = [f"differs: {difference}" for difference in result.differences]
    for line in (*blank, rows, *blank, *result.remarks, *differences, *verdicts):
        say(args, line)
