"""What is chosen, tested once; and whether a student is ahead of the best baseline of the same bytes."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from recpress_edge.core.arrays import F64
from recpress_edge.core.metrics import metric_title, shown_metrics
from recpress_edge.core.rng import stream
from recpress_edge.core.stats import Interval, paired_bootstrap
from recpress_edge.core.units import format_change, format_recall
from recpress_edge.data.interactions import Dataset
from recpress_edge.jobs.tune.trial import TuneTrial
from recpress_edge.models.outputs import Tables
from recpress_edge.training.record import stored_metrics
from recpress_edge.training.store import load_model

Stand = Literal["ahead", "level", "behind"]


@dataclass(frozen=True, slots=True)
class OnTest:
    """A finished trial with its test metrics; the arrays are those of the users, in their order."""

    trial: TuneTrial
    means: Mapping[str, float | None]
    by_user: Mapping[str, F64]


@dataclass(frozen=True, slots=True)
class Gain:
    """A metric of the student and of the baseline, and the mean difference over the users."""

    student: float
    baseline: float
    difference: Interval
    stand: Stand

    def words(self) -> str:
        """'.4512 against .4411 (+.0060 to +.0142), ahead'."""
        low, high = format_change(self.difference.low), format_change(self.difference.high)
        return (
            f"{format_recall(self.student)} against {format_recall(self.baseline)} ({low} to {high}), "
            f"{self.stand}"
        )


@dataclass(frozen=True, slots=True)
class TuneVerdict:
    """The best student against the best baseline, each chosen on validation, by all that is shown."""

    student: str
    baseline: str
    users: int
    gains: Mapping[str, Gain]
    trained: bool = True
    """Whether its best epoch is after its start; the start is the SVD of its teacher, a baseline itself."""

    @property
    def stand(self) -> Literal["ahead", "level", "behind", "mixed", "untrained"]:
        """Ahead: in one metric at least, and behind in none."""
        if not self.trained:
            return "untrained"
        found = {gain.stand for gain in self.gains.values()} - {"level"}
        if len(found) == 2:
            return "mixed"
        return next(iter(found), "level")

    def sentences(self) -> list[str]:
        """What a person should take away."""
        words = {
            "ahead": "is ahead of",
            "level": "cannot be told from",
            "behind": "is BEHIND",
            "mixed": "gives up one metric for another against",
            "untrained": "is the SVD of its teacher, to which training ADDED NOTHING; against",
        }
        head = f"{self.student} {words[self.stand]} the best baseline of the same bytes, {self.baseline}"
        each = [f"{metric_title(name)} {gain.words()}" for name, gain in self.gains.items()]
        return [f"{head}: {self.users:,} test users, 95 % paired bootstrap", *each]

    def facts(self) -> dict[str, Any]:
        """As JSON."""
        return {**asdict(self), "stand": self.stand}


def tested(trial: TuneTrial, data: Dataset, work: Path) -> OnTest:
    """Test metrics of a trial's tables as its recipe stores them."""
    model = load_model(work / "models" / str(trial.folder))
    found = stored_metrics(Tables(model.user_emb, model.item_emb), str(trial.recipe), data, "test")
    return OnTest(trial, found.means(), found.by_user)


def verdict_of(student: OnTest, baseline: OnTest, cutoff: int) -> TuneVerdict:
    """Paired bootstrap over the test users, for each metric that tells something."""
    gains, users = {}, 0
    for metric in shown_metrics(cutoff):
        if student.means[metric] is None:
            continue
        before, after = baseline.by_user[metric], student.by_user[metric]
        interval = paired_bootstrap(before, after, stream(0, f"tune {metric}"))
        stand: Stand = "ahead" if interval.low > 0 else "behind" if interval.high < 0 else "level"
        gains[metric] = Gain(float(after.mean()), float(before.mean()), interval, stand)
        users = after.size
    trained = student.trial.chosen_epoch != 0
    return TuneVerdict(student.trial.label, baseline.trial.label, users, gains, trained)
