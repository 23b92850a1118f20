"""Names of models and where they live. Nothing is imported until it is asked for."""

import importlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

from recpress_edge.core.errors import ConfigError, unknown_name
from recpress_edge.distill.config import FTDConfig, HTDConfig, SoftConfig
from recpress_edge.models.config import BPRConfig

if TYPE_CHECKING:
    from recpress_edge.models.method import Job, Method

Role = Literal["teacher", "student"]

METHODS: Final[Mapping[str, str]] = {
    # name -> "module:attribute"; imported only when it is asked for
    "bpr": "recpress_edge.models.bpr:BPR",
    "ftd": "recpress_edge.distill.methods.topology:FTD",
    "htd": "recpress_edge.distill.methods.topology:HTD",
    "soft": "recpress_edge.distill.methods.soft:Soft",
}
CONFIGS: Final[Mapping[str, type[Any]]] = {
    "bpr": BPRConfig,
    "ftd": FTDConfig,
    "htd": HTDConfig,
    "soft": SoftConfig,
}
DEFAULT_TEACHERS: Final[Mapping[str, str]] = {"ftd": "bpr_dim200", "htd": "bpr_dim200", "soft": "soft_dim200"}
NEED_TEACHER: Final = frozenset({"ftd", "htd"})
ROLES: Final[Mapping[Role, tuple[str, ...]]] = {
    "teacher": ("bpr", "soft"),
    "student": ("bpr", "ftd", "htd", "soft"),
}
QUANTISED: Final = ("int8-dim", "int4-item")
"""Recipes that a student can be fine-tuned for; models/stored.py has their arithmetic."""
MAX_DIM: Final = 4096


@dataclass(frozen=True, slots=True)
class ModelName:
    """A method and an embedding size, written <method>_dim<N>; fine-tuned for a recipe, ..._qat-<recipe>."""

    method: str
    dim: int
    recipe: str | None = None
    """The recipe whose rounding it learned with, after it was trained without."""

    def __str__(self) -> str:
        return f"{self.method}_dim{self.dim}" + (f"_qat-{self.recipe}" if self.recipe else "")

    @property
    def plain(self) -> "ModelName":
        """The model that fine-tuning starts from."""
        return ModelName(self.method, self.dim)

    def fine_tuned(self, recipe: str) -> "ModelName":
        """The model that this one becomes when it is fine-tuned for a recipe."""
        if recipe not in QUANTISED:
            raise unknown_name("recipe to fine-tune for", recipe, QUANTISED)
        if self.recipe not in (None, recipe):
            raise ConfigError(
                f"{self} is fine-tuned for {self.recipe}, not for {recipe}. Ask for {self.plain}."
            )
        return ModelName(self.method, self.dim, recipe)


def parse_name(text: str, role: Role = "student") -> ModelName:
    """'htd_dim10' -> method htd, dim 10; anything else is a :class:`ConfigError` with a suggestion.

    A student, but no teacher, may end in _qat-<recipe>.
    """
    match = re.fullmatch(r"([a-z]+)_dim([1-9]\d{0,5})(?:_qat-(\S+))?", text)
    if match is None or match[1] not in ROLES[role] or (match[3] and role == "teacher"):
        size = re.search(r"[1-9]\d{0,3}$", text)
        raise unknown_name(role, text, [f"{method}_dim{size[0] if size else 10}" for method in ROLES[role]])
    if int(match[2]) > MAX_DIM:
        raise ConfigError(f"{role} {text!r}: the embedding size must be at most {MAX_DIM}")
    name = ModelName(match[1], int(match[2]))
    return name.fine_tuned(match[3]) if match[3] else name


def teacher_name(student: ModelName, asked: str | None) -> str | None:
    """The teacher to distil from: what was asked for, else the method's own; None for no teacher.

    'none' asks for a student without distillation.
    """
    if student.method not in DEFAULT_TEACHERS:
        if asked not in (None, "none"):
            others = ", ".join(f"{method}_dim{student.dim}" for method in DEFAULT_TEACHERS)
            raise ConfigError(
                f"{student} learns without a teacher, so --teacher {asked} would change nothing. "
                f"Leave it out, or distil one of {others}."
            )
        return None
    if asked == "none":
        if student.method in NEED_TEACHER:
            raise ConfigError(
                f"{student} cannot learn without a teacher. "
                f"The student without distillation is bpr_dim{student.dim}."
            )
        return None
    return asked or DEFAULT_TEACHERS[student.method]


def create_method(method: str, job: "Job", config: Any) -> "Method":
    """Build a method by name."""
    module, _, attribute = METHODS[method].partition(":")
    method_class = getattr(importlib.import_module(module), attribute)
    created: Method = method_class(job, config)
    return created
