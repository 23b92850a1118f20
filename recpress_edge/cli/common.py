"""What all commands share: options, talk on the right stream, tables."""

import argparse
import json
import shlex
import sys
from collections.abc import Sequence
from dataclasses import MISSING, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

from recpress_edge.core.errors import ConfigError
from recpress_edge.core.layout import columns, wrap_command, wrap_lines
from recpress_edge.core.printable import json_text, printable, printable_lines
from recpress_edge.core.registry import named
from recpress_edge.core.terminal import stdout_encoding, text_width
from recpress_edge.core.units import about_seconds, format_bytes

if TYPE_CHECKING:
    from recpress_edge.jobs.executor import Executor
    from recpress_edge.training.ensure import PlannedStep

R = TypeVar("R")
MOST_THREADS: Final = 1024


class ExamplesFormatter(argparse.HelpFormatter):
    """Wraps help as usual, and leaves the lines of examples as they are."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        return text if text.startswith("examples:") else super()._fill_text(text, width, indent)


def add_common_options(parser: argparse.ArgumentParser) -> None:
    """The options of every command."""
    group = parser.add_argument_group("common options")
    group.add_argument(
        "--work",
        type=Path,
        default=Path(),
        metavar="DIR",
        help="folder that holds data/, models/, dist/ and runs/ (default: the current folder)",
    )
    group.add_argument("--json", action="store_true", help="one JSON object on stdout, all talk on stderr")
    group.add_argument("--dry-run", action="store_true", help="say what would be done, and do nothing")


def add_training_options(parser: argparse.ArgumentParser) -> None:
    """The options of the commands that may train."""
    group = parser.add_argument_group("data and training")
    group.add_argument(
        "--data",
        default="synthetic",
        metavar="NAME",
        help="data set, see 'recpress-edge data list' (default: synthetic)",
    )
    group.add_argument("--device", default="cpu", help="cpu or cuda (default: cpu)")
    group.add_argument(
        "--threads",
        type=thread_count,
        default=1,
        metavar="N",
        help="CPU threads (default: 1; more help little at small dims, and hurt when the cores are busy)",
    )


def add_executor_options(parser: argparse.ArgumentParser, what: str = "models trained") -> None:
    """Where the models are trained, and how many at once."""
    group = parser.add_argument_group("several at once")
    group.add_argument(
        "--jobs",
        type=positive_int,
        metavar="N",
        help=f"{what} at once, each in a process of its own with --threads (default: 1)",
    )
    group.add_argument(
        "--ray",
        metavar="ADDRESS",
        help="train on the machines of a Ray cluster: HOST:PORT, or auto for the one of this machine",
    )


def executor_of(args: argparse.Namespace) -> "Executor":
    """What --jobs or --ray asks for."""
    made: Executor = named("recpress_edge.jobs.executor:executor_for")(
        args.jobs, args.ray, getattr(args, "threads", 1)
    )
    return made


def add_method_options(parser: argparse.ArgumentParser, *, settings: bool = True) -> None:
    """``--plugin``, and ``--set`` where one model is trained."""
    group = parser.add_argument_group("settings and methods")
    if settings:
        group.add_argument(
            "--set",
            action="append",
            default=[],
            metavar="KEY=VALUE",
            help="a setting that differs from the usual one, such as method.learning_rate=0.01 or patience=3 "
            "(those there are: recpress-edge settings NAME); may be given again, and wins over --config",
        )
    group.add_argument(
        "--plugin",
        action="append",
        default=[],
        metavar="FILE",
        help="a Python file that brings a method of your own; it is run as it is. May be given again",
    )


def only_reads(args: argparse.Namespace) -> None:
    """Of a command that writes nothing, --dry-run would say nothing."""
    if args.dry_run:
        raise ConfigError(f"{args.command} only reads: remove --dry-run")


def add_first_option(parser: argparse.ArgumentParser) -> None:
    """The flag of a model of two stages."""
    parser.add_argument(
        "--first",
        metavar="NAME",
        help="of a student of two stages (rerank_dim8): the student that finds its candidates, by name or by "
        "the folder of a trained one (default: soft_dim32)",
    )


def set_first(args: argparse.Namespace, *, stages: bool) -> None:
    """Make a setting of --first; ConfigError where the student has one stage."""
    if args.first is None:
        return
    if not stages:
        raise ConfigError(
            f"--first is for students of two stages, such as rerank_dim8, not for {args.student}."
        )
    args.set = [*args.set, f"method.first={json.dumps(args.first)}"]


def request_of(kind: type[R], args: argparse.Namespace, **more: Any) -> R:
    """A request from the flags of the same names, and ``more``."""
    flags = {field.name: getattr(args, field.name, MISSING) for field in fields(kind)}  # type: ignore[arg-type]
    given = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in flags.items()
        if value is not MISSING
    }
    return kind(**(given | more))


def thread_count(text: str) -> int:
    """argparse type: an integer that torch takes; a hundred million threads end the process."""
    value = positive_int(text)
    if value > MOST_THREADS:
        raise argparse.ArgumentTypeError(f"must be at most {MOST_THREADS}, got {value}")
    return value


def positive_int(text: str) -> int:
    """argparse type: an integer of at least 1."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, got {value}")
    return value


