"""No ruined file is published: each recipe, format and profile, at 10, 40, 100 and 2,500 items.

The gates are those that are shipped. A ruin is put where a mistake could put it: into the tables before they
are laid out, into the graph that is written, into what the file answers, into the files beside it.
"""

import dataclasses

import numpy as np
import pytest
from exports import FILES, evaluation, has_profile, source_of, write_student

from recpress_edge.artifacts.fold_in import FoldIn, read_fold_in, write_fold_in
from recpress_edge.artifacts.model_folder import read_student
from recpress_edge.artifacts.recipes import RECIPES
from recpress_edge.core.errors import ArtifactError, GateError, RecPressError
from recpress_edge.core.metrics import judging_cutoff
from recpress_edge.core.rng import stream
from recpress_export import build as building
from recpress_export import publish, size
from recpress_export.build import build
from recpress_export.compare import Yardstick, compare
from recpress_export.gates import gate_failure, load_gate, load_history_gate
from recpress_export.graph import FoldHistory, LookUp, ScaleItems, ScaleScores, ScoreAll, ScorePacked
from recpress_export.ranking import LIST_LENGTH, TopLists
from recpress_export.subjects import all_users
from recpress_export.subjects.all_users import AllUsers
from recpress_export.subjects.history import History
from recpress_export.subjects.single_user import SingleUser

N_USERS, DIM = 30, 6
PROFILES = ("all-users", "single-user", "history")
TABLES = {LookUp: "table", ScoreAll: "table", ScorePacked: "table", ScaleItems: "scale", ScaleScores: "scale"}


def make_source(folder, n_items):
    """Users whose vectors are sums over what they consumed; every other one wants what comes first."""
    rng = stream(n_items, "ruined")
    learned = FoldIn(
        rng.standard_normal((n_items, DIM), np.float32), 0.5 * rng.standard_normal(DIM, np.float32)
    )
    seen = [sorted(rng.permutation(n_items)[:3].tolist()) for _ in range(N_USERS)]
    user_emb = np.stack([learned.prior + learned.history_emb[items].sum(axis=0) for items in seen])
    item_emb = rng.standard_normal((n_items, DIM), np.float32)
    scores = user_emb @ item_emb.T
    for user, items in enumerate(seen):
        scores[user, items] = -np.inf
    wanted = [[int(scores[user].argmax() if user % 2 else scores[user].argmin())] for user in range(N_USERS)]
    for user, items in enumerate(seen):
        if wanted[user][0] in items:
            wanted[user] = [int(scores[user].argmax())]
    rows = evaluation(list(range(N_USERS)), seen, wanted)
    student = read_student(write_student(folder, user_emb.astype(np.float32), item_emb))
    write_fold_in(folder, learned, {"model_sha256": student.sha256, "key": "test"})
    cutoff = judging_cutoff(np.array([n_items - 3]))
    return dataclasses.replace(source_of(student), valid=rows, test=rows, cutoff=cutoff)


def subject_of(folder, source, profile):
    if profile == "single-user":
        return SingleUser(source, "user 3")
    if profile == "history":
        return History(source, read_fold_in(folder, source.model), load_history_gate())
    return AllUsers(source)


def drawn(table, rng):
    """Another table of the same kind."""
    if table.dtype == np.float16 or table.dtype == np.float32:
        return rng.standard_normal(table.shape).astype(table.dtype)
    limits = (0, 256) if table.dtype == np.uint8 else (-127, 128)
    return rng.integers(*limits, table.shape).astype(table.dtype)


def one_wrong(table, rng):
    """One number at the other end of its range."""
    wrong = table.copy()
    at = tuple(int(rng.integers(length)) for length in table.shape)
    if table.dtype == np.uint8:  # two values in a byte
        wrong[at] ^= 8
    elif table.dtype == np.int8:
        wrong[at] = -100 if table[at] >= 0 else 100
    else:
        wrong[at] = -10 * table[at] - 1
    return wrong


