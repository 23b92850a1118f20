"""Two stages from a log: lists of an out-of-sample first stage, context of the moment, what is refused."""

import dataclasses

import numpy as np
import pytest
import torch
from made_two_stages import following_data
from small_data import checkerboard, two_tastes

from recpress_edge.core.errors import ConfigError, DataError
from recpress_edge.core.progress import silent
from recpress_edge.data.features.clock import gaps
from recpress_edge.data.log import Log
from recpress_edge.models.outputs import StoredNetwork, Tables
from recpress_edge.models.sequences.sasrec import SASRec
from recpress_edge.models.sequences.settings import SASRecConfig
from recpress_edge.models.two_stages.lists import NOT_FOUND, CandidateLists
from recpress_edge.training.ensure import ensure_model, plan_steps
from recpress_edge.training.plan import ModelRequest, TrainOptions, want
from recpress_edge.training.two_stages.candidates import found_by, held_out_moments, train_moments
from recpress_edge.training.two_stages.fields import asked_rows, list_fields, seen_rows
from recpress_edge.training.two_stages.first import FirstTables, first_of
from recpress_edge.training.two_stages.judge import JudgedLists
from recpress_edge.training.two_stages.shortened import without_last
from recpress_edge.training.two_stages.taught import taught_scores

METHOD = {"first": "puresvd_dim4", "positives": 5, "candidates": 25, "negatives": 12, "min_count": 1} | {
    "learning_rate": 0.02,
    "batch_lists": 64,
    "init_std": 0.3,
    "l2": 0.0,
}


def asked(**more):
    options = {"teacher": "none", "method": METHOD, "training": {"epochs": 12}, **more}
    return ModelRequest(name="rerank_dim4", options=TrainOptions(**options))


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return ensure_model(asked(), following_data(), tmp_path_factory.mktemp("two"), silent)


def test_it_gains_where_the_last_item_decides(model):
    gain = model.metadata["first_stage"]["gain"]
    assert gain["valid"]["ndcg@10"]["low"] > 0
    assert gain["test"]["ndcg@10"]["gain"] > 0.1
    assert model.metadata["metrics"]["test"]["ndcg@10"] == pytest.approx(gain["test"]["ndcg@10"]["both"])
    assert model.metadata["first_stage"]["found"]["test"] >= gain["test"]["recall@10"]["both"]


def test_lists_come_from_a_first_stage_that_has_not_seen_what_was_taken():
    data = following_data()
    tree = want(asked(), data)
    shipped, apart = tree.stages
    assert (shipped.without_last, apart.without_last) == (0, 5)
    shorter = without_last(data, 5)
    moments = train_moments(data, 5)
    for user, taken in zip(moments.users.tolist(), moments.taken.tolist(), strict=True):
        assert taken in data.train.of(user)
        assert taken not in shorter.train.of(user)


def test_the_first_stages_are_steps_of_their_own(tmp_path):
    steps = plan_steps(asked(), following_data(), tmp_path)
    assert [step.name for step in steps] == ["puresvd_dim4", "puresvd_dim4", "rerank_dim4"]
    assert steps[0].folder != steps[1].folder


