"""What every method must keep, taught or alone: it learns a board whose right answer is obvious."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from recpress_edge.core.arrays import F32
from recpress_edge.data.interactions import Interactions
from recpress_edge.distill.methods import METHODS
from recpress_edge.distill.students import create_method
from recpress_edge.models.method import ClosedForm, Factorised, Method, NetworkMethod, TrainingInput
from recpress_edge.models.outputs import StoredNetwork, Tables, Trajectory
from recpress_edge.models.ranking import ScoreRows, product_rows, top_unobserved
from recpress_edge.models.sequences.sasrec import SASRecMethod
from recpress_edge.models.sequences.settings import SASRecConfig
from recpress_edge.models.teacher import Teacher
from recpress_edge.testing.tables import checkerboard
from recpress_edge.training.evaluate import StagedRows

SIZE: Final = 50
BOARD: Final = checkerboard(SIZE)
DIAGONAL: Final = list(range(SIZE))
"""The held-out item of each user."""
EPOCHS: Final = 40
EARLY: Final = 10
"""Epochs after which two models are compared that must be equal, or must not: what makes them so is there
from the first step."""
BPR: Final = {"learning_rate": 0.02, "batch_size": 128, "weight_decay": 0.01, "init_std": 0.1}
"""So much weight decay that the board is learned and not the pairs: a negative may be a held-out item."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MethodCase:
    """A method of the table of methods, with settings that are quick on a board of 50 × 50.

    Make it once, outside the fixture: its model is learned once for all tests.
    """

    method: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    dim: int = 4
    teacher: "MethodCase | None" = None
    """Learned first, where the method needs a teacher."""
    start: Tables | None = None
    """Tables to go on from."""
    recipe: str | None = None
    """Recipe whose rounding the losses see."""
    personal: bool = True
    """Whether different users get different answers."""

    def learned(self) -> Method | ClosedForm:
        """The model after ``EPOCHS``."""
        return in_epochs(self.begun())

    def until_found(self) -> Method | ClosedForm:
        """The model when every user's held-out item comes first, or after ``EPOCHS``."""
        return _until_found(in_epochs(self.begun(), range(EARLY)))

    def begun(self, teacher: Teacher | None = None) -> Method | ClosedForm:
        """The model before its first step, of its own teacher or of the one that is given."""
        torch.set_num_threads(1)
        given = teacher or (taught(self.teacher) if self.teacher else None)
        several = METHODS[self.method].needs == "trajectories"
        inputs = TrainingInput(
            BOARD.train,
            self.dim,
            0,
            EPOCHS,
            None if several else given,
            self.start,
            self.recipe,
            teachers=(given,) if several and given else (),
        )
        return create_method(self.method, inputs, METHODS[self.method].config(**self.settings))


BPR_TEACHER: Final = MethodCase(method="bpr", settings=BPR, dim=16)


def in_epochs(learner: Method | ClosedForm, epochs: range = range(EPOCHS)) -> Method | ClosedForm:
    """Fitted, or trained for these epochs."""
    if isinstance(learner, ClosedForm):
        learner.fit()
        return learner
    for epoch in epochs:
        for loss in learner.batch_losses(epoch):
            learner.optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            learner.optimizer.step()
    return learner


def _until_found(learner: Method | ClosedForm) -> Method | ClosedForm:
    """Trained on after ``EARLY`` epochs, as long as it is needed."""
    for epoch in range(EARLY, EPOCHS):
        if isinstance(learner, ClosedForm) or first_unseen(learner.scores(np.arange(SIZE))) == DIAGONAL:
            break
        in_epochs(learner, range(epoch, epoch + 1))
    return learner


@cache
def once(case: MethodCase) -> Method | ClosedForm:
    """The case's model, learned once for all tests; a student's no longer than it is needed."""
    return _once(case)[0]


@cache
def _once(case: MethodCase) -> tuple[Method | ClosedForm, F32]:
    """The model, and the scores (U, I) that it had after ``EARLY`` epochs."""
    model = case.begun()
    scores = early(model)
    if case.teacher:
        return _until_found(model), scores
    return (model if isinstance(model, ClosedForm) else in_epochs(model, range(EARLY, EPOCHS))), scores


def early(model: Method | ClosedForm) -> F32:
    """Scores (U, I) of a model that has been fitted, or trained for ``EARLY`` epochs."""
    return in_epochs(model, range(EARLY)).scores(np.arange(SIZE))


