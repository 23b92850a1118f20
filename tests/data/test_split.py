"""Filters and splits, on logs small enough to check by hand."""

import dataclasses

import numpy as np
import pytest

from recpress_edge.core.errors import ConfigError, DataError
from recpress_edge.data.filter import Filters, apply_filters
from recpress_edge.data.log import Log
from recpress_edge.data.prepare import Preparation, prepare
from recpress_edge.data.readers.read import Reading
from recpress_edge.data.split import SplitRule, parse_rule, split_log


def make_log(rows, ratings=None, times=None, parts=None, shape=(9, 9)):
    users, items = np.array(rows, np.int32).T
    ids = (tuple(map(str, range(count))) for count in shape)
    return Log(
        *ids,
        users,
        items,
        None if ratings is None else np.array(ratings, float),
        None if times is None else np.array(times, float),
        np.array(parts or [0] * len(rows), np.int8),
    )


def rows_of(log):
    return [(log.user_ids[u], log.item_ids[i]) for u, i in zip(log.users, log.items, strict=True)]


def test_rating_bound_is_inclusive_and_comes_before_duplicates():
    log = make_log([(0, 0), (0, 0), (1, 1)], ratings=[2, 5, 3.5], times=[1, 9, 5])
    kept, removed = apply_filters(log, Filters(min_rating=3.5))
    assert rows_of(kept) == [("0", "0"), ("1", "1")]  # the later 5 counts, the earlier 2 does not
    assert (removed.low_ratings, removed.duplicates) == (1, 0)


def test_of_duplicates_the_earliest_stays():
    log = make_log([(0, 0), (0, 0), (0, 0), (0, 1)], times=[7, 3, 5, 1])
    kept, removed = apply_filters(log, Filters())
    assert kept.times.tolist() == [3.0, 1.0]
    assert removed.duplicates == 2


def test_minimum_counts_are_applied_until_stable():
    # item 3 has one user; without it user 2 has one item, and then item 2 has one user
    log = make_log([(0, 0), (0, 1), (1, 0), (1, 1), (1, 2), (2, 2), (2, 3)])
    kept, removed = apply_filters(log, Filters(min_user=2, min_item=2))
    assert rows_of(kept) == [("0", "0"), ("0", "1"), ("1", "0"), ("1", "1")]
    assert removed.rare == 3
    assert (kept.user_ids, kept.item_ids) == (("0", "1"), ("0", "1"))


def test_filters_that_leave_nothing_or_make_no_sense():
    log = make_log([(0, 0), (1, 1)], ratings=[1, 2])
    with pytest.raises(DataError, match="no interaction is left of 2: 1 are below the rating"):
        apply_filters(log, Filters(min_rating=2, min_user=2))
    with pytest.raises(DataError, match="no interaction is left of 2: 2 are below the rating"):
        apply_filters(log, Filters(min_rating=9))
    with pytest.raises(ConfigError, match="needs ratings"):
        apply_filters(make_log([(0, 0)]), Filters(min_rating=1))
    with pytest.raises(ConfigError, match="--min-user must be at least 1"):
        Filters(min_user=0)
    with pytest.raises(ConfigError, match="finite"):
        Filters(min_rating=float("nan"))


def test_leave_one_out_by_time_holds_out_the_last_two():
    # user 0: items 4, 2, 3 in order of time; user 1: two items at one time, so all train
    log = make_log([(0, 2), (0, 3), (0, 4), (1, 0), (1, 1)], times=[20, 30, 10, 5, 5])
    split = split_log(log, SplitRule("loo-time"), 0)
    assert split.train.of(0).tolist() == [4]
    assert split.valid.of(0).tolist() == [2]
    assert split.test.of(0).tolist() == [3]
    assert split.train.of(1).tolist() == [0, 1]
    assert split.users_not_held_out == 9 - 1


def test_leave_one_out_by_order_holds_out_the_last_two_lines():
    log = make_log([(0, 5), (1, 3), (0, 2), (0, 8), (0, 1)])
    log = dataclasses.replace(log, places=np.arange(len(log)))
    split = split_log(
        log.take(np.array([4, 2, 0, 3, 1])), SplitRule("loo-order"), 0
    )  # as sorted as filters leave it
    assert [part.of(0).tolist() for part in (split.train, split.valid, split.test)] == [[2, 5], [8], [1]]
    assert split.train.in_order()[:2].tolist() == [5, 2]
    assert split.train.union(split.valid).in_order()[:3].tolist() == [5, 2, 8]
    assert split.protocol == "leave-one-out by order in the file"
    with pytest.raises(ConfigError, match="read from a file"):
        split_log(make_log([(0, 1)]), SplitRule("loo-order"), 0)