def in_graph(*kinds, change):
    """A ruin of the graph that is written: the numbers of one of the steps that there are."""

    def ruin(monkeypatch, rng, target):
        right = size.write_model

        def wrong(graph, metadata):
            contract = graph.contract
            if (contract.recipe, contract.profile) != target:
                return right(graph, metadata)
            steps = list(graph.steps)
            for at, step in enumerate(steps):
                if isinstance(step, FoldHistory) and FoldHistory in kinds:
                    steps[at] = dataclasses.replace(step, history_emb=change(step.history_emb, rng))
                elif isinstance(step, kinds):
                    field = TABLES[type(step)]
                    steps[at] = dataclasses.replace(step, **{field: change(getattr(step, field), rng)})
            return right(dataclasses.replace(graph, steps=tuple(steps)), metadata)

        monkeypatch.setattr(size, "write_model", wrong)

    return ruin


def before_the_writer(monkeypatch, rng, target):
    """What stores the tables gets one number wrong: the reference is made of the same wrong tables."""
    right_int, right_float = all_users.quantize, all_users.stored_floats

    def quantized(recipe, *tables_and_more):
        tables = right_int(recipe, *tables_and_more)
        if tables is None or recipe.name != target[0]:
            return tables
        wrong = tables.item_q.copy()
        at = tuple(int(rng.integers(length)) for length in wrong.shape)
        limit = 7 if tables.item_bits == 4 else 127
        wrong[at] = -limit if wrong[at] >= 0 else limit
        return dataclasses.replace(tables, item_q=wrong)

    def floats(recipe, user_emb, item_emb):
        users, items = right_float(recipe, user_emb, item_emb)
        return (users, one_wrong(items, rng)) if recipe.name == target[0] else (users, items)

    monkeypatch.setattr(all_users, "quantize", quantized)
    monkeypatch.setattr(all_users, "stored_floats", floats)


class WithoutMask:
    """A file that puts a seen item before all others."""

    def __init__(self, runtime):
        self.runtime, self.exact = runtime, runtime.exact
        self.name, self.version = runtime.name, runtime.version

    def recommend(self, user, seen, k):
        items, scores = self.runtime.recommend(user, seen, k)
        if not len(seen) or not items.size:
            return items, scores
        items, scores = np.append(seen[-1], items)[:k], np.append(scores[0], scores)[:k]
        return items.astype(np.int64), scores.astype(np.float32)


def dropped_mask(monkeypatch, rng, target):
    for module in (building, publish):
        right = module.open_runtime

        def wrong(path, contract, right=right):
            runtime = right(path, contract)
            return WithoutMask(runtime) if (contract.recipe, contract.profile) == target else runtime

        monkeypatch.setattr(module, "open_runtime", wrong)


def shifted_ids(which):
    """The names beside the model: of index n stands where n + 1 is read."""

    def ruin(monkeypatch, rng, target):
        right = building.write_rows

        def wrong(draft, user_ids, item_ids, *rest):
            ids = {"users": list(user_ids), "items": list(item_ids)}
            ids[which] = ids[which][1:] + ids[which][:1]
            return right(draft, ids["users"], ids["items"], *rest)

        monkeypatch.setattr(building, "write_rows", wrong)

    return ruin


