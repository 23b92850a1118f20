"""Recall and NDCG of a two-stage bundle over its test users: of the first stage alone, and of both."""

import hashlib
from collections.abc import Callable
from typing import Any

import numpy as np

from device_bench.quality import LIST_LENGTH, ranking_metrics
from device_bench.two_stages.requests import staged_request
from recpress_edge.artifacts.two_stages.bundle import TwoStageBundle
from recpress_edge.artifacts.two_stages.evaluation import StageEvaluation
from recpress_edge.core.metrics import RECALL_DEFINITION, stated_cutoff, telling_cutoff
from recpress_edge.device.two_stages.runtimes import StagedLists, StagedRequest, TwoStageRuntime


def stage_quality(
    bundle: TwoStageBundle, runtime: TwoStageRuntime, keep: Callable[[StagedLists], None] = lambda _: None
) -> dict[str, Any]:
    """Metrics of both stages, and under ``first_stage`` of the first alone with ``found``, the share of what
    was taken that is among the candidates; a digest of the lists.

    Without evaluation rows the self-test is asked, and there are no metrics: ``users`` is 0. ``keep`` takes
    each answer.
    """
    contract, rows, ids = bundle.contract, bundle.evaluation(), hashlib.sha256()
    requests = _of_selftest(bundle) if rows is None else _of_rows(bundle, rows)
    topk, first = np.full((2, len(requests), LIST_LENGTH), -1, np.int64)  # -1 is no item, so never a hit
    found = 0
    for at, asked in enumerate(requests):
        lists = runtime.lists(asked)
        keep(lists)
        ids.update(lists.items.astype("<i8").tobytes())
        topk[at, : lists.items.size] = lists.items
        best = lists.first_items[:LIST_LENGTH]
        first[at, : best.size] = best
        found += rows is not None and bool(np.isin(rows.asked.relevant(at), lists.first_items).all())
    known = {"definition": RECALL_DEFINITION, "ids_sha256": ids.hexdigest()}
    if rows is None:
        return known | {"cutoff": stated_cutoff(bundle.quality), "split": None, "users": 0}
    candidates = rows.asked.candidates(contract.n_items)
    cutoff = telling_cutoff(bundle.quality, candidates)
    alone = ranking_metrics(first, rows.asked, candidates, cutoff)
    return known | {
        **ranking_metrics(topk, rows.asked, candidates, cutoff),
        "first_stage": {**alone, "found": found / len(requests)},
        "cutoff": cutoff,
        "split": "test",
        "users": len(requests),
    }


def _of_rows(bundle: TwoStageBundle, rows: StageEvaluation) -> list[StagedRequest]:
    asked = rows.asked
    return [
        staged_request(
            bundle.contract, asked.user(at), asked.seen(at).astype(np.int64), rows.rows[at], LIST_LENGTH
        )
        for at in range(asked.users.size)
    ]


def _of_selftest(bundle: TwoStageBundle) -> list[StagedRequest]:
    return [
        staged_request(
            bundle.contract,
            question.user,
            np.array(question.seen, np.int64),
            np.array(question.row, np.int32),
            LIST_LENGTH,
        )
        for question in bundle.selftest()
    ]