def test_times_order_a_users_items_across_the_splits():
    log = make_log([(0, 2), (0, 3), (0, 4), (1, 0), (1, 1)], times=[20, 30, 10, 5, 5])
    split = split_log(log, SplitRule("loo-time"), 0)
    assert [part.ranks.tolist() for part in (split.train, split.valid, split.test)] == [[0, 0, 1], [1], [2]]
    everything = split.train.union(split.valid).union(split.test)
    assert everything.in_order().tolist() == [4, 2, 3, 0, 1]


def test_equal_times_keep_the_order_of_the_file_in_the_split_and_in_the_sequence():
    for order in ([1, 5, 3], [5, 3, 1], [3, 1, 5]):
        split = split_log(make_log([(0, item) for item in order], times=[8, 8, 8]), SplitRule("loo-time"), 0)
        assert [part.of(0).tolist() for part in (split.train, split.valid, split.test)] == [
            [i] for i in order
        ]
        assert split.train.union(split.valid).union(split.test).in_order().tolist() == order
        assert split.tied_users == 1


def test_the_order_of_the_file_is_kept_through_filters(tmp_path):
    path = tmp_path / "log.csv"
    lines = ["u,9,5,8", "u,1,5,8", "u,4,1,8", "u,5,5,8", "u,3,5,8", "v,9,5,1", "v,1,5,2", "v,5,5,3"]
    path.write_text("\n".join(lines))
    how = Preparation(split="loo-time", filters=Filters(min_rating=2))
    prepared = prepare("x", [path], how)
    data = prepared.dataset
    assert [data.item_ids[part.of(0)[0]] for part in (data.valid, data.test)] == ["5", "3"]
    assert prepared.record["split"]["tied_users"] == 1
    assert data.ties == (
        "the items held out of 1 of 2 users (50%) are decided by a tie in time; ties are in file order"
    )


def test_only_ties_that_decide_what_is_held_out_are_counted():
    # user 0: a tie among train items; user 1: between train and validation; user 2: none
    rows = [(user, item) for user in range(3) for item in range(4)]
    log = make_log(rows, times=[5, 5, 6, 7, 4, 5, 5, 9, 1, 2, 3, 4])
    split = split_log(log, SplitRule("loo-time"), 0)
    assert split.tied_users == 1
    assert split.ties.startswith("the items held out of 1 of 3 users (33%)")


@pytest.mark.parametrize(
    "items",
    [range(5, 13), range(12, 4, -1), sorted(range(5, 13), key=str)],
    ids=["rising", "falling", "as text"],
)
def test_ties_are_drawn_where_the_file_is_in_the_order_of_its_ids(items):
    rows = [(user, item - 5) for user in range(200) for item in items]
    log = make_log(rows, times=[8] * len(rows), shape=(200, 8))
    log = dataclasses.replace(log, item_ids=tuple(map(str, range(5, 13))))
    split = split_log(log, SplitRule("loo-time"), 0)
    held_out = split.test.item_counts()  # each about 25 times, not one item 200 times
    assert held_out.min() > 10
    assert held_out.max() < 50
    assert split.ties.endswith("ties are drawn, seed 0, as the file is in the order of its ids")
    everything = split.train.union(split.valid).union(split.test)
    assert everything.in_order().reshape(200, 8)[:, -1].tolist() == split.test.indices.tolist()


def random_log(n_users=50, n_items=40, seed=3):
    rng = np.random.default_rng(seed)
    pairs = np.argwhere(rng.random((n_users, n_items)) < 0.3)
    return make_log(pairs, shape=(n_users, n_items))


@pytest.mark.parametrize("text", ["loo-random", "ratio:60/20/20"])
def test_random_splits_are_a_partition_that_only_the_seed_decides(text):
    log = random_log()
    protocol = parse_rule(text)
    split = split_log(log, protocol, 7)
    parts = (split.train, split.valid, split.test)
    together = np.sort(np.concatenate([part.users().astype(int) * 40 + part.indices for part in parts]))
    assert np.array_equal(together, np.sort(log.users.astype(int) * 40 + log.items))
    shuffled = log.take(np.random.default_rng(0).permutation(len(log)))
    again = split_log(shuffled, protocol, 7)
    assert again.test.digest() == split.test.digest()
    assert split_log(log, protocol, 8).test.digest() != split.test.digest()


def test_leave_one_out_draws_every_item_alike():
    log = make_log([(user, item) for user in range(3000) for item in range(4)], shape=(3000, 4))
    drawn = split_log(log, SplitRule("loo-random"), 0).test.item_counts()
    assert drawn.sum() == 3000
    assert abs(drawn - 750).max() < 100  # 4 standard deviations are 95


@pytest.mark.parametrize(
    ("n", "expected"),
    [(1, (1, 0, 0)), (2, (2, 0, 0)), (3, (2, 1, 0)), (5, (3, 1, 1)), (10, (6, 2, 2)), (11, (7, 2, 2))],
)
def test_ratio_counts(n, expected):
    log = make_log([(0, item) for item in range(n)], shape=(1, n))
    split = split_log(log, SplitRule("ratio", (60, 20, 20)), 0)
    assert (len(split.train), len(split.valid), len(split.test)) == expected


