"""Which students of a data set are trained: those that a sweep takes when it is given no names."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from recpress_edge.artifacts.model_folder import MODEL_FACTS
from recpress_edge.core.errors import ArtifactError, RecPressError
from recpress_edge.core.files import read_json
from recpress_edge.core.progress import Event, Note, OnEvent, TrainingEvent
from recpress_edge.data.interactions import Dataset
from recpress_edge.distill.methods import METHODS
from recpress_edge.distill.students import parse_name, refuse_clicks
from recpress_edge.jobs.plugins import missing_plugin
from recpress_edge.training.ensure import plan_steps
from recpress_edge.training.plan import ModelRequest, TrainOptions
from recpress_edge.training.store import is_click_model, is_complete

OTHER_SETTINGS: Final = "not the usual settings"


def refuse_others(facts: Mapping[str, Any]) -> None:
    """ConfigError for a model that is no student of bundles of tables and networks: it says what to do."""
    refuse_clicks(facts["name"], clicks=is_click_model(facts))
    row = METHODS.get(str(facts.get("method")))
    if row and row.network and "student" not in row.roles:
        parse_name(str(facts["name"]), "student")


def naming_others(model: ModelRequest, data: Dataset, work: Path, on_event: OnEvent) -> OnEvent:
    """The same listener, which is told of the models of this name and seed that are there before another is
    trained: a name alone stands for the usual settings.
    """

    def told(event: Event) -> None:
        if isinstance(event, TrainingEvent) and event.kind in ("train", "resume") and not event.teacher_of:
            for folder in _models_of(data, work, f"{model.name}-s{model.seed}-*")[0]:
                on_event(Note(f"other      {folder} has other settings. To export it: --student {folder}"))
        on_event(event)

    return told


def _models_of(data: Dataset, work: Path, pattern: str = "*") -> tuple[dict[Path, dict[str, Any]], list[str]]:
    """Facts of the completed models of a data set, by folder, and which folders cannot be read."""
    facts: dict[Path, dict[str, Any]] = {}
    damaged = []
    for folder in filter(is_complete, sorted((work / "models").glob(f"{pattern}/"))):
        try:
            facts[folder] = read_json(folder / MODEL_FACTS)
        except ArtifactError as error:
            damaged.append(f"{folder.name}: {error}")
    return {f: m for f, m in facts.items() if m.get("dataset", {}).get("digest") == data.digest()}, damaged


def trained_students(data: Dataset, work: Path) -> tuple[list[tuple[str, int]], list[str]]:
    """Completed students of a data set with the usual settings, by name and seed; and what else is there.

    A model without a teacher that another was distilled from counts as a teacher, not as a student.
    """
    ours, left_out = _models_of(data, work)
    teachers = {(m.get("teacher") or {}).get("sha256") for m in ours.values()}
    students = []
    for folder, known in ours.items():
        name, seed = str(known.get("name")), int(known.get("seed", 0))
        if is_click_model(known):
            left_out.append(f"{folder.name}: a click model, which is exported by itself")
            continue
        if missing := missing_plugin(known):
            left_out.append(f"{folder.name}: its method is brought by --plugin {missing}")
            continue
        if not known.get("teacher") and known.get("sha256") in teachers:
            left_out.append(f"{folder.name}: a teacher; name it with --students to export it")
        elif _usual_folder(name, seed, data, work) == folder:
            students.append((name, seed))
        else:
            left_out.append(f"{folder.name}: {OTHER_SETTINGS}; export --student {folder}")
    return sorted(students, key=lambda student: (_natural(student[0]), student[1])), left_out


def baselines_beside(names: Sequence[str], data: Dataset, work: Path) -> list[str]:
    """A baseline of each student's size that is not among them: what a report holds the students against.

    The SVD of the usual teacher where that is trained, of the interactions where it is not.
    """
    tables = [name for name in map(parse_name, names) if name.dim and not name.entry.network]
    found = (_baseline(dim, data, work) for dim in sorted({name.dim for name in tables}))
    return [name for name in found if name not in names]


def _baseline(dim: int, data: Dataset, work: Path) -> str:
    try:
        steps = plan_steps(
            ModelRequest(name=f"svd_dim{dim}", role="student", seed=0, options=TrainOptions()), data, work
        )
    except RecPressError:  # wider than its teacher
        return f"puresvd_dim{dim}"
    return f"svd_dim{dim}" if all(step.action == "cached" for step in steps[:-1]) else f"puresvd_dim{dim}"


def _natural(name: str) -> tuple[str, int]:
    """soft_dim20 before soft_dim100."""
    stem, _, dim = name.partition("_dim")
    return stem, int(dim) if dim.isdecimal() else 0


def _usual_folder(name: str, seed: int, data: Dataset, work: Path) -> Path | None:
    """Where the model of that name is with the usual settings; None where it would be trained."""
    try:
        step = plan_steps(
            ModelRequest(name=name, role="student", seed=seed, options=TrainOptions()), data, work
        )[-1]
    except RecPressError:
        return None
    return step.folder if step.action == "cached" else None