def changed_after_it_was_measured(monkeypatch, rng, target):
    right = building.write_rows

    def wrong(draft, *rest):
        right(draft, *rest)
        model = next(draft.glob("model.*"))
        data = bytearray(model.read_bytes())
        data[-1 - int(rng.integers(len(data) // 2))] ^= 1
        model.write_bytes(bytes(data))

    monkeypatch.setattr(building, "write_rows", wrong)


RUINS = {
    "random scores": in_graph(ScoreAll, ScorePacked, change=drawn),
    "rows shifted against the ids": in_graph(
        ScoreAll, ScorePacked, ScaleItems, change=lambda table, rng: np.roll(table, 1, axis=0)
    ),
    "one item value": in_graph(ScoreAll, ScorePacked, change=one_wrong),
    "one value of a user or of a history row": in_graph(LookUp, FoldHistory, change=one_wrong),
    "one value before the writer": before_the_writer,
    "a dropped mask": dropped_mask,
    "shifted item ids": shifted_ids("items"),
    "changed after it was measured": changed_after_it_was_measured,
}
SCALES = {"one item scale": in_graph(ScaleItems, change=one_wrong)}
USERS = {
    "shifted user ids": shifted_ids("users"),
    "one user scale": in_graph(ScaleScores, change=one_wrong),
}


def ruins_of(recipe, profile):
    scaled = SCALES if recipe in ("int8-item", "int4-item") else {}
    users = {name: ruin for name, ruin in USERS.items() if RECIPES[recipe].exact or "ids" in name}
    return RUINS | scaled | (users if profile == "all-users" else {})


@pytest.mark.parametrize("n_items", [10, 40, 100, 2500])
@pytest.mark.parametrize(
    ("file_format", "recipe", "profile"), [(*f, p) for p in PROFILES for f in FILES if has_profile(f[1], p)]
)
def test_a_ruined_file_is_never_published(recipe, file_format, profile, n_items, tmp_path, monkeypatch):
    folder = tmp_path / "model"
    source = dataclasses.replace(make_source(folder, n_items), file_format=file_format)
    subject, gate = subject_of(folder, source, profile), load_gate(recipe)
    assert build(subject, RECIPES[recipe], tmp_path / "right", gate=gate).parity.cutoff == source.cutoff
    rng = stream(n_items, f"ruins {recipe} {file_format} {profile}")
    names = list(ruins_of(recipe, profile))
    few = [names[int(at)] for at in rng.permutation(len(names))[:3]] if n_items == 2500 else names
    for name in few:
        with monkeypatch.context() as patched:
            ruins_of(recipe, profile)[name](patched, rng, (recipe, profile))
            with pytest.raises(RecPressError) as refused:
                build(subject, RECIPES[recipe], tmp_path / "wrong", gate=gate)
        assert isinstance(refused.value, GateError | ArtifactError), (name, refused.value)
        assert not (tmp_path / "wrong").exists(), name


@pytest.mark.parametrize("n_items", [10, 40, 100])
@pytest.mark.parametrize(
    ("recipe", "profile"), [(r, p) for p in PROFILES for r in RECIPES if has_profile(r, p)]
)
def test_answers_alone_show_it(recipe, profile, n_items, tmp_path, monkeypatch):
    """As if the tables could not be read back from the file: by what it answers."""
    folder = tmp_path / "model"
    source = make_source(folder, n_items)
    subject, gate = subject_of(folder, source, profile), load_gate(recipe)
    rng = stream(n_items, f"answers {recipe} {profile}")
    monkeypatch.setattr(building, "check_tables", lambda *_: None)
    for name in ("random scores", "rows shifted against the ids", "one item value"):
        with monkeypatch.context() as patched:
            RUINS[name](patched, rng, (recipe, profile))
            with pytest.raises(GateError):
                build(subject, RECIPES[recipe], tmp_path / "wrong", gate=gate)
        assert not (tmp_path / "wrong").exists(), name


@pytest.mark.parametrize("n_users", [1, 2, 5, 30])
@pytest.mark.parametrize("n_items", [10, 40, 100, 2500])
@pytest.mark.parametrize("recipe", [*RECIPES, "int8-dynamic"])
def test_the_gate_alone_refuses_rankings_by_chance(recipe, n_items, n_users):
    """Of a network in int8 nothing but its rankings can be compared. The seed decides what is drawn."""
    rng = stream(n_items, f"chance {n_users}")
    scores = rng.standard_normal((n_users, n_items))
    relevant = [[int(row.argmax())] for row in scores]
    users = evaluation(list(range(n_users)), [[]] * n_users, relevant)
    by = Yardstick(
        users=users,
        item_counts=np.ones(n_items, np.int64),
        cutoff=judging_cutoff(np.array([n_items])),
        seed=0,
    )

    def lists(values):
        items = np.full((n_users, LIST_LENGTH), -1, np.int64)
        order = np.argsort(-values, axis=1)[:, :LIST_LENGTH]
        items[:, : order.shape[1]] = order
        return TopLists(items, np.zeros(items.shape, np.float32))

    right, gate = lists(scores), load_gate(recipe)
    assert gate_failure(compare(right, right, by, "itself"), gate, recipe) is None
    by_chance = lists(rng.standard_normal(scores.shape))
    assert gate_failure(compare(right, by_chance, by, "chance"), gate, recipe)
    # One item that is nobody's comes first for everybody, and nothing else changes.
    intruder = int(scores.mean(axis=0).argmin())
    first = scores.copy()
    first[:, intruder] = scores.max() + 1
    failure = gate_failure(compare(right, lists(first), by, "one wrong row"), gate, recipe)
    assert failure or n_users == 1  # whose list may change by one item