def test_given_parts_are_kept_and_overlap_refused():
    split = split_log(make_log([(0, 0), (0, 1), (0, 2)], parts=[0, 1, 2]), SplitRule("given"), 0)
    assert [part.of(0).tolist() for part in (split.train, split.valid, split.test)] == [[0], [1], [2]]
    with pytest.raises(DataError, match=r"1 interactions are in more than one .* user '4' with item '5'"):
        split_log(make_log([(4, 5), (4, 5), (1, 1)], parts=[0, 2, 1]), SplitRule("given"), 0)


def test_given_train_and_test_leave_a_tenth_of_train_for_validation():
    rows = [(0, item) for item in range(25)] + [(1, item) for item in range(9)]
    log = make_log([*rows, (0, 30), (1, 30)], parts=[0] * 34 + [1, 1], shape=(2, 31))
    split = split_log(log, SplitRule("given"), 0)
    assert split.test.counts().tolist() == [1, 1]
    assert split.test.indices.tolist() == [30, 30]
    assert split.valid.counts().tolist() == [2, 0]
    assert split.train.counts().tolist() == [23, 9]


@pytest.mark.parametrize(
    "text", ["ratio:60/20", "ratio", "ratio:60/20/30", "ratio:100/0/0", "ratio:a/b/c", "ratio:1e1/2/3"]
)
def test_bad_ratios(text):
    with pytest.raises(ConfigError, match="ratio"):
        parse_rule(text)


def test_unknown_split_gets_a_suggestion():
    with pytest.raises(ConfigError, match="Did you mean 'loo-random'"):
        parse_rule("loo-randm")


@pytest.mark.parametrize(
    ("how", "n_files", "message"),
    [
        (Preparation(split="given"), 1, "needs train, valid and test"),
        (Preparation(split="loo-random"), 2, "takes one file, got 2"),
        (Preparation(split="given", filters=Filters(min_user=2)), 3, "taken as it is"),
        (Preparation(split="given", seed=1), 3, "remove --seed"),
        (Preparation(split="loo-time", seed=1), 1, "remove --seed"),
        (Preparation(split="loo-time"), 1, "needs timestamps"),
        (Preparation(seed=-1), 1, "must not be negative"),
    ],
)
def test_combinations_that_make_no_sense(tmp_path, how, n_files, message):
    files = [tmp_path / str(n) for n in range(n_files)]
    for n, path in enumerate(files):
        path.write_text("".join(f"{u},{3 * n + i}\n" for u in range(2) for i in range(3)))
    with pytest.raises(ConfigError, match=message):
        prepare("x", files, how)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("u,1\nu,2\nu,3\n", "only one user \\('u'\\)"),
        ("1,i\n2,i\n3,i\n", "only one item \\('i'\\)"),
        ("1,1\n2,2\n", "no validation interaction"),
    ],
)
def test_logs_too_small_to_learn_from(tmp_path, content, message):
    path = tmp_path / "log.csv"
    path.write_text(content)
    with pytest.raises(DataError, match=message):
        prepare("x", [path], Preparation())


