"""recpress-edge web: the page of a web bundle, on this machine alone."""

import argparse
import sys
import webbrowser
from pathlib import Path

from recpress_edge.artifacts.trust.options import add_trust_options, trust_of
from recpress_edge.cli.common import add_common_options, emit, request_of, say
from recpress_edge.jobs.web import WebRequest


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.description = (
        "Verifies a bundle of export --format web and serves its files to this machine alone "
        "(127.0.0.1), where its page recommends without asking anybody. Ctrl-C ends it."
    )
    add_common_options(parser)
    parser.add_argument("bundle", type=Path, metavar="BUNDLE", help="folder of the bundle")
    parser.add_argument(
        "--port", type=int, default=0, metavar="N", help="port to serve on (default: any that is free)"
    )
    add_trust_options(parser)
    parser.add_argument("--no-open", action="store_true", help="do not open a browser")
    parser.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    """Serve until Ctrl-C. Exit code 0."""
    with request_of(WebRequest, args, trust=trust_of(args)).open() as server:
        say(args, f"page       {server.url}")
        if args.dry_run:
            say(args, "would serve it there and open a browser")
            emit(args, {"dry_run": True, "bundle": str(args.bundle)})
            return 0
        emit(args, {"bundle": str(args.bundle), "url": server.url})
        sys.stdout.flush()  # whoever reads the address from a pipe waits for it
        say(args, "           to this machine alone; Ctrl-C ends it")
        if not args.no_open:
            webbrowser.open(server.url)
        try:
            server.run()
        except KeyboardInterrupt:
            say(args)
    return 0
