"""Click bundles of drawn weights, with fields of every kind."""

import dataclasses
from itertools import pairwise
from pathlib import Path

import numpy as np

from recpress_edge.artifacts.clicks.evaluation import EvaluationRows
from recpress_edge.artifacts.clicks.fields import NO_VALUE, FeatureField
from recpress_edge.artifacts.clicks.metrics import probability
from recpress_edge.artifacts.clicks.weights import ClickWeights, DenseLayer, logits
from recpress_export.clicks.build import ClickSource, ExportedClicks, build_clicks

FIELDS = (
    FeatureField("user", "user", "categorical", ("ann", "bob", "zoë")),
    FeatureField("item", "item", "categorical", tuple(f"i{item}" for item in range(12))),
    FeatureField("tags", "item", "many", ("x", "y"), capacity=2),
    FeatureField("hour", "context", "integer", least=0, most=23),
    FeatureField("battery", "context", "numeric", edges=(0.25, 0.5)),
    FeatureField("liked", "user", "many", ("x", "y", "z"), capacity=3),
    FeatureField("city", "context", "hashed", buckets=16, seed=1),
)
N_ITEMS = 14
"""The last two are of no train row: their ids are unknown to the item's field."""
SHAPES = {
    "lr": {"dim": 0, "pairs": False, "layers": ()},
    "fm": {"pairs": True, "layers": ()},
    "wide_deep": {"pairs": False},
    "deepfm": {},
}


def weights_of(dim=4, *, pairs=True, layers=(6, 3), seed=0, fields=FIELDS):
    """Weights of a size that training reaches."""
    rng = np.random.default_rng(seed)
    size = sum(field.size for field in fields)

    def drawn(*shape):
        return (rng.normal(size=shape) * 0.5).astype(np.float32)

    widths = [len(fields) * dim, *layers, 1]
    made = [DenseLayer(drawn(n_out, n_in), drawn(n_out)) for n_in, n_out in pairwise(widths)]
    return ClickWeights(fields, 0.3, drawn(size), drawn(size, dim), pairs, tuple(made) if layers else ())


def source_of(**shape):
    """A source with 400 validation rows whose labels the weights explain."""
    weights, rng, n = weights_of(**shape), np.random.default_rng(1), 400
    items = rng.integers(0, N_ITEMS, n)
    tags = np.column_stack([rng.integers(0, 4, N_ITEMS), np.where(rng.random(N_ITEMS) < 0.5, 2, NO_VALUE)])
    catalogue = np.column_stack([np.where(np.arange(N_ITEMS) < 12, np.arange(N_ITEMS) + 2, 1), tags])
    user, hour, battery = (rng.integers(0, size, n) for size in (5, 26, 5))
    liked = np.full((n, 3), NO_VALUE)
    liked[:, 0] = rng.integers(0, 5, n)
    city = rng.integers(0, 18, n)
    asked = np.column_stack([user, hour, battery, liked, city]).astype(np.int32)
    rows = np.column_stack([user, catalogue[items], hour, battery, liked, city]).astype(np.int32)
    chance = probability(logits(weights, rows))
    facts = {
        **{"name": "deepfm_dim4", "method": "deepfm", "dim": weights.dim, "seed": 0, "sha256": "0" * 64},
        "dataset": {"name": "drawn", "digest": "1" * 64},
        "metrics": {"valid": {"auc": 0.8}},
        "teacher": {"name": "fm_dim9", "sha256": "2" * 64, "metrics": {"valid": {"auc": 0.9}}},
    }
    return ClickSource(
        weights=weights,
        catalogue=catalogue.astype(np.int32),
        item_ids=tuple(f"i{item}" for item in range(N_ITEMS)),
        users=rng.integers(0, 9, n).astype(np.int32),
        items=items.astype(np.int32),
        labels=(rng.random(n) < chance).astype(np.uint8),
        rows=rows,
        asked=asked,
        facts=facts,
        licence=None,
        command="recpress-edge export --student deepfm_dim4",
    )


def of_many_items(source: ClickSource, times: int = 50) -> ClickSource:
    """The source with so many times the items, and its validation rows as test rows too."""
    n_items = times * len(source.item_ids)
    return dataclasses.replace(
        source,
        catalogue=np.tile(source.catalogue, (times, 1)),
        item_ids=tuple(f"i{item}" for item in range(n_items)),
        test=EvaluationRows(source.asked, source.items, source.labels, source.users),
    )


def click_bundle(folder: Path, recipe: str = "fp32", **shape) -> ExportedClicks:
    """A bundle of drawn weights, whatever the recipe costs them."""
    return build_clicks(source_of(**shape), folder, recipe, force=True)
