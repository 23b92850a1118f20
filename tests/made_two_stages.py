"""Two stages of drawn numbers with fields of every kind, and a log in which the last item tells the next."""

import dataclasses
from functools import cache
from itertools import pairwise

import numpy as np

from recpress_edge.artifacts.clicks.fields import FeatureField
from recpress_edge.artifacts.clicks.weights import DenseLayer
from recpress_edge.artifacts.fold_in import FoldIn
from recpress_edge.artifacts.model_folder import Student
from recpress_edge.artifacts.two_stages.fields import seen_field
from recpress_edge.artifacts.two_stages.weights import SecondWeights
from recpress_edge.data.features.encode import parse_specs
from recpress_edge.data.interactions import Dataset
from recpress_edge.data.prepare import Preparation
from recpress_export.two_stages.build import ForgettingFirst, TwoStageSource
from recpress_export.two_stages.quality import HeldOut

N_USERS, N_ITEMS, FOUND = 40, 60, 20
OF_USERS = (
    FeatureField("user", "user", "categorical", tuple(f"u{user}" for user in range(N_USERS))),
    FeatureField("likes", "user", "many", ("x", "y", "z"), capacity=2),
)
STATED = (
    FeatureField("hour", "context", "integer", least=0, most=23),
    FeatureField("gap", "context", "numeric", edges=(0.5, 60.0)),
    FeatureField("place", "context", "categorical", ("home", "zoë's")),
    FeatureField("moods", "context", "many", ("glad", "tired"), capacity=2),
    FeatureField("city", "context", "hashed", buckets=8, seed=1),
)
SEEN = (seen_field(1, N_ITEMS), seen_field(2, N_ITEMS))


def second_of(scale=1.0, *, layers=(8, 4), seed=0, fields=(*OF_USERS, *STATED, *SEEN)):
    """A second stage of drawn numbers, all of f times ``scale``: with 0 it is the first stage."""
    rng, dim = np.random.default_rng(seed), 4

    def drawn(*shape):
        return (rng.normal(size=shape) * 0.5).astype(np.float32)

    widths = [len(fields) * dim, *layers, 1]
    made = [DenseLayer(drawn(n_out, n_in), drawn(n_out)) for n_in, n_out in pairwise(widths)]
    made[-1] = DenseLayer(made[-1].weight * np.float32(scale), np.zeros(1, np.float32))
    return SecondWeights(
        fields,
        drawn(sum(field.size for field in fields), dim),
        drawn(N_ITEMS) * np.float32(scale),
        drawn(N_ITEMS, dim) * np.float32(scale),
        drawn(N_ITEMS, layers[0]),
        tuple(made),
        0.7,
    )


def requests_of(n, seed):
    """Rows of users' fields (N_USERS, 3) and of requests (n, 8), and which user asks (n,)."""
    rng = np.random.default_rng(seed)
    of_users = np.column_stack(
        [np.arange(N_USERS) + 2, rng.integers(0, 5, N_USERS), np.where(rng.random(N_USERS) < 0.5, 3, -1)]
    )
    columns = [rng.integers(0, field.size, n) for field in (*STATED[:3], STATED[3])]
    columns += [np.where(rng.random(n) < 0.5, 2, -1), rng.integers(2, 10, n)]
    columns += [rng.integers(0, field.size, n) for field in SEEN]
    users = rng.integers(0, N_USERS, n)
    return of_users.astype(np.int32), np.column_stack(columns).astype(np.int32), users


def source_of(second=None, *, taken=None):
    """A source whose held-out items the second stage ranks first; ``taken``: other ones (n,)."""
    second, rng = second_of() if second is None else second, np.random.default_rng(3)
    user_emb, item_emb = (rng.normal(size=(n, 6)).astype(np.float32) for n in (N_USERS, N_ITEMS))
    held_out = {}
    for place, split in enumerate(("valid", "test")):
        of_users, rows, users = requests_of(120, place)
        hidden = [np.sort(rng.permutation(N_ITEMS)[:5]) for _ in users]
        best = []
        for user, row, seen in zip(users, rows, hidden, strict=True):
            scores = item_emb @ user_emb[user]
            scores[seen] = -np.inf
            found = np.argsort(-scores, kind="stable")[:FOUND]
            z = second.z(np.r_[of_users[user], row][None], found[None], scores[found][None])
            best.append(found[np.argmax(z[0])])
        held_out[split] = HeldOut(
            users=users,
            rows=rows,
            hidden=(np.arange(0, 5 * len(users) + 1, 5), np.concatenate(hidden)),
            taken=np.array(best) if taken is None else taken,
        )
    metrics = {"valid": {"ndcg@10": 0.1}, "test": {"ndcg@10": 0.1}}
    facts = {
        **{"name": "rerank_dim4", "method": "rerank", "dim": 4, "seed": 0, "sha256": "0" * 64},
        "dataset": {"name": "drawn", "digest": "1" * 64, "protocol": "drawn"},
        "teacher": None,
        "first_stage": {"name": "soft_dim6", "sha256": "2" * 64, "metrics": metrics},
        "metrics": metrics,
        "cutoff": 10,
    }
    return TwoStageSource(
        first=Student(user_emb, item_emb, "soft_dim6", 0, "2" * 64, {}),
        second=second,
        of_users=OF_USERS,
        fields=(*STATED, *SEEN),
        user_rows=of_users,
        typical=np.hstack([of_users[users], rows]),
        folded=("item", "genre"),
        candidates=FOUND,
        user_ids=tuple(f"u{user}" for user in range(N_USERS)),
        item_ids=tuple(f"i{item}" for item in range(N_ITEMS)),
        held_out=held_out,
        facts=facts,
        licence="made up",
        command="recpress-edge export --student rerank_dim4 --int8",
    )


def forgetting_source():
    """The same for anybody: the first stage reads the last items, oldest first, and knows no user."""
    source, rng = source_of(), np.random.default_rng(5)
    decay = rng.uniform(0.3, 0.95, 6).astype(np.float32)
    drawn = [rng.normal(size=shape).astype(np.float32) for shape in ((N_ITEMS, 6), 6)]
    return dataclasses.replace(
        source,
        first=ForgettingFirst(source.first.item_emb, FoldIn(*drawn, decay=decay, length=4)),
        second=second_of(fields=source.fields),
        of_users=(),
        user_rows=np.empty((0, 0), np.int32),
        typical=source.typical[:, source.user_rows.shape[1] :],
        user_ids=(),
    )


def following_log(n_users=250, n_items=40, per_user=14, seed=0):
    """Users who mostly take the item after the one they took last, in times with hours and gaps."""
    rng, columns = np.random.default_rng(seed), {"user": [], "item": [], "time": [], "mood": []}
    for user in range(n_users):
        item, time, taken = int(rng.integers(n_items)), int(rng.integers(10**6)), []
        for _ in range(per_user):
            item = (item + 1) % n_items if rng.random() < 0.9 else int(rng.integers(n_items))
            while item in taken:
                item = (item + 1) % n_items
            taken.append(item)
            time += int(rng.integers(1, 9000))
            columns["time"].append(time)
        columns["user"] += [f"u{user}"] * per_user
        columns["item"] += [f"i{one}" for one in taken]
        columns["mood"] += [("glad", "tired")[one] for one in rng.integers(0, 2, per_user).tolist()]
    return columns


@cache
def following_data() -> Dataset:
    """The log as a data set, the last items of each user held out."""
    how = Preparation(context=parse_specs("--context", "mood"), time_features=("hour", "weekday", "gap"))
    return Dataset.from_frame(following_log(), name="following", split="loo-time", how=how)
