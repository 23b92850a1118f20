"""Fold-in: a user's vector from what the user has consumed, so that no table of users need be shipped.

user(history) = prior + Σ over the consumed items of history_emb[item]; only its direction ranks. Learned
by distillation: the sum over a random part of a known user's train items must point where the student's
own vector of that user points. Hiding a part (from nothing to all of it) is what makes short histories,
empty ones and new users work. The item table that is scored stays as it is.

The mean of the item vectors is the special case history_emb = item_emb, prior = 0; learning starts there.
"""

from dataclasses import asdict
from pathlib import Path
from typing import Final

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from recpress_edge.artifacts.fold_in import MEANS, FoldIn, has_fold_in, write_fold_in
from recpress_edge.artifacts.model_folder import Student
from recpress_edge.core.arrays import F32, I64
from recpress_edge.core.errors import RecPressError
from recpress_edge.core.files import digest_of
from recpress_edge.core.rng import stream
from recpress_edge.data.interactions import Interactions
from recpress_edge.distill.settings import FoldInConfig
from recpress_edge.models.nn import Adam
from recpress_edge.training.run import use_compute

# Part of the key; raise it when the same settings come to mean other numbers.
FOLD_IN_REVISION: Final = 1


def users_after(fold_in: FoldIn, histories: Interactions) -> F32:
    """A vector for every row of histories (U, D); a row without items gets the prior."""
    with torch.no_grad():
        model = _Sums(fold_in.history_emb, fold_in.prior)
        rows: F32 = model(histories.indices.astype(np.int64), histories.indptr[:-1]).numpy()
    return rows


class _Sums(nn.Module):
    """prior + the sum of the rows of a bag of items."""

    def __init__(self, history_emb: F32, prior: F32) -> None:
        super().__init__()
        self.history_emb = nn.Parameter(torch.from_numpy(history_emb.copy()))
        self.prior = nn.Parameter(torch.from_numpy(prior.copy()))

    def forward(self, items: I64, offsets: I64) -> Tensor:
        """items (nnz,), offsets (B,): the start of each bag -> (B, D)."""
        bags = F.embedding_bag(
            torch.from_numpy(items), self.history_emb, torch.from_numpy(offsets), mode="sum"
        )
        return bags + self.prior


def learn_fold_in(
    user_emb: F32, item_emb: F32, train: Interactions, seed: int, config: FoldInConfig
) -> FoldIn:
    """Distil the user table (U, D) into a history table (I, D) and a prior (D,).

    The loss is 1 − cosine(û, u). Cosines of the two users' scores over the whole catalogue, instead of
    their vectors, gave no better validation recall. Users without train items teach nothing. Raises
    RecPressError when it diverges.
    """
    wanted = F.normalize(torch.from_numpy(user_emb))  # (U, D)
    size = float(np.sqrt(np.mean(np.square(item_emb, dtype=np.float64)))) or 1.0
    model = _Sums(item_emb, np.zeros(item_emb.shape[1], np.float32))
    optimizer = Adam(model, 0.0, 0.0)
    taught = np.flatnonzero(train.counts())
    for epoch in range(config.epochs):
        optimizer.learning_rate = config.learning_rate * size * (1 - epoch / config.epochs)
        rng = stream(seed, "fold-in", epoch)
        order = rng.permutation(taught)
        for start in range(0, order.size, config.batch_users):
            users = order[start : start + config.batch_users]
            made = F.normalize(model(*_part_of(train, users, rng)))
            loss = 1 - (made * wanted[torch.from_numpy(users)]).sum(dim=1).mean()
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
    learned = FoldIn(model.history_emb.detach().numpy(), model.prior.detach().numpy())
    if not (np.isfinite(learned.history_emb).all() and np.isfinite(learned.prior).all()):
        raise RecPressError("the fold-in diverged: its tables are not finite. Lower its learning rate.")
    return learned


def _part_of(train: Interactions, users: I64, rng: np.random.Generator) -> tuple[I64, I64]:
    """A random part of each user's items, and where each part starts: every share from none to all."""
    rows, items = train.pairs_of(users)
    share = rng.random(users.size)[rows]
    kept = rng.random(items.size) < share
    sizes = np.bincount(rows[kept], minlength=users.size)
    return items[kept], np.cumsum(sizes) - sizes


def ensure_fold_in(
    folder: Path, student: Student, train: Interactions, dataset_sha256: str, threads: int = 1
) -> bool:
    """Learn and write the fold-in of the model in ``folder``, unless it is there. True when it was learned.

    The fold-in of another model, data set or setting is replaced.
    """
    config = FoldInConfig()
    facts = {
        "seed": student.seed,
        "model_sha256": student.sha256,
        "dataset_sha256": dataset_sha256,
        "config": asdict(config),
        "revision": FOLD_IN_REVISION,
    }
    key = digest_of(facts)
    if has_fold_in(folder, key):
        return False
    use_compute("cpu", threads)
    if _is_mean(student):
        learned = FoldIn(student.item_emb, np.zeros(student.dim, np.float32))
    else:
        learned = learn_fold_in(student.user_emb, student.item_emb, train, student.seed, config)
    write_fold_in(folder, learned, facts | {"key": key})
    return True


def _is_mean(student: Student) -> bool:
    """Whether its users already are the means of what they consumed, so that there is nothing to learn."""
    imported = student.facts.get("imported", {})
    whole = imported.get("items_without_vector") == 0 or imported.get("missing") == "zero"
    return imported.get("users_are") == MEANS and not imported["biases"] and whole
