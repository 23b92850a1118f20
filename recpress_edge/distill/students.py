"""Names of models: what they mean, which teacher fits, and the method itself. No torch before it is made."""

import dataclasses
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from recpress_edge.core.errors import ConfigError, unknown_name
from recpress_edge.core.registry import named
from recpress_edge.distill.memory import require_memory_of
from recpress_edge.distill.methods import (
    CLICK_ENSEMBLE,
    LARGE,
    LARGE_TEACHER_DIMS,
    METHODS,
    MethodRow,
    Role,
)
from recpress_edge.distill.plugin import load_installed
from recpress_edge.models.clicks.settings import TAUGHT, ClickConfig, DeepFMConfig
from recpress_edge.models.teacher import Knowledge

if TYPE_CHECKING:
    from recpress_edge.models.method import ClosedForm, Method, TrainingInput

ENSEMBLE: Final = "ensemble"
"""Written ensemble:<member>+<member>…; its members are teachers."""
QUANTISED: Final = ("int8-dim", "int4-item")
"""Recipes that a student can be fine-tuned for; models/qat.py has their arithmetic."""
MAX_DIM: Final = 4096
_SCORING: Final = {
    "sequences": "scores after every place of a sequence",
    "scores": "keeps scores of all items, seen ones too",
}

_NAME: Final = re.compile(r"([a-z]+(?:\d[a-z]+)?(?:[_-][a-z]+)*?)(?:_dim([1-9]\d{0,5}))?(?:_qat-(\S+))?")

_FOLDER: Final = re.compile(r".+-s\d+-[0-9a-f]{8}")
"""Of a trained model: <name>-s<seed>-<key>."""


class UnknownModelError(ConfigError):
    """A name that is no model's; ``method`` where only the method in it is unknown."""

    def __init__(self, message: str, method: str | None) -> None:
        super().__init__(message)
        self.method = method


@dataclass(frozen=True, slots=True)
class ModelName:
    """A method and an embedding size, written <method>_dim<N>; fine-tuned for a recipe, ..._qat-<recipe>."""

    method: str
    dim: int = 0
    """0 for a method that has no size to choose: its name is the method's alone."""
    recipe: str | None = None
    """The recipe whose rounding it learned with, after it was trained without."""
    members: tuple["ModelName", ...] = ()
    """Of an ensemble."""

    def __str__(self) -> str:
        if self.members:
            return f"{self.method}:{'+'.join(map(str, self.members))}"
        size = f"_dim{self.dim}" if self.dim else ""
        return f"{self.method}{size}" + (f"_qat-{self.recipe}" if self.recipe else "")

    @property
    def entry(self) -> MethodRow:
        """The row of its method; an ensemble of click models has one of its own."""
        return CLICK_ENSEMBLE if is_click_ensemble(self) else METHODS[self.method]

    @property
    def plain(self) -> "ModelName":
        """The model that fine-tuning starts from."""
        return ModelName(self.method, self.dim, None, self.members)

    def fine_tuned(self, recipe: str) -> "ModelName":
        """The model that this one becomes when it is fine-tuned for a recipe."""
        if recipe not in QUANTISED:
            raise unknown_name("recipe to fine-tune for", recipe, QUANTISED)
        if self.recipe not in (None, recipe):
            raise ConfigError(
                f"{self} is fine-tuned for {self.recipe}, not for {recipe}. Ask for {self.plain}."
            )
        if self.entry.closed_form or self.entry.network or self.entry.gives != "embeddings":
            raise ConfigError(f"{self} cannot be fine-tuned for {recipe}: only tables learned in epochs can.")
        return ModelName(self.method, self.dim, recipe)


def is_click_ensemble(name: ModelName) -> bool:
    """Whether a model is the mean of click models' logits."""
    return any(member.entry.gives == "clicks" for member in name.members)


def names_of(role: Role, dim: int = 10) -> list[str]:
    """A name of every method that can take a role, of this size where it has one."""
    return [
        f"{method}_dim{dim}" if entry.has_dim else method
        for method, entry in METHODS.items()
        if role in entry.roles and method != ENSEMBLE
    ]


