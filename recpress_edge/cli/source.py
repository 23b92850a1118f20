"""recpress-edge export: what the writing of a bundle starts from, besides the student itself."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recpress_edge.cli.profile import evaluation_rows, evaluation_rule
from recpress_edge.core.errors import ConfigError

if TYPE_CHECKING:
    from recpress_edge.artifacts.model_folder import Student
    from recpress_edge.cli.export import Request
    from recpress_edge.data.interactions import Dataset
    from recpress_export.student import StudentData


def source_of(request: "Request", data: "Dataset", folder: Path) -> "StudentData[Student]":
    """Of a student that is two tables."""
    from recpress_edge.artifacts.model_folder import read_student
    from recpress_export.student import StudentData

    student = read_student(folder)
    return StudentData(model=student, **source_facts(request, data, folder, student.facts))


def source_facts(
    request: "Request", data: "Dataset", folder: Path, facts: Mapping[str, Any]
) -> dict[str, Any]:
    """What an export starts from, besides the student; ``facts`` are the student's model.json."""
    from recpress_edge.core.metrics import RECALL_DEFINITION
    from recpress_edge.data.holdout import dataset_cutoff

    if facts["dataset"]["digest"] != data.digest():
        raise ConfigError(
            f"{folder} was trained on another split than the {data.name!r} here: its digest differs"
        )
    teacher = facts.get("teacher")
    return {
        "user_ids": data.user_ids,
        "item_ids": data.item_ids,
        "valid": evaluation_rows(request, data, "valid"),
        "test": evaluation_rows(request, data, "test"),
        "licence": data.licence,
        "definition": {
            "valid": f"{RECALL_DEFINITION}, {evaluation_rule(request, data, 'valid')}",
            "test": f"{RECALL_DEFINITION}, {evaluation_rule(request, data, 'test')}",
        },
        "teacher_bytes": _teacher_bytes(teacher, data.n_users + data.n_items) if teacher else None,
        "item_counts": data.train.item_counts(),
        "cutoff": dataset_cutoff(data),
        "command": request.command,
        "ships_rows": request.with_evaluation,
        "file_format": request.file_format,
    }


def _teacher_bytes(teacher: dict[str, Any], rows: int) -> int | None:
    """Size of a teacher's float32 tables; None for one that has none."""
    from recpress_edge.distill.students import parse_name

    # Records of before models could be anything but two tables say no width: it is in the name.
    width: int | None = teacher.get("table_width", parse_name(teacher["name"], "teacher").dim)
    float_bytes = 4
    return width * rows * float_bytes if width else None
