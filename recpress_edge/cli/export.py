"""recpress-edge export: make what is missing, then write, check and publish a bundle."""

import argparse
import functools
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recpress_edge.artifacts.contract import ALL_USERS
from recpress_edge.cli.common import (
    common_options,
    emit,
    progress,
    say,
    seed_number,
    training_options,
)
from recpress_edge.cli.exported import export_facts, next_commands, report_export
from recpress_edge.cli.network import network_export
from recpress_edge.cli.profile import (
    add_profile_options,
    check_user,
    fill_of,
    with_profile,
)
from recpress_edge.cli.source import source_of
from recpress_edge.cli.sweep import add_sweep_options, check_single, run_sweep
from recpress_edge.cli.train import training_events
from recpress_edge.core.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable

    from recpress_edge.artifacts.recipes import Recipe
    from recpress_edge.data.interactions import Dataset
    from recpress_edge.training.plan import TrainOptions
    from recpress_export.networks.student import Kind
    from recpress_export.package import Exported


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "export",
        parents=[common_options(), training_options()],
        help="student -> checked bundle that a device can run",
        description="Trains the teacher and the student if they are missing, writes the bundle, compares "
        "its rankings with fp32 on all validation users, and runs its self-test. A bundle below the gate "
        "(export.toml) is not published: exit code 3, unless --force overrules it.",
    )
    parser.add_argument(
        "--student",
        metavar="NAME",
        help="for example htd_dim10; or the folder of a trained model, whatever its settings were",
    )
    parser.add_argument("--teacher", metavar="NAME", help="default: the one the student's method asks for")
    parser.add_argument(
        "--seed", type=seed_number, default=0, metavar="N", help="of the student's training (default: 0)"
    )
    parser.add_argument(
        "--int8", action="store_true", help="the default int8 recipe: int8-dim; for a network int8-dynamic"
    )
    parser.add_argument(
        "--recipe",
        metavar="NAME",
        help="fp32 (default), fp16, int8-dim (or int8), int8-item, int4-item; "
        "of a network fp32 or int8-dynamic",
    )
    parser.add_argument("--format", metavar="NAME", help="onnx (default), tflite, or both: onnx,tflite")
    add_profile_options(parser)
    parser.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help="default: WORK/dist/STUDENT-RECIPE, then -tflite, then -PROFILE",
    )
    parser.add_argument(
        "--force",
        action="store_true",
        help="replace what is at the target, and publish below the gate; the bundle then says so",
    )
    add_sweep_options(parser)
    parser.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    """Exit code 0 when the bundle is there, whether written now or before."""
    if args.all:
        return run_sweep(args)
    check_single(args)
    requests = [request_of(one) for one in _by_format(args)]
    facts = [_say_plan(r, args) if args.dry_run else _export_one(r, args) for r in requests]
    emit(args, facts[0] if len(facts) == 1 else {"bundles": facts})
    return 0


def _by_format(args: argparse.Namespace) -> list[argparse.Namespace]:
    """The same command once for each format."""
    names = [name.strip() for name in (args.format or "onnx").split(",")]
    if not all(names):
        raise ConfigError(f"--format {args.format!r} has an empty name; write names with single commas: a,b")
    names = list(dict.fromkeys(names))
    if len(names) > 1 and args.out:
        raise ConfigError(
            f"--out names one bundle, --format {args.format} makes {len(names)}. Leave one out."
        )
    return [argparse.Namespace(**{**vars(args), "format": name}) for name in names]


def _export_one(request: "Request", args: argparse.Namespace) -> dict[str, Any]:
    exported = export_student(request, args)
    report_export(request, args, exported)
    return export_facts(request, exported) | {"next": next_commands(request, args)}


@dataclass(frozen=True, slots=True)
class Request:
    """A checked command."""

    student: str
    folder: Path | None
    """The model's folder when the student was given by folder, not by name."""
    teacher: str | None
    seed: int
    data: str
    recipe: "Recipe"
    target: Path
    force: bool
    profile: str = "all-users"
    user: str | None = None
    """External id of the one user of a single-user bundle."""
    file_format: str = "onnx"
    network: "Kind | None" = None
    """The network that the student is; None for two tables."""
    with_evaluation: bool = True
    """Whether the test users' rows travel in the bundle."""

    @property
    def name(self) -> str:
        """Name of the bundle, whatever its folder is called."""
        from recpress_export.profiles import profile_name
        from recpress_export.student import bundle_name

        return profile_name(bundle_name(self.student, self.seed, self.recipe, self.file_format), self.profile)

    @property
    def command(self) -> str:
        """The command that makes the same bundle, in one spelling, so that equal bundles have equal bytes."""
        how = f"--recipe {self.recipe.name}"
        how += "" if self.file_format == "onnx" else f" --format {self.file_format}"
        if self.folder:
            return with_profile(f"recpress-edge export --student models/{self.folder.name} {how}", self)
        teacher = f" --teacher {self.teacher}" if self.teacher else ""
        return with_profile(
            f"recpress-edge export --student {self.student}{teacher} --data {self.data} "
            f"--seed {self.seed} {how}",
            self,
        )


