"""Which click model can learn what from which: settings that need a teacher, and networks that give hints."""

import dataclasses

from recpress_edge.core.errors import ConfigError
from recpress_edge.distill.students import ModelName, parse_name
from recpress_edge.models.clicks.settings import TAUGHT, ClickConfig, DeepFMConfig


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
            f"{name} is a click model, whose bundle ranks candidates for a row of features: export it by "
            "itself, from Python with ClickExportRequest."
        )
