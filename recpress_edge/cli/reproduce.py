"""recpress-edge reproduce: published studies with the code that ships, beside the published figures."""

import argparse
import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from recpress_edge.cli.common import add_common_options, positive_int
from recpress_edge.core.errors import ConfigError

STUDIES: Final[Mapping[str, str]] = {
    # name -> its module in recpress_edge.cli.studies
    "topology": "topology",
    "de-rrd": "de_rrd",
    "hetcomp": "hetcomp",
    "gowalla": "gowalla",
}

FLAGS: Final[Mapping[str, tuple[str, ...]]] = {
    # flag -> the studies that it is for, where these are not all
    "dims": ("topology",),
    "jobs": ("topology",),
    "methods": ("de-rrd",),
    "until_stalled": ("de-rrd",),
    "teachers": ("hetcomp", "gowalla"),
}


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.description = (
        "topology: FTD and HTD (Kang et al., KDD 2021) on CiteULike by the reference protocol: "
        "100 epochs, no early stopping, test Recall@50 at the last epoch. de-rrd: DE, RRD, DE-RRD and "
        "IR-RRD (Kang et al., CIKM 2020, Inf. Sci. 2021) on CiteULike by LOO-499. hetcomp: several teachers "
        "(Kang et al., WWW 2023), CiteULike split 60/20/20. gowalla: teachers on the LightGCN split by "
        "Recall@20, trained again on train and validation. What is trained already is reused."
    )
    parser.epilog = "example: recpress-edge reproduce topology --dims 10,20 --jobs 2 --out topology.json"
    add_common_options(parser)
    parser.add_argument("study", choices=list(STUDIES), help="which study")
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
        "--teachers", metavar="NAME,NAME", help="hetcomp, gowalla: teachers (default: all of the study)"
    )
    parser.add_argument(
        "--seeds",
        type=positive_int,
        metavar="N",
        help="seeds of every student, for hetcomp of the one without distillation and HetComp's (default: "
        "topology 3 for dims below 100, else 1; others 1)",
    )
    parser.add_argument(
        "--jobs",
        type=positive_int,
        metavar="N",
        help="topology: models trained at once, one thread each (default: 1)",
    )
    parser.add_argument("--out", type=Path, metavar="FILE", help="write every run and the verdicts as JSON")
    parser.add_argument("--force", action="store_true", help="replace --out when it exists")
    parser.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    """Hand over to the study, once every flag is one of its own."""
    for flag, studies in FLAGS.items():
        if args.study not in studies and getattr(args, flag) not in (None, False):
            raise ConfigError(
                f"--{flag.replace('_', '-')} belongs to {' and '.join(studies)}, not to {args.study}. "
                "Leave it out."
            )
    study = importlib.import_module(f"recpress_edge.cli.studies.{STUDIES[args.study]}")
    code: int = study.run(args)
    return code