def request_of(args: argparse.Namespace) -> Request:
    """Check everything that can be checked before anything is trained."""
    from recpress_edge.artifacts.formats import writer_of
    from recpress_edge.training.plan import is_folder
    from recpress_export.networks.recipes import check_network, check_route, choose_recipe
    from recpress_export.package import check_target
    from recpress_export.profiles import check_profile, profile_name
    from recpress_export.student import bundle_name

    if args.int8 and args.recipe:
        raise ConfigError("--int8 means --recipe int8-dim, for a network int8-dynamic; give one of the two")
    file_format = args.format or "onnx"
    student, seed, data, folder, network = (_in_folder if is_folder(args.student) else _named)(args)
    recipe = choose_recipe(network, args.recipe, file_format, int8=args.int8)
    profile = args.profile or "all-users"
    if network:
        profile = check_network(network, file_format, args.profile, args.user)
    else:
        check_profile(profile, args.user)
    if args.with_evaluation and profile == ALL_USERS:
        raise ConfigError(
            "--with-evaluation: an all-users bundle holds the test users' rows anyway. Leave it out."
        )
    # What it needs is missing: said now, not after the training.
    writer_of(file_format)
    if network:
        check_route(file_format)
    name = profile_name(bundle_name(student, seed, recipe, file_format), profile)
    target = args.out or args.work / "dist" / name
    if not args.dry_run:
        check_target(target, name, data, force=args.force)
    return Request(
        student,
        folder,
        args.teacher,
        seed,
        data,
        recipe,
        target,
        args.force,
        profile,
        args.user,
        file_format,
        network,
        args.with_evaluation or profile == ALL_USERS,
    )


_Asked = tuple[str, int, str, Path | None, "Kind | None"]
"""Name, seed, data set, folder where it was given by folder, and the network that it is."""


def _named(args: argparse.Namespace) -> _Asked:
    from recpress_edge.distill.students import parse_name
    from recpress_edge.training.plan import asked_teacher

    student = parse_name(args.student)
    asked_teacher(student, "student", args.teacher)
    return str(student), args.seed, args.data, None, student.entry.network


def _in_folder(args: argparse.Namespace) -> _Asked:
    """A trained model; flags that would say something else are refused."""
    from recpress_edge.training.store import OF_A_USER, load_model
    from recpress_export.networks.student import network_kind

    folder = Path(args.student)
    facts = load_model(folder, OF_A_USER).metadata
    data = facts["dataset"]["name"]
    for flag, given, usual, own in (
        ("--teacher", args.teacher, None, (facts["teacher"] or {}).get("name")),
        ("--seed", args.seed, 0, facts["seed"]),
        ("--data", args.data, "synthetic", data),
    ):
        if given not in (usual, own):
            raise ConfigError(
                f"{folder} was trained with {flag} {own}, so {flag} {given} cannot apply. Leave it out."
            )
    return facts["name"], facts["seed"], data, folder, network_kind(folder)


def export_student(request: Request, args: argparse.Namespace, found: set[Path] | None = None) -> "Exported":
    """Train what is missing, then write and check the bundle. GateError when parity is below the gate.

    ``found``: models that were said to be there already, and need not be said again.
    """
    from recpress_edge.data.resolve import load_dataset
    from recpress_edge.training.ensure import ensure_model
    from recpress_edge.training.plan import ModelRequest
    from recpress_export.parity import load_gate

    data = load_dataset(request.data, args.work, lambda text: say(args, text))
    check_user(request, data)
    folder = request.folder
    if folder is None:
        with training_events(args, found) as on_event:
            options = _options(request, args)
            folder = ensure_model(
                ModelRequest(name=request.student, role="student", seed=request.seed, options=options),
                data,
                args.work,
                on_event,
            ).folder
    write = (network_export if request.network else _table_export)(request, args, data, folder)
    with progress(args, "parity") as update:
        return write(
            request.recipe,
            request.target,
            gate=load_gate(request.recipe.name),
            force=request.force,
            update=update,
        )


def _table_export(
    request: Request, args: argparse.Namespace, data: "Dataset", folder: Path
) -> "Callable[..., Exported]":
    """What writes and checks the bundle of two tables, given all but its source."""
    from recpress_export.package import export_bundle

    source = source_of(request, data, folder)
    return functools.partial(export_bundle, source, fill=fill_of(request, args, data, folder, source))


def _options(request: Request, args: argparse.Namespace) -> "TrainOptions":
    from recpress_edge.training.plan import TrainOptions

    return TrainOptions(teacher=request.teacher, device=args.device, threads=args.threads)


def _say_plan(request: Request, args: argparse.Namespace) -> dict[str, Any]:
    from recpress_edge.data.resolve import load_dataset
    from recpress_edge.training.ensure import plan_steps
    from recpress_edge.training.plan import ModelRequest
    from recpress_export.profiles import stored_text

    data = load_dataset(request.data, args.work, lambda text: say(args, text))
    steps = []
    if request.folder is None:
        steps = plan_steps(
            ModelRequest(
                name=request.student, role="student", seed=request.seed, options=_options(request, args)
            ),
            data,
            args.work,
        )
    for step in steps:
        say(args, f"{step.action:<9}  {step.name}  seed {step.seed}  {step.folder or ''}".rstrip())
    summary = stored_text(request.recipe.summary, request.profile)
    say(args, f"{'write':<9}  {request.target}  {request.recipe.name}: {summary}")
    plan = [{"name": s.name, "seed": s.seed, "action": s.action} for s in steps]
    return {
        "dry_run": True,
        "models": plan,
        "bundle": str(request.target),
        "recipe": request.recipe.name,
        "format": request.file_format,
    }