def test_the_last_train_items_are_left_out_and_never_more_than_half():
    data = following_data()
    for most in (2, 100):
        shorter = without_last(data, most)
        left = data.train.counts() - np.minimum(most, data.train.counts() // 2)
        np.testing.assert_array_equal(shorter.train.counts(), left)
        for user in range(data.n_users):
            kept = shorter.train.in_order()[shorter.train.indptr[user] :][: left[user]]
            whole = data.train.in_order()[data.train.indptr[user] :][: left[user]]
            np.testing.assert_array_equal(kept, whole)


def test_a_moment_knows_what_came_before_and_nothing_else():
    data, last = following_data(), 2
    moments = train_moments(data, 5)
    fields = list_fields(data, 1, last)
    fitted = tuple(field for field in fields.asked if not field.name.startswith("seen"))
    rows = asked_rows(fitted, data, "train")[moments.pairs]
    seen = seen_rows(moments.history, moments.starts, moments.ends, last)
    order, context = data.train.in_order(), {one.name: one for one in data.features.context.columns}
    names = [field.name for field in fitted]
    for at in range(0, moments.users.size, 7):
        user = int(moments.users[at])
        own = order[data.train.indptr[user] : data.train.indptr[user + 1]].tolist()
        place = own.index(moments.taken[at])
        assert seen[at].tolist() == [own[place - 1] + 2, own[place - 2] + 2]
        hidden = moments.hidden[1][moments.hidden[0][at] : moments.hidden[0][at + 1]]
        assert hidden.tolist() == own[:place]
        pair = data.train.indptr[user] + data.train.of(user).tolist().index(moments.taken[at])
        hour = context["hour"].numbers[pair]
        assert fitted[names.index("hour")].rows_of(hour) == [rows[at, names.index("hour")]]
        mood = context["mood"].text(pair)
        assert fitted[names.index("mood")].rows_of(mood) == [rows[at, names.index("mood")]]


def test_before_the_first_items_there_is_none():
    items, ends = np.array([4, 5, 6]), np.array([0, 1, 3])
    assert seen_rows(items, np.zeros(3, int), ends, 2).tolist() == [[0, 0], [6, 0], [8, 7]]


def test_candidates_are_the_best_that_are_not_hidden():
    data, rng = following_data(), np.random.default_rng(0)
    tables = Tables(*(rng.normal(size=(n, 3)).astype(np.float32) for n in (data.n_users, data.n_items)))
    moments = held_out_moments(data, "test")
    lists, ranks = found_by(FirstTables(tables), moments, 10)
    for at in range(len(lists)):
        scores = tables.item_emb @ tables.user_emb[moments.users[at]]
        hidden = moments.hidden[1][moments.hidden[0][at] : moments.hidden[0][at + 1]]
        assert sorted(hidden.tolist()) == sorted(
            [*data.train.of(moments.users[at]), *data.valid.of(moments.users[at])]
        )
        left = [item for item in np.argsort(-scores, kind="stable").tolist() if item not in hidden]
        assert lists.items[at].tolist() == left[:10]
        assert ranks[at] == left.index(moments.taken[at])
        assert lists.taken[at] == (ranks[at] if ranks[at] < 10 else NOT_FOUND)


def test_ranks_count_who_is_better_and_earlier_equals():
    items = np.arange(12, dtype=np.int32).reshape(3, 4)
    lists = CandidateLists(np.arange(3), items, items * 0.0, np.array([1, 3, -1]), items)
    z = np.array([[1, 1, 1, 2], [0, 0, 0, 5], [9, 9, 9, 9]], np.float32)
    assert JudgedLists(lists, np.array([1, 3, 77])).ranks_with(z).tolist() == [2, 0, 77]


def test_a_teacher_is_asked_after_what_came_before():
    data = two_tastes()
    network = SASRec(data.n_items, 4, 0, SASRecConfig(heads=2, history_length=6))
    stored = StoredNetwork(
        {"heads": 2}, {name: one.detach().numpy() for name, one in network.named_parameters()}
    )
    moments = train_moments(data, 2)
    lists = CandidateLists(
        moments.users,
        np.tile(np.arange(9, dtype=np.int32), (moments.users.size, 1)),
        np.empty((moments.users.size, 0), np.float32),
        moments.taken,
        np.empty((moments.users.size, 0), np.int32),
    )
    found = taught_scores(stored, moments, lists)
    frozen = SASRec.stored(stored)
    for at in range(0, moments.users.size, 5):
        last = moments.ends[at] + (at % 2 == 0)  # the user's window ends at its last moment
        first = max(moments.starts[at], last - 5)
        read = moments.history[first : moments.ends[at]]
        tokens = torch.from_numpy(np.r_[data.n_items, read][None])
        with torch.inference_mode():
            wanted = (frozen.hidden(tokens)[0, -1] @ frozen.item_emb[:9].T).numpy()
        np.testing.assert_allclose(found[at], wanted, rtol=1e-4, atol=1e-5)


def test_gaps_are_seconds_since_the_users_row_before():
    users, times = np.array([0, 1, 0, 0, 1], np.int32), np.array([50.0, 7, 10, 10, 9])
    log = Log(("a", "b"), ("x",), users, np.zeros(5, np.int32), None, times, np.zeros(5, np.int8))
    np.testing.assert_array_equal(gaps(log), [40, np.nan, np.nan, 0, 2])


def test_without_an_order_it_is_refused(tmp_path):
    data = checkerboard()
    with pytest.raises((ConfigError, DataError), match="order"):
        ensure_model(asked(), dataclasses.replace(data, train=_unordered(data.train)), tmp_path, silent)


def _unordered(pairs):
    return dataclasses.replace(pairs, ranks=None)


@pytest.mark.parametrize("first", ["sasrec_dim16", "ease", "deepfm_dim8"])
def test_a_first_stage_without_tables_is_refused(first):
    with pytest.raises(ConfigError, match="first"):
        want(asked(method={**METHOD, "first": first}), following_data())


def test_too_few_candidates_are_refused(tmp_path):
    with pytest.raises(ConfigError, match="negatives"):
        ensure_model(asked(method={**METHOD, "candidates": 5}), following_data(), tmp_path, silent)
    with pytest.raises(ConfigError, match="items left"):
        ensure_model(
            asked(method={**METHOD, "candidates": 50, "negatives": 35}), following_data(), tmp_path, silent
        )


def test_a_stopped_run_goes_on_where_it_was(tmp_path, model):
    options = asked().options
    short = dataclasses.replace(options, checkpoint_every_s=0.0, training={"epochs": 12})
    again = ensure_model(dataclasses.replace(asked(), options=short), following_data(), tmp_path, silent)
    assert again.digest == model.digest


def test_a_first_stage_is_given_by_its_folder_and_made_again_without_the_last_items(tmp_path):
    data = following_data()
    first = ModelRequest(
        name="bpr_dim4",
        seed=3,
        options=TrainOptions(teacher="none", method={"learning_rate": 0.02}, training={"epochs": 2}),
    )
    given = ensure_model(first, data, tmp_path, silent)
    tree = want(asked(method={**METHOD, "first": str(given.folder)}), data)
    shipped, apart = tree.stages
    assert shipped.digest == given.digest
    assert (str(apart.name), apart.seed, apart.without_last) == ("bpr_dim4", 3, 5)
    assert (apart.config.learning_rate, apart.training.epochs) == (0.02, 2)
    assert tree.config.first == "bpr_dim4"  # where the folder lies decides nothing
    steps = plan_steps(asked(method={**METHOD, "first": str(given.folder)}), data, tmp_path)
    assert [(step.name, step.without_last) for step in steps] == [("bpr_dim4", 5), ("rerank_dim4", 0)]
    assert steps[0].left_out == ", without the last 5 train items of each user"
    with pytest.raises(ConfigError, match="no trained model there"):
        want(asked(method={**METHOD, "first": "models/none"}), data)


def test_a_folder_of_a_model_without_tables_is_refused(model):
    with pytest.raises(ConfigError, match="is none"):
        want(asked(method={**METHOD, "first": str(model.folder)}), following_data())


LRH = {"first": "lrh_dim4", "candidates": 25, "positives": 5}


@pytest.fixture(scope="module")
def of_histories(tmp_path_factory):
    """A first stage that reads a history, and the second."""
    work, data = tmp_path_factory.mktemp("lrh"), following_data()
    options = TrainOptions(teacher="none", method={"history_length": 4}, training={"epochs": 4})
    given = ensure_model(ModelRequest(name="lrh_dim4", options=options), data, work, silent)
    both = asked(method={**METHOD, **LRH, "first": str(given.folder)}, training={"epochs": 3})
    return given, ensure_model(both, data, work, silent)


def test_a_first_stage_may_read_a_history_and_then_nobody_is_known(of_histories):
    given, both = of_histories
    architecture = both.metadata["architecture"]
    assert architecture["first"] == {"kind": "lrh", "history_length": 4}
    names = [field["name"] for field in architecture["asked"]]
    assert "user" not in names
    assert {"hour", "mood", "seen[-1]"} <= {*names}
    assert both.metadata["first_stage"]["sha256"] == given.digest
    gain = both.metadata["first_stage"]["gain"]["valid"]["ndcg@10"]
    assert gain["both"] >= gain["first"]


def test_candidates_after_a_history_are_those_of_that_moment(of_histories):
    data, (given, _) = following_data(), of_histories
    stage, moments = first_of(given), train_moments(data, 5)
    lists, _ = found_by(stage, moments, 10)
    for at in range(0, moments.users.size, 37):
        history = moments.history[moments.starts[at] : moments.ends[at]]
        row = given.network["prior"].astype(float)
        for age, item in enumerate(history[::-1][:4].tolist()):
            row = row + given.network["decay"].astype(float) ** age * given.network["history_emb"][item]
        scores = given.network["item_emb"] @ row
        scores[history] = -np.inf
        np.testing.assert_allclose(np.sort(scores)[::-1][:10], lists.scores[at], rtol=1e-4, atol=1e-5)
        assert not {*lists.items[at].tolist()} & {*history.tolist()}


def test_histories_of_held_out_items_are_what_came_before_in_order():
    data = following_data()
    for split in ("valid", "test"):
        moments = held_out_moments(data, split, by_history=True)
        for at in range(0, moments.users.size, 41):
            hidden = moments.hidden[1][moments.hidden[0][at] : moments.hidden[0][at + 1]]
            np.testing.assert_array_equal(hidden, moments.history[moments.starts[at] : moments.ends[at]])
        n_before = data.train.counts() + (data.valid.counts() if split == "test" else 0)
        np.testing.assert_array_equal(np.diff(moments.hidden[0]), n_before[moments.users])
