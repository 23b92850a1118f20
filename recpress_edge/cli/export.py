"""recpress-edge export: make what is missing, then write, check and publish a bundle."""

import argparse
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recpress_edge.cli.common import (
    common_options,
    emit,
    next_steps,
    progress,
    say,
    training_options,
)
from recpress_edge.cli.train import training_events
from recpress_edge.core.errors import ConfigError, unknown_name
from recpress_edge.core.units import format_bytes

if TYPE_CHECKING:
    from recpress_edge.data.interactions import Dataset
    from recpress_edge.training.cache import TrainOptions
    from recpress_export.package import Exported
    from recpress_export.parity import Parity
    from recpress_export.quantize import Recipe
    from recpress_export.source import Source

FORMATS = ("onnx",)


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "export",
        parents=[common_options(), training_options()],
        help="student -> checked bundle that a device can run",
        description="Trains the teacher and the student if they are missing, writes the bundle, compares "
        "its rankings with fp32 on all validation users, and runs its self-test. A bundle below the gate "
        "(export.toml) is not published: exit code 3.",
    )
    parser.add_argument(
        "--student",
        required=True,
        metavar="NAME",
        help="for example htd_dim10; or the folder of a trained model, whatever its settings were",
    )
    parser.add_argument("--teacher", metavar="NAME", help="default: the one the student's method asks for")
    parser.add_argument(
        "--seed", type=int, default=0, metavar="N", help="of the student's training (default: 0)"
    )
    parser.add_argument("--int8", action="store_true", help="the default int8 recipe, int8-dim")
    parser.add_argument("--recipe", metavar="NAME", help="fp32 (default) or int8-dim")
    parser.add_argument("--format", default="onnx", metavar="NAME", help="file format (default: onnx)")
    parser.add_argument("--out", type=Path, metavar="DIR", help="default: WORK/dist/STUDENT-RECIPE")
    parser.add_argument(
        "--force", action="store_true", help="replace what is at the target; the gate still holds"
    )
    parser.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    """Exit code 0 when the bundle is there, whether written now or before."""
    request = _request(args)
    if args.dry_run:
        return _say_plan(request, args)
    exported = export_student(request, args)
    _report(request, args, exported)
    emit(args, _facts(request, exported) | {"next": _next(request, args)})
    return 0


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

    @property
    def name(self) -> str:
        """Name of the bundle, whatever its folder is called."""
        from recpress_export.source import bundle_name

        return bundle_name(self.student, self.seed, self.recipe)

    @property
    def command(self) -> str:
        """The command that makes the same bundle, in one spelling, so that equal bundles have equal bytes."""
        if self.folder:
            return f"recpress-edge export --student models/{self.folder.name} --recipe {self.recipe.name}"
        teacher = f" --teacher {self.teacher}" if self.teacher else ""
        return (
            f"recpress-edge export --student {self.student}{teacher} --data {self.data} "
            f"--seed {self.seed} --recipe {self.recipe.name}"
        )


def _request(args: argparse.Namespace) -> Request:
    """Check everything that can be checked before anything is trained."""
    from recpress_edge.training.cache import is_folder
    from recpress_export.package import check_target
    from recpress_export.quantize import recipe_named
    from recpress_export.source import bundle_name

    if args.format not in FORMATS:
        raise unknown_name("format", args.format, FORMATS)
    if args.int8 and args.recipe:
        raise ConfigError("--int8 means --recipe int8-dim; give one of the two")
    if args.seed < 0:
        raise ConfigError(f"--seed must not be negative, got {args.seed}")
    recipe = recipe_named("int8-dim" if args.int8 else args.recipe or "fp32")
    student, seed, data, folder = _named(args) if not is_folder(args.student) else _in_folder(args)
    name = bundle_name(student, seed, recipe)
    target = args.out or args.work / "dist" / name
    if not args.dry_run:
        check_target(target, name, data, force=args.force)
    return Request(student, folder, args.teacher, seed, data, recipe, target, args.force)


def _named(args: argparse.Namespace) -> tuple[str, int, str, None]:
    from recpress_edge.distill.students import parse_name, teacher_name

    student = parse_name(args.student)
    teacher_name(student, args.teacher)
    return str(student), args.seed, args.data, None


def _in_folder(args: argparse.Namespace) -> tuple[str, int, str, Path]:
    """Name, seed and data set of a trained model; flags that would say something else are refused."""
    from recpress_edge.training.store import load_model

    folder = Path(args.student)
    facts = load_model(folder).metadata
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
    return facts["name"], facts["seed"], data, folder


def export_student(request: Request, args: argparse.Namespace) -> "Exported":
    """Train what is missing, then write and check the bundle. GateError when parity is below the gate."""
    from recpress_edge.data.resolve import load_dataset
    from recpress_edge.training.cache import ensure_model
    from recpress_export.package import export_bundle
    from recpress_export.parity import load_gate

    data = load_dataset(request.data, args.work, lambda text: say(args, text))
    folder = request.folder
    if folder is None:
        with training_events(args) as on_event:
            options = _options(request, args)
            folder = ensure_model(
                request.student, "student", data, request.seed, args.work, options, on_event
            ).folder
    source = _source(request, data, folder)
    with progress(args, "parity") as update:
        return export_bundle(
            source,
            request.recipe,
            request.target,
            gate=load_gate(request.recipe.name),
            force=request.force,
            update=update,
        )


def _options(request: Request, args: argparse.Namespace) -> "TrainOptions":
    from recpress_edge.training.cache import TrainOptions

    return TrainOptions(teacher=request.teacher, device=args.device, threads=args.threads)


