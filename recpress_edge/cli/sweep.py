"""recpress-edge export --all: students × formats × recipes, one status each, past every failure."""

import argparse
import sys
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recpress_edge.cli.common import emit, next_steps, say, table
from recpress_edge.core.errors import (
    ArtifactError,
    ConfigError,
    GateError,
    MissingExtraError,
    RecPressError,
    unknown_name,
)
from recpress_edge.core.units import format_bytes, format_share

if TYPE_CHECKING:
    from recpress_edge.cli.export import Request
    from recpress_edge.data.interactions import Dataset
    from recpress_export.networks.student import Kind
    from recpress_export.package import Exported

DONE, UNCHANGED, BELOW_GATE, NOT_SUPPORTED, FAILED = (
    "done",
    "unchanged",
    "below gate",
    "not supported",
    "failed",
)
PLANNED = "would write"
SWEEP_FLAGS = ("students", "formats", "recipes")
SINGLE_FLAGS = ("student", "teacher", "recipe", "format", "out", "profile", "user")


def add_sweep_options(parser: argparse.ArgumentParser) -> None:
    """Add what only goes with --all."""
    group = parser.add_argument_group("a sweep")
    group.add_argument(
        "--all", action="store_true", help="students × formats × recipes, with a status for each"
    )
    group.add_argument(
        "--students",
        metavar="A,B",
        help="names or model folders (default: every trained student of the data set in WORK/models)",
    )
    group.add_argument("--formats", metavar="A,B", help="default: all")
    group.add_argument("--recipes", metavar="A,B", help="default: all")