def taught(case: MethodCase) -> Teacher:
    """What a student is given of a model; at both of its stages it is what it has become."""
    model = once(case)
    trajectory = None if isinstance(model, ClosedForm) else stages(*[model.scores] * 2)
    if isinstance(model, Factorised):
        tables = Tables(*(table.numpy() for table in model.tables()))
        return Teacher(case.method, tables, trajectory=trajectory)
    features = None
    if isinstance(model, NetworkMethod) and METHODS[case.method].gives in ("embeddings", "scores"):
        parameters, named = model.parameters(), model.architecture()
        features = Tables(
            *(np.hstack([parameters[p].numpy() for p in named[f"{s}_rows"]]) for s in ("user", "item"))
        )
    rankings = top_unobserved(model.scores, BOARD.train)
    stored, gives = _stored(model) if isinstance(model, NetworkMethod) else None, METHODS[case.method].gives
    return Teacher(
        case.method,
        None,
        rankings,
        trajectory,
        features,
        sequence=stored if gives == "sequences" else None,
        catalogue=stored if gives == "scores" else None,
    )


def untrained(train: Interactions) -> StoredNetwork:
    """A transformer of these items that has learned nothing, and says something of every sequence."""
    return _stored(SASRecMethod(TrainingInput(train, 16, 0, EPOCHS), SASRecConfig(init_std=1.0)))


def _stored(model: NetworkMethod) -> StoredNetwork:
    """A network as its folder holds it."""
    parameters = {name: value.numpy() for name, value in model.parameters().items()}
    return StoredNetwork(model.architecture(), parameters)


def stages(*rows: ScoreRows) -> Trajectory:
    """A trajectory of two items a user with these stages."""
    items, observed = zip(*(StagedRows(stage, BOARD.train).stage() for stage in rows), strict=True)
    places = np.stack([part[:, :2] for part in items])
    return Trajectory(places, np.stack(observed), tuple(range(1, len(rows) + 1)))


def first_unseen(scores: NDArray[np.float32]) -> list[int]:
    """The best unseen item of every user; the diagonal, for whoever has learned the board."""
    seen = BOARD.train.union(BOARD.valid)
    scores[seen.users(), seen.indices] = -np.inf
    best: list[int] = scores.argmax(axis=1).tolist()
    return best


def noise() -> Teacher:
    """A teacher that knows nothing."""
    rng = np.random.default_rng(0)
    tables = Tables(*(rng.standard_normal((SIZE, 16), np.float32) for _ in range(2)))
    rows = product_rows(*map(torch.from_numpy, (tables.user_emb, tables.item_emb)))
    return Teacher("noise", tables, trajectory=stages(rows, rows), sequence=untrained(BOARD.train))


class MethodContract:
    """For a method that learns alone. Subclass it and define the fixture ``case``."""

    @pytest.fixture
    def case(self) -> MethodCase:
        raise NotImplementedError("define a fixture `case` that returns a MethodCase")

    def test_the_held_out_diagonal_is_found(self, case: MethodCase) -> None:
        if case.personal:
            assert first_unseen(once(case).scores(np.arange(SIZE))) == DIAGONAL

    def test_scores_are_rows_of_the_caller_s_own(self, case: MethodCase) -> None:
        model = once(case)
        whole = model.scores(np.arange(SIZE))
        assert whole.shape == (SIZE, SIZE)
        assert whole.dtype == np.float32
        assert np.isfinite(whole).all()
        some = model.scores(np.array([7, 3]))
        assert np.allclose(some, whole[[7, 3]], rtol=1e-5, atol=1e-5)
        some[:] = 0  # an evaluation masks in place
        assert np.array_equal(model.scores(np.arange(SIZE)), whole)

    def test_its_row_says_what_it_is(self, case: MethodCase) -> None:
        entry, model = METHODS[case.method], once(case)
        assert isinstance(model, NetworkMethod) == (entry.network is not None)
        assert isinstance(model, Factorised) == (entry.gives == "embeddings" and entry.network is None)
        assert isinstance(model, ClosedForm) == entry.closed_form

    def test_tables_are_what_a_product_promises(self, case: MethodCase) -> None:
        model = once(case)
        if isinstance(model, Factorised):
            user_emb, item_emb = (table.numpy() for table in model.tables())
            assert user_emb.shape == item_emb.shape
            for table in (user_emb, item_emb):
                assert len(table) == SIZE
                assert table.dtype == np.float32
                assert np.isfinite(table).all()

    def test_the_seed_decides_everything(self, case: MethodCase) -> None:
        assert early(case.begun()).tobytes() == _once(case)[1].tobytes()


class StudentContract(MethodContract):
    """For a method that learns from a teacher; its case names one."""

    def test_distillation_moves_the_student(self, case: MethodCase) -> None:
        """Away from the model of the same seed that another teacher makes."""
        assert not np.allclose(_once(case)[1], early(case.begun(noise())), atol=1e-3)