def test_the_record_says_what_was_done(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text("".join(f"{u},{i},5\n" for u in "abc" for i in range(4)) + "a,0,5\nb,0,1\n")
    record = prepare("x", [path], Preparation(filters=Filters(min_rating=2))).record
    assert record["rows"] == {
        "read": 14,
        "kept": 12,
        "removed_low_ratings": 1,
        "removed_duplicates": 1,
        "removed_rare": 0,
        "left_out_bad_lines": 0,
        "left_out_not_chosen": 0,
        "left_out_missing": 0,
        "left_out_strangers": 0,
    }
    assert record["split"] == {
        "kind": "loo-random",
        "seed": 0,
        "users_not_held_out": 0,
        "tied_users": 0,
    }
    assert len(record["sources"][0]["sha256"]) == 64


def test_citeulike_five_core_gives_the_published_counts(real_data):
    how = Preparation(fmt="counted-adjacency", filters=Filters(min_user=5))
    dataset = prepare("citeulike", [real_data / "citeulike/users.dat"], how).dataset
    assert (dataset.n_users, dataset.n_items) == (5_219, 25_181)
    assert (len(dataset.train), len(dataset.valid), len(dataset.test)) == (115_142, 5_219, 5_219)


def test_half_of_movielens_users_are_decided_by_ties(real_data):
    how = Preparation(fmt="inter", split="loo-time", filters=Filters(min_rating=4))
    prepared = prepare("ml-100k", [real_data / "ml-100k/ml-100k.inter"], how)
    rows = np.loadtxt(real_data / "ml-100k/ml-100k.inter", skiprows=1)
    liked, tied = rows[rows[:, 2] >= 4], 0
    for user in np.unique(liked[:, 0]):
        times = np.sort(liked[liked[:, 0] == user, 3])
        tied += len(times) >= 3 and (times[-1] == times[-2] or times[-2] == times[-3])
    assert prepared.record["split"]["tied_users"] == tied == 471


def test_one_cut_in_time_for_all_users():
    # ten rows at times 0..9: the first eight train, one validates, one tests; user 1 has no row after the cut
    rows = [(0, 0), (1, 0), (2, 0), (0, 1), (1, 1), (2, 1), (0, 2), (2, 2), (0, 3), (3, 4)]
    split = split_log(make_log(rows, times=range(10)), parse_rule("time:80/10/10"), 0)
    assert [len(part) for part in (split.train, split.valid, split.test)] == [8, 1, 1]
    assert (split.valid.of(0).tolist(), split.test.of(3).tolist()) == ([3], [4])
    assert split.users_not_held_out == 9 - 2
    assert split.train.in_order()[:3].tolist() == [0, 1, 2]


def test_equal_times_stay_on_one_side_of_a_cut():
    rows = [(user, item) for user in range(5) for item in range(2)]
    split = split_log(make_log(rows, times=[1] * 7 + [2] * 3), parse_rule("time:80/10/10"), 0)
    assert [len(part) for part in (split.train, split.valid, split.test)] == [7, 0, 3]


def test_a_cut_at_dates():
    day = 86_400
    first = 1_714_521_600  # 2024-05-01 00:00 UTC
    log = make_log([(0, item) for item in range(5)], times=[first + day * place for place in range(5)])
    split = split_log(log, parse_rule("time:2024-05-03/2024-05-05"), 0)
    assert [part.of(0).tolist() for part in (split.train, split.valid, split.test)] == [[0, 1], [2, 3], [4]]
    assert split.protocol == (
        "one cut in time for all users: validation from 2024-05-03 00:00:00 UTC, "
        "test from 2024-05-05 00:00:00 UTC"
    )
    log = make_log([(0, item) for item in range(9)], times=[first + day * place for place in range(9)])
    split = split_log(log, parse_rule("time:2024-05-08"), 0)  # seven rows before: the last tenth is one
    assert [part.of(0).tolist() for part in (split.train, split.valid, split.test)] == [
        [0, 1, 2, 3, 4, 5],
        [6],
        [7, 8],
    ]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("time:80/20", "write for example time:80/10/10, time:2024-05-01"),
        ("time:", "write for example time:80/10/10"),
        ("time:80/10/20", "add up to 100, not 110"),
        ("time:2024-05-02/2024-05-01", "validation must begin before test does"),
        ("tme:80/10/10", "Known: given, loo-order, .*time:DATE"),
    ],
)
def test_a_cut_that_makes_no_sense(text, says):
    with pytest.raises(ConfigError, match=says):
        parse_rule(text)


def test_a_cut_in_time_needs_times_and_says_whom_it_cannot_judge(tmp_path):
    with pytest.raises(ConfigError, match="--split time needs timestamps"):
        split_log(make_log([(0, 0)]), parse_rule("time:80/10/10"), 0)
    path = tmp_path / "log.csv"
    rows = [("u", "a"), ("v", "a"), ("u", "b"), ("v", "b"), ("u", "c"), ("v", "c"), ("u", "d"), ("v", "d"),
            ("u", "e"), ("w", "f")]  # fmt: skip
    path.write_text("\n".join(f"{u},{i},5,{1_700_000_000 + at}" for at, (u, i) in enumerate(rows)))
    notes = prepare("x", [path], Preparation(split="time:80/10/10")).record["read"]
    assert notes[-1] == (
        "1 of 3 users have no row after the first cut, and are not judged; 1 users and 2 items have none "
        "before it: nothing can be learnt of them"
    )
    for kind in ("loo-time", "loo-random", "ratio:60/20/20"):
        notes = prepare("x", [path], Preparation(split=kind)).record["read"]
        assert "train holds what others did later" in notes[-1]
    path.write_text("\n".join(f"{u},{i}" for u, i in rows))
    assert "later" not in prepare("x", [path], Preparation()).record["read"][-1]


def test_a_cut_outside_the_log_says_where_the_log_is(tmp_path):
    path = tmp_path / "log.csv"
    rows = "".join(f"u{n % 5},i{n % 7},2024050{1 + n % 9}\n" for n in range(40))
    path.write_text("user,item,time\n" + rows)
    how = Preparation(split="time:2024-05-05", reading=Reading(time_unit="s"))
    with pytest.raises(DataError, match=r"test from 2024-05-05 .*times of the log are 2.02405e\+07 to"):
        prepare("x", [path], how)