def _source(request: Request, data: "Dataset", folder: Path) -> "Source":
    from recpress_edge.core.metrics import RECALL_DEFINITION
    from recpress_edge.data.holdout import holdout, masking_rule
    from recpress_edge.distill.students import parse_name
    from recpress_export.arrays import read_student
    from recpress_export.source import Source

    student = read_student(folder)
    if student.facts["dataset"]["digest"] != data.digest():
        raise ConfigError(
            f"{folder} was trained on another split than the {data.name!r} here: its digest differs"
        )
    teacher = student.facts.get("teacher")
    float_bytes = 4
    rows = student.n_users + student.n_items
    return Source(
        student=student,
        user_ids=data.user_ids,
        item_ids=data.item_ids,
        valid=holdout(data, "valid"),
        test=holdout(data, "test"),
        licence=data.licence,
        definition={
            "valid": f"{RECALL_DEFINITION}, {masking_rule(data, 'valid')}",
            "test": f"{RECALL_DEFINITION}, {masking_rule(data, 'test')}",
        },
        teacher_bytes=parse_name(teacher["name"], "teacher").dim * rows * float_bytes if teacher else None,
        command=request.command,
    )


def _say_plan(request: Request, args: argparse.Namespace) -> int:
    from recpress_edge.data.resolve import load_dataset
    from recpress_edge.training.cache import plan_steps

    data = load_dataset(request.data, args.work, lambda text: say(args, text))
    steps = []
    if request.folder is None:
        steps = plan_steps(request.student, "student", data, request.seed, args.work, _options(request, args))
    for step in steps:
        say(args, f"{step.action:<9}  {step.name}  seed {step.seed}  {step.folder or ''}".rstrip())
    say(args, f"{'write':<9}  {request.target}  {request.recipe.name}: {request.recipe.summary}")
    plan = [{"name": s.name, "seed": s.seed, "action": s.action} for s in steps]
    emit(
        args, {"dry_run": True, "models": plan, "bundle": str(request.target), "recipe": request.recipe.name}
    )
    return 0


def _report(request: Request, args: argparse.Namespace, exported: "Exported") -> None:
    bundle, parity, recipe = exported.bundle, exported.parity, request.recipe
    contract, size = bundle.contract, bundle.model_bytes
    smaller = "" if recipe.name == "fp32" else f"   (fp32 {format_bytes(exported.fp32_bytes)}, "
    smaller += f"{exported.fp32_bytes / size:.2f}× smaller)" if smaller else ""
    say(
        args,
        f"student    {request.student}  seed {request.seed}  ·  "
        f"{contract.n_users:,} users × {contract.n_items:,} items × {contract.dim}",
    )
    calibration = "   (no calibration needed)" if recipe.low else ""
    say(args, f"recipe     {recipe.name}: {recipe.summary}{calibration}")
    verb = "unchanged" if exported.unchanged else "wrote"
    say(args, f"{verb:<9}  {bundle.model_path}   {format_bytes(size)}{smaller}")
    if recipe.low:
        say(args, f"int8       {recipe.low}")
    say(args, f"fp32       {recipe.high}")
    say(args, f"parity     {parity.users:,} validation users, against {parity.reference}")
    for name, overlap in parity.overlap.items():
        say(args, f"             {name:<12} {overlap.mean:.4f}   (lowest user {overlap.lowest:.2f})")
    for name, change in parity.change.items():
        delta = change.delta
        say(
            args,
            f"             {name:<12} {change.before:.4f} → {change.after:.4f}   "
            f"Δ {delta.mean:+.4f}  [{delta.low:+.4f}, {delta.high:+.4f}]",
        )
    say(args, f"             {_first_difference(parity)}")
    if parity.exact_users is not None:
        say(
            args,
            f"             ids and scores equal the integer reference for all {parity.exact_users:,} users",
        )
    checked = f"self-test: {len(bundle.selftest().users)} users, passed"
    say(args, f"bundle     {bundle.folder}/   sha256 {bundle.digest[:16]}…   {checked}")
    next_steps(args, _next(request, args))


def _first_difference(parity: "Parity") -> str:
    if parity.first_difference is None:
        return "every list of 50 is the same, in the same order"
    return (
        f"{parity.identical_users:,} users get the same list of 50 in the same order; "
        f"the others first differ at rank {parity.first_difference:.0f} (median)"
    )


def _next(request: Request, args: argparse.Namespace) -> list[str]:
    return [
        f"device_bench run {request.target}",
        f"recpress-edge report {args.work / 'runs'} -o {args.work / 'report.html'}",
    ]


def _facts(request: Request, exported: "Exported") -> dict[str, Any]:
    bundle = exported.bundle
    return {
        "bundle": str(bundle.folder),
        "name": bundle.name,
        "sha256": bundle.digest,
        "unchanged": exported.unchanged,
        "student": request.student,
        "seed": request.seed,
        "dataset": request.data,
        "recipe": request.recipe.name,
        "file_bytes": bundle.model_bytes,
        "fp32_file_bytes": exported.fp32_bytes,
        "item_row_bytes": request.recipe.item_row_bytes(bundle.contract.dim),
        "user_row_bytes": request.recipe.user_row_bytes(bundle.contract.dim),
        "quantisation_error": asdict(exported.errors) if exported.errors else None,
        "parity": exported.parity.facts(),
        "chain": bundle.quality["chain"],
        "selftest_users": len(bundle.selftest().users),
    }