def parse_name(text: str, role: Role = "student") -> ModelName:
    """'htd_dim10' -> method htd, dim 10; anything else is a :class:`ConfigError` with a suggestion.

    A student, but no teacher, may end in _qat-<recipe>; a teacher, but no student, may be an ensemble.
    """
    kind, colon, members = text.partition(":")
    if colon and kind == ENSEMBLE in METHODS:
        return _ensemble(text, members.split("+"), role)
    if "/" in text or _FOLDER.fullmatch(text):
        raise ConfigError(
            f"{text!r} reads like a model's folder, and here a name is needed, such as "
            f"{names_of(role)[0]}. By its path, below models/, a folder goes with distill --teacher, "
            "export --student and train --member."
        )
    match = _NAME.fullmatch(text)
    if match:
        load_installed(match[1])
    entry = METHODS.get(match[1]) if match else None
    fits = match and entry and bool(match[2]) == entry.has_dim and not (match[3] and role == "teacher")
    if not match or not entry or not fits or match[1] == ENSEMBLE or role not in entry.roles:
        if fits and entry and role == "student":
            raise _no_student(text)
        size = re.search(r"[1-9]\d{0,3}$", text)
        known = unknown_name(role, text, names_of(role, int(size[0]) if size else 10))
        raise UnknownModelError(str(known), match[1] if match and not entry else None)
    name = ModelName(match[1], int(match[2] or 0))
    if name.dim > MAX_DIM:
        raise ConfigError(f"{role} {text!r}: the embedding size must be at most {MAX_DIM}")
    return name.fine_tuned(match[3]) if match[3] else name


def _ensemble(text: str, members: list[str], role: Role) -> ModelName:
    if role == "student":
        raise _no_student(text)
    names = tuple(parse_name(member, "teacher") for member in members)
    of_clicks = [name for name in names if name.entry.gives == "clicks"]
    if of_clicks and len(of_clicks) < len(names):
        raise ConfigError(
            f"{text!r}: {of_clicks[0]} ranks rows with features and no catalogue, so its ranks cannot be "
            "fused with those of the others. An ensemble has click models alone, or none."
        )
    if len(set(names)) < 2 or len(set(names)) < len(names):
        raise ConfigError(
            f"{text!r}: an ensemble has two members or more, each once, "
            "for example ensemble:bpr_dim200+soft_dim200"
        )
    return ModelName(ENSEMBLE, members=names)


def _no_student(text: str) -> ConfigError:
    return ConfigError(
        f"{text} can only be a teacher: it has no user and item tables, so it cannot be exported. "
        f"Distil one from it: recpress-edge distill --student soft_dim32 --teacher {text}"
    )


def teacher_name(student: ModelName, asked: str | None, size: int = 0) -> str | None:
    """The teacher to distil from: the one asked for, else the method's usual one; None for no teacher.

    'none' asks for a student without distillation. A folder is checked when it is read. ``size``: users or
    items of the data, whichever are fewer.
    """
    entry = student.entry
    if entry.needs is None:
        if asked not in (None, "none"):
            others = ", ".join(
                f"{m}_dim{student.dim or 10}" for m, e in METHODS.items() if e.needs not in (None, "clicks")
            )
            raise ConfigError(
                f"{student} learns without a teacher, so --teacher {asked} would change nothing. "
                f"Leave it out, or distil one of {others}."
            )
        return None
    if asked == "none":
        if not entry.alone:
            raise ConfigError(
                f"{student} cannot learn without a teacher. "
                f"The student without distillation is bpr_dim{student.dim}."
            )
        return None
    if asked is None and entry.usual_teacher_of_large and size > LARGE:
        width = min(dim for above, dim in LARGE_TEACHER_DIMS.items() if size > above)
        return f"{entry.usual_teacher_of_large}_dim{max(student.dim, width)}"
    return asked or entry.usual_teacher