OTHER_SETTINGS = "not the usual settings"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What became of one combination."""

    student: str
    seed: int
    format: str
    recipe: str
    status: str
    reason: str | None = None
    """Why, where it is neither done nor unchanged."""
    bundle: str | None = None
    sha256: str | None = None
    file_bytes: int | None = None
    cutoff: int | None = None
    """The K that judges, of the two that follow."""
    recall: float | None = None
    """Of the file, on the validation users."""
    overlap: float | None = None


@dataclass(frozen=True, slots=True)
class Subject:
    """A student of the sweep: what ``--student`` is given, and its seed."""

    student: str
    seed: int


def run_sweep(args: argparse.Namespace) -> int:
    """Exit code 0: all that is supported is done; 3: some below the gate; 1: some failed, or nothing is."""
    formats, recipes = _check(args)
    subjects, left_out = _subjects(args)
    rows: list[Row] = []
    for row in _rows(args, subjects, formats, recipes):
        say(args, _line(row))
        rows.append(row)
    say(args)
    say(args, _table(rows))
    for why in left_out:
        say(args, f"left out   {why}")
    statuses = [row.status for row in rows]
    counts = {status: statuses.count(status) for status in dict.fromkeys(statuses)}
    say(args, f"rows       {', '.join(f'{count} {status}' for status, count in counts.items())}")
    if not args.dry_run:
        next_steps(args, [f"device_bench run {row.bundle}" for row in rows if row.bundle][:1])
    emit(
        args,
        {
            **({"dry_run": True} if args.dry_run else {}),
            "rows": [asdict(row) for row in rows],
            "counts": counts,
            "left_out": left_out,
        },
    )
    if FAILED in counts or set(counts) == {NOT_SUPPORTED}:
        return 1
    return GateError.exit_code if BELOW_GATE in counts else 0


def check_single(args: argparse.Namespace) -> None:
    """Without --all: a student is needed, and the flags of a sweep say nothing."""
    for name in SWEEP_FLAGS:
        if getattr(args, name) is not None:
            raise ConfigError(f"--{name} only goes with --all")
    if args.student is None:
        raise ConfigError("give --student NAME, or --all for every student that is trained")


def _check(args: argparse.Namespace) -> tuple[list[str], list[str] | None]:
    """Formats and recipes, by their proper names; flags of a single export are refused.

    Recipes are None where none is asked for: then each student takes all of its family.
    """
    from recpress_edge.artifacts.formats import FORMATS
    from recpress_edge.artifacts.recipes import recipe_named
    from recpress_export.networks.recipes import NETWORK_RECIPES

    given = [f"--{name}" for name in SINGLE_FLAGS if getattr(args, name) is not None]
    given += [flag for flag, on in (("--int8", args.int8), ("--with-evaluation", args.with_evaluation)) if on]
    if given:
        raise ConfigError(f"{given[0]} is for one student; with --all use --students, --formats, --recipes")
    formats = _listed("formats", args.formats, list(FORMATS))
    for name in formats:
        if name not in FORMATS:
            raise unknown_name("format", name, list(FORMATS))
    if args.recipes is None:
        return formats, None
    listed = _listed("recipes", args.recipes, [])
    recipes = [name if name in NETWORK_RECIPES else recipe_named(name).name for name in listed]
    return formats, list(dict.fromkeys(recipes))


def _listed(flag: str, text: str | None, usual: list[str]) -> list[str]:
    if text is None:
        return usual
    names = [name.strip() for name in text.split(",")]
    if not all(names):
        raise ConfigError(f"--{flag} {text!r} has an empty name; write names with single commas: a,b")
    return list(dict.fromkeys(names))


def _subjects(args: argparse.Namespace) -> tuple[list[Subject], list[str]]:
    """The students to export, and in words which models of the work folder are not among them."""
    if args.students is not None:
        return [_subject(name, args.seed) for name in _listed("students", args.students, [])], []
    from recpress_edge.data.resolve import load_dataset

    data = load_dataset(args.data, args.work, lambda text: say(args, text))
    subjects, left_out = trained_students(data, args.work)
    if args.seed:
        subjects = [subject for subject in subjects if subject.seed == args.seed]
    others = [why for why in left_out if OTHER_SETTINGS in why]
    if not subjects and others:
        raise ConfigError(
            f"no student of data set {args.data!r} is trained with the usual settings in "
            f"{args.work / 'models'}, but {len(others)} with others. Name them by their folders: --students "
            f"{','.join(str(args.work / 'models' / why.partition(':')[0]) for why in others)}"
        )
    if not subjects:
        raise ConfigError(
            f"no student of data set {args.data!r} is trained in {args.work / 'models'}. "
            "Name some with --students htd_dim10,soft_dim10 (they will be trained), or give --data."
        )
    return subjects, left_out


def _subject(name: str, seed: int) -> Subject:
    """A name with a typing error ends the sweep before it starts."""
    from recpress_edge.distill.students import parse_name
    from recpress_edge.training.plan import is_folder

    if is_folder(name):
        return Subject(name, 0)
    return Subject(str(parse_name(name)), seed)


def trained_students(data: "Dataset", work: Path) -> tuple[list[Subject], list[str]]:
    """Completed students of a data set with the usual settings, by name and seed; and what else is there.

    A model without a teacher that another was distilled from counts as a teacher, not as a student.
    """
    from recpress_edge.artifacts.model_folder import MODEL_FACTS as METADATA
    from recpress_edge.core.files import read_json
    from recpress_edge.training.store import is_complete

    facts: dict[Path, dict[str, Any]] = {}
    left_out = []
    for folder in filter(is_complete, sorted((work / "models").glob("*/"))):
        try:
            facts[folder] = read_json(folder / METADATA)
        except ArtifactError as error:
            left_out.append(f"{folder.name}: {error}")
    ours = {f: m for f, m in facts.items() if m.get("dataset", {}).get("digest") == data.digest()}
    teachers = {(m.get("teacher") or {}).get("sha256") for m in ours.values()}
    subjects = []
    for folder, known in ours.items():
        name, seed = str(known.get("name")), int(known.get("seed", 0))
        if not known.get("teacher") and known.get("sha256") in teachers:
            left_out.append(f"{folder.name}: a teacher; name it with --students to export it")
        elif _usual_folder(name, seed, data, work) == folder:
            subjects.append(Subject(name, seed))
        else:
            left_out.append(f"{folder.name}: {OTHER_SETTINGS}; export --student {folder}")
    return sorted(subjects, key=lambda s: (_natural(s.student), s.seed)), left_out


def _natural(name: str) -> tuple[str, int]:
    """soft_dim20 before soft_dim100."""
    stem, _, dim = name.partition("_dim")
    return stem, int(dim) if dim.isdecimal() else 0


def _usual_folder(name: str, seed: int, data: "Dataset", work: Path) -> Path | None:
    """Where the model of that name is with the usual settings; None where it would be trained."""
    from recpress_edge.training.ensure import plan_steps
    from recpress_edge.training.plan import ModelRequest, TrainOptions

    try:
        step = plan_steps(
            ModelRequest(name=name, role="student", seed=seed, options=TrainOptions()), data, work
        )[-1]
    except RecPressError:
        return None
    return step.folder if step.action == "cached" else None


def _rows(
    args: argparse.Namespace,
    subjects: Sequence[Subject],
    formats: Sequence[str],
    recipes: Sequence[str] | None,
) -> Iterator[Row]:
    from recpress_edge.artifacts.recipes import RECIPES
    from recpress_export.networks.recipes import NETWORK_RECIPES

    found: set[Path] = set()
    for subject in subjects:
        own = NETWORK_RECIPES if _network_of(subject) else RECIPES
        for file_format in formats:
            for recipe in recipes or own:
                yield _row(args, subject, file_format, recipe, found)


def _network_of(subject: Subject) -> "Kind | None":
    """The network that a student is; None for two tables, and for a folder that cannot be read."""
    from recpress_edge.distill.students import parse_name
    from recpress_edge.training.plan import is_folder
    from recpress_export.networks.student import network_kind

    if not is_folder(subject.student):
        return parse_name(subject.student).entry.network
    try:
        return network_kind(Path(subject.student))
    except ArtifactError:
        return None


def _row(args: argparse.Namespace, subject: Subject, file_format: str, recipe: str, found: set[Path]) -> Row:
    """One export. Only an interrupt ends the sweep. ``found``: models that were named already."""
    from recpress_edge.cli.export import export_student, request_of
    from recpress_export.networks.recipes import choose_recipe

    single: dict[str, Any] = {
        "student": subject.student,
        "seed": subject.seed,
        "format": file_format,
        "recipe": recipe,
    }
    one = argparse.Namespace(**{**vars(args), **single})
    named = {**single, "student": Path(subject.student).name}
    try:
        choose_recipe(_network_of(subject), recipe, file_format, int8=False)
    except ConfigError as error:
        return Row(**named, status=NOT_SUPPORTED, reason=str(error))
    try:
        request = request_of(one)
        named |= {"student": request.student, "seed": request.seed}
        if args.dry_run:
            return Row(**named, status=PLANNED, reason=_training(request, one), bundle=str(request.target))
        return _made(named, export_student(request, one, found))
    except MissingExtraError as error:
        return Row(**named, status=NOT_SUPPORTED, reason=str(error))
    except GateError as error:
        return Row(**named, status=BELOW_GATE, reason=str(error))
    except RecPressError as error:
        return Row(**named, status=FAILED, reason=str(error))
    except ImportError as error:
        return Row(
            **named, status=FAILED, reason=f"it needs the package {error.name}; see recpress-edge doctor"
        )
    except Exception as error:  # a mistake of ours in one export must not cost the others
        traceback.print_exc(file=sys.stderr)
        return Row(**named, status=FAILED, reason=f"internal error: {type(error).__name__}: {error}")


def _training(request: "Request", args: argparse.Namespace) -> str | None:
    """Which models an export would train first, for a dry run."""
    from recpress_edge.data.resolve import load_dataset
    from recpress_edge.training.ensure import plan_steps
    from recpress_edge.training.plan import ModelRequest, TrainOptions

    if request.folder is not None:
        return None
    data = load_dataset(request.data, args.work, lambda text: say(args, text))
    steps = plan_steps(
        ModelRequest(name=request.student, role="student", seed=request.seed, options=TrainOptions()),
        data,
        args.work,
    )
    missing = [step.name for step in steps if step.action != "cached"]
    return f"trains {', '.join(missing)} first" if missing else None


def _made(named: dict[str, Any], exported: "Exported") -> Row:
    bundle, parity = exported.bundle, exported.parity
    gate = bundle.quality["parity"]["gate"]
    return Row(
        **named,
        status=UNCHANGED if exported.unchanged else DONE,
        reason=f"overruled by --force: {gate['failure']}" if gate["overruled"] else None,
        bundle=str(bundle.folder),
        sha256=bundle.digest,
        file_bytes=bundle.model_bytes,
        cutoff=parity.cutoff,
        recall=parity.metrics_after[f"recall@{parity.cutoff}"],
        overlap=parity.overlap[f"overlap@{parity.cutoff}"].mean,
    )


def _line(row: Row) -> str:
    what = f"{row.student} seed {row.seed} {row.format} {row.recipe}"
    return "  ".join(filter(None, (f"{row.status:<13}", what, row.bundle, row.reason)))


def _table(rows: Sequence[Row]) -> str:
    from recpress_edge.core.metrics import DEFAULT_CUTOFF

    k = next((row.cutoff for row in rows if row.cutoff), DEFAULT_CUTOFF)  # one data set has one
    headers = ("student", "seed", "format", "recipe", "size", f"valid Recall@{k}", f"overlap@{k}", "status")
    return table(headers, [_cells(row) for row in rows])


def _cells(row: Row) -> list[str]:
    return [
        row.student,
        str(row.seed),
        row.format,
        row.recipe,
        "–" if row.file_bytes is None else format_bytes(row.file_bytes),
        format_share(row.recall),
        format_share(row.overlap),
        row.status,
    ]