def seed_number(text: str) -> int:
    """argparse type: an integer of at least 0."""
    value = int(text)
    if value < 0:
        raise argparse.ArgumentTypeError(f"must not be negative, got {value}")
    return value


def names_of(flag: str, text: str) -> list[str]:
    """Names between single commas, each once."""
    names = [name.strip() for name in text.split(",")]
    if not all(names):
        raise ConfigError(f"--{flag} {text!r} has an empty name; write names with single commas: a,b")
    return list(dict.fromkeys(names))


def say(args: argparse.Namespace, text: str = "") -> None:
    """Talk to a person: stdout, or stderr when stdout belongs to JSON. What a file says stays printable."""
    stream = sys.stderr if args.json else sys.stdout
    print(wrap_lines(printable_lines(text), text_width(stream)), file=stream, flush=True)


def say_costs(args: argparse.Namespace, step: "PlannedStep", indent: int) -> None:
    """What a model that is not there yet will take, where that is known."""
    told = []
    if step.memory_bytes is not None:
        told.append(f"needs at least {format_bytes(step.memory_bytes)} of memory, which is available")
    if step.seconds is not None:
        told.append(f"{about_seconds(step.seconds)} at most on one thread, validation apart")
    if told:
        say(args, f"{'':<{indent}} {'; '.join(told)}")


def emit(args: argparse.Namespace, value: dict[str, Any]) -> None:
    """The machine's answer, only with --json."""
    if args.json:
        print(json_text(value, indent=2, encoding=stdout_encoding()))


def table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns that line up, the first to the left, the others to the right, within the terminal's width."""
    return columns(
        [printable(str(header)) for header in headers],
        [[printable(str(cell)) for cell in row] for row in rows],
        text_width(),
    )


def add_bad_lines_option(parser: argparse.ArgumentParser) -> None:
    """--skip-bad-lines, of whatever reads logs and tables."""
    parser.add_argument(
        "--skip-bad-lines",
        default="0",
        metavar="N|P%",
        help="leave out lines that cannot be read, up to a number or a share of each file (default: 0)",
    )


def next_steps(args: argparse.Namespace, commands: Sequence[str]) -> None:
    """End a step with what to run next."""
    for index, command in enumerate(commands):
        say(
            args,
            f"{'next' if index == 0 else '':<9}  {wrap_command(command, text_width(), 11)}",
        )


def command_again(args: argparse.Namespace, without: str = "") -> str:
    """The command that is running, as it was given but for one flag."""
    return shlex.join(["recpress-edge", *(word for word in args.words if word != without)])


def flags_again(args: argparse.Namespace) -> str:
    """The data and work flags that a following command needs too."""
    flags = ["--data", args.data] if args.data != "synthetic" else []
    if args.work != Path():
        flags += ["--work", str(args.work)]
    return "".join(f" {part}" for part in map(shlex.quote, flags))


def audience(n_users: int) -> str:
    """For whom a file answers."""
    if n_users == 1:
        return "1 user"
    return f"{n_users:,} users" if n_users else "any history"