def check_pair(student: ModelName, teacher: ModelName) -> None:
    """A teacher that lacks what the student learns from is a :class:`ConfigError` naming those that fit."""
    if student.entry.needs == teacher.entry.gives == "clicks":
        return
    if teacher.entry.gives == "clicks":
        raise ConfigError(
            f"{teacher} is a click model: it tells how likely a row with features is taken, and keeps no "
            f"ranking of a catalogue that {student} could learn from."
        )
    if student.entry.needs == "clicks":
        names = names_of("teacher", 16)
        known = ", ".join(name for name in names if parse_name(name, "teacher").entry.gives == "clicks")
        raise ConfigError(
            f"{student} is a click model and learns how likely rows are taken, and {teacher} ranks a "
            f"catalogue. Teachers that fit: {known}, or several: ensemble:deepfm_dim8+wide_deep_dim16."
        )
    if student.entry.needs == "trajectories":
        _check_trajectories(student, teacher)
    if student.method == "svd" and not teacher.entry.network and 0 < teacher.dim < student.dim:
        raise ConfigError(
            f"{student} keeps {student.dim} dimensions of its teacher, and {teacher} has {teacher.dim} "
            f"dimensions. Take svd_dim{teacher.dim} or a wider teacher."
        )
    if _gives(teacher.entry, student.entry.needs):
        return
    fit = [
        name
        for name in names_of("teacher", 200)
        if _gives(parse_name(name, "teacher").entry, student.entry.needs)
    ]
    if student.entry.needs in _SCORING:
        raise ConfigError(
            f"{student} learns from a teacher that {_SCORING[student.entry.needs]}, and {teacher} does not. "
            f"Teachers that fit: {', '.join(fit)}; --teacher none trains it alone."
        )
    no_rows = teacher.entry.gives not in ("embeddings", "scores")
    has = "only rankings" if no_rows else "embeddings whose product is no score"
    raise ConfigError(
        f"{student} learns from a teacher's embeddings, and {teacher} has {has}. "
        f"Teachers that fit: {', '.join(fit)}; from rankings learn: "
        f"{', '.join(f'{m}_dim{student.dim}' for m, e in METHODS.items() if e.needs == 'rankings')}."
    )


def check_taught(student: ModelName, config: object, taught_by: str | None) -> None:
    """A setting that cannot apply to a click model and its teacher is a :class:`ConfigError` by name."""
    if not isinstance(config, ClickConfig):
        return
    if taught_by is None:
        usual = {field.name: field.default for field in dataclasses.fields(config)}
        for name in TAUGHT:
            if getattr(config, name) != usual[name]:
                raise ConfigError(
                    f"method.{name} is of a student with a teacher, and {student} has none. Leave it out, or "
                    f"distil: recpress-edge distill --student {student}"
                )
        return
    teacher = parse_name(taught_by, "teacher")
    if config.gated and not teacher.members:
        raise ConfigError(
            f"method.gated weighs the members of an ensemble, and {teacher} is one model. Leave it out, or "
            f"take several teachers: --teacher ensemble:{teacher}+lr"
        )
    if config.hint_weight:
        for model in (student, *(teacher.members or (teacher,))):
            if not issubclass(model.entry.config, DeepFMConfig):
                raise ConfigError(
                    f"method.hint_weight needs hidden layers on both sides, and {model}, which "
                    f"{'takes' if model is student else 'gives'} the "
                    "hints, has none. Leave it out, or take wide_deep or deepfm there."
                )


def refuse_clicks(name: str, *, clicks: bool) -> None:
    """ConfigError for a click model, which has bundles and requests of its own."""
    if clicks:
        raise ConfigError(
            f"{name} is a click model, whose bundle ranks candidates for a row of features. Export it by "
            f"itself: recpress-edge export --student {name} --data NAME, or from Python ClickExportRequest."
        )


def _gives(teacher: MethodRow, needs: Knowledge | None) -> bool:
    """Whether a method gives, as a teacher, what a student takes; trajectories are checked apart."""
    if teacher.gives == "clicks":
        return False
    if needs == "product" and teacher.network:
        return False
    if needs == "sequences":
        return teacher.gives == "sequences"
    if needs == "scores":
        return teacher.gives == "scores" or (teacher.gives == "embeddings" and not teacher.network)
    return needs not in ("embeddings", "product") or teacher.gives in ("embeddings", "scores")


def _check_trajectories(student: ModelName, teacher: ModelName) -> None:
    for member in teacher.members or (teacher,):
        if member.entry.closed_form:
            fit = [f"{m}_dim64" for m, e in METHODS.items() if "teacher" in e.roles and _has_stages(e)]
            raise ConfigError(
                f"{student} learns from teachers' trajectories, and {member}, computed at once, has none. "
                f"Teachers that fit: {', '.join(fit)}."
            )


def _has_stages(row: MethodRow) -> bool:
    """Whether a method ranks a catalogue while it learns."""
    return not row.closed_form and row.gives != "clicks"


def create_method(method: str, given: "TrainingInput", config: Any) -> "Method | ClosedForm":
    """Build a method by name, once it has reported its memory; a closed form reports it when fitted."""
    row = METHODS[method]
    if not row.closed_form:
        require_memory_of(method, given, config)
    terms = {name: named(where) for name, where in row.terms.items()}
    created: Method | ClosedForm = named(row.where)(given, config, *([terms] if terms else []))
    return created
