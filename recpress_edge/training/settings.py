"""Settings of the training loop, apart from any method's. No torch here."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Literal

from recpress_edge.core.config import Bounded, NotNegativeInt, PositiveInt
from recpress_edge.core.errors import ConfigError, unknown_name
from recpress_edge.core.metrics import BALANCED, CHOICES, CLICK_CHOICES
from recpress_edge.distill.methods import METHODS


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingConfig(Bounded):
    """How long to train, how often to look at the validation split, and which epoch to keep."""

    section: ClassVar[str] = "training"

    epochs: PositiveInt
    """Length of the schedule. Methods that anneal something spread it over these epochs."""
    evaluate_every: PositiveInt = 5
    """Epochs between evaluations on the validation split; the last epoch is always evaluated."""
    keep: Literal["best", "last"] = "best"
    """'best' on the validation split, or 'last' for a fixed number of epochs (the reference protocol)."""
    valid_users: NotNegativeInt = 10_000
    """Users who are asked when an epoch is judged: a seeded sample, the same for every model, where there are
    more; 0 asks all. What is kept is measured on all users."""
    patience: NotNegativeInt = 4
    """Stop after this many evaluations in a row without a new best; 0, and to keep the last, trains all."""
    choose_by: str = BALANCED
    """What 'best' is on the validation split: the geometric mean of the recall that judges and NDCG@10, or
    one of recall, ndcg, recall@10 …, ndcg@50; of a click model auc or logloss."""

    def __post_init__(self) -> None:
        Bounded.__post_init__(self)
        if self.choose_by not in (*CHOICES, *CLICK_CHOICES):
            raise unknown_name("training.choose_by", self.choose_by, (*CHOICES, *CLICK_CHOICES))


@dataclass(frozen=True, slots=True)
class Settings:
    """What a model is trained with unless a file or flag says otherwise, beyond the classes' own defaults."""

    method: Mapping[str, Any]
    training: Mapping[str, Any]


# Students that learn a teacher's rankings or embeddings beside BPR: still gaining where FTD and HTD are done.
_BESIDE_BPR: Final = ("de", "rrd", "de_rrd", "irrrd", "rd", "cd", "dcd", "unkd")
_AT_ONCE: Final = Settings({}, {"epochs": 1, "keep": "last"})
"""A closed form has no epochs, and nothing to choose among them."""
_PLAIN: Final = Settings({}, {"epochs": 100})
"""Of a method that is not in the table."""
_PLAIN_QUANTISED: Final = Settings({}, {"epochs": 10, "evaluate_every": 1})
"""Fine-tuned for a recipe's rounding: from a trained model, so short."""
_CLICKS: Final = {"epochs": 100, "evaluate_every": 1, "patience": 2, "choose_by": "logloss", "valid_users": 0}
"""Of click models: the step falls with each epoch that brings no gain, and the second in a row ends it."""

_WARM: Final = Settings({}, {"epochs": 20, "evaluate_every": 2, "patience": 2})
"""From the tables of an earlier model: what the log gained is learned soon, or not at all."""

_USUAL: Final[Mapping[str, Settings]] = {
    # method, or "method role" where the two roles differ
    "bpr": Settings({}, {"epochs": 100}),
    "ftd": Settings({}, {"epochs": 100}),
    "htd": Settings({}, {"epochs": 100}),
    **{method: Settings({}, {"epochs": 200}) for method in _BESIDE_BPR},
    "soft": Settings({}, {"epochs": 40, "evaluate_every": 4}),
    "hetcomp": Settings({}, {"epochs": 300, "evaluate_every": 10, "patience": 5}),
    **{
        method: Settings({}, {"epochs": 60, "evaluate_every": 10})
        for method in ("neumf", "rrd-neumf", "ftd-neumf", "htd-neumf", "de-neumf")
    },
    "sasrec": Settings({}, {"epochs": 24, "evaluate_every": 2, "patience": 3}),
    # A masked place teaches what a fifth of a sequence does, so an epoch is short and many are needed.
    "bert4rec": Settings({}, {"epochs": 200, "evaluate_every": 5, "patience": 4}),
    # The step falls to 0 over the epochs, so that the last ones are worth their time.
    "lrh": Settings({}, {"epochs": 20, "evaluate_every": 4, "patience": 0}),
    "adarec": Settings({}, {"epochs": 10, "evaluate_every": 2, "patience": 0}),
    # It begins as its first stage, and learns within a few epochs what the last items add.
    "rerank": Settings(
        {},
        {"epochs": 40, "evaluate_every": 1, "patience": 4, "choose_by": "ndcg@10", "valid_users": 0},
    ),
    "cml": Settings({}, {"epochs": 100, "patience": 4}),
    "multvae": Settings({}, {"epochs": 100, "patience": 4}),
    "iae": Settings({}, {"epochs": 100, "patience": 4}),
    "ecae": Settings({}, {"epochs": 100, "patience": 4}),
    # A narrow layer takes three times as long as a wide one to be done.
    "ae": Settings({}, {"epochs": 300, "evaluate_every": 10, "patience": 5}),
    **{method: Settings({}, _CLICKS) for method in ("lr", "fm", "wide_deep", "deepfm")},
    "pop": _AT_ONCE,
    "itemknn": _AT_ONCE,
    "ease": _AT_ONCE,
    "ensemble": _AT_ONCE,
    "ensemble clicks": Settings({}, {**_AT_ONCE.training, "choose_by": "auc"}),
    "lightgcn": Settings({}, {"epochs": 200, "patience": 5}),
    **{f"{method} quantised": _PLAIN_QUANTISED for method in ("bpr", "ftd", "htd", "hetcomp", *_BESIDE_BPR)},
    "soft quantised": Settings(
        {"learning_rate": 0.01, "teacher_weight": 0.5}, {"epochs": 10, "evaluate_every": 1}
    ),
    # The step falls to 0 over the epochs here, too; most of what a wide one began as is noise.
    "soft warm teacher": Settings({}, {"epochs": 14, "evaluate_every": 2, "patience": 0}),
    "soft warm": Settings({}, {"epochs": 16, "evaluate_every": 2, "patience": 0}),
    "als warm": _AT_ONCE,
    # Wide and without a teacher it overfits early: drawn, by the cosine, in softer scores.
    "soft teacher": Settings(
        {"start": "noise", "score": "cosine", "learning_rate": 0.1, "temperature": 0.15}, {"epochs": 30}
    ),
}


def check_choice(model: str, training: TrainingConfig, *, clicks: bool) -> None:
    """ConfigError where epochs are chosen by a metric that the model does not have."""
    fit = CLICK_CHOICES if clicks else CHOICES
    if training.choose_by not in fit:
        raise ConfigError(
            f"training.choose_by {training.choose_by} is no metric of {model}: take one of {', '.join(fit)}"
        )


def settings(method: str, role: str, *, closed_form: bool = False) -> Settings:
    """The usual settings of a method in a role, or in 'warm ROLE' where it goes on.

    A method that is not in the table has those of most.
    """
    if role.startswith("warm"):
        return _USUAL.get(f"{method} {role}") or _USUAL.get(f"{method} warm", _WARM)
    known = _USUAL.get(f"{method} {role}") or _USUAL.get(method)
    if known:
        return known
    own = METHODS.get(method)
    if own and own.training and role != "quantised":
        return Settings({}, own.training)
    if closed_form:
        return _AT_ONCE
    return _PLAIN_QUANTISED if role == "quantised" else _PLAIN
