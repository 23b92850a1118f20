"""The history profile: the model file makes the user's vector from the items that the user has consumed.

In float: row = prior + Σ history_emb[item]. In integers, so that every CPU gives the same bits:

    sum (D,) int64 = prior_q + Σ history_q[item]
    peak           = max(1, max |sum|)
    row (D,) int8  = sign(sum) · ⌊(254 |sum| + peak) / (2 peak)⌋    rounded to nearest, halves away from zero
    score          = float32(top score) · (float32(peak) · step)

The row then takes the place of a quantised user row, whatever the recipe does with that.

A history that forgets (ADR 0030) reads its last N items in their order, and weighs each by its age, 0 for the
newest, with a decay λ_k a dimension: row = prior + Σ λ^age ∘ history_emb[item]. In integers the weights are
⌊127 λ^age⌉ and the prior's is 127, so that the sum stays a sum of products of two int8:

    sum (D,) int64 = 127 prior_q + Σ weight_q[age] ∘ history_q[item]
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load

from recpress_edge.artifacts.bundle import HISTORY, Contract
from recpress_edge.artifacts.integers import QMAX
from recpress_edge.artifacts.model_folder import Student, check_table, tensor_bytes
from recpress_edge.artifacts.quantize import QuantizedTables, stored_floats
from recpress_edge.artifacts.recipes import Recipe
from recpress_edge.core.arrays import F16, F32, F64, I8, I64
from recpress_edge.core.errors import ArtifactError
from recpress_edge.core.files import read_json, sha256_bytes, write_atomic, write_json

SCHEMA: Final = "recpress.fold-in/1"
FACTS: Final = "fold_in.json"
TENSORS: Final = "fold_in.safetensors"
MEANS: Final = "means of item vectors"
"""What model.json says of users that an import made from the items they consumed."""


@dataclass(frozen=True, slots=True, eq=False)
class FoldIn:
    """user(history) = prior + Σ history_emb[item]."""

    history_emb: F32
    """(I, D)"""
    prior: F32
    """(D,)"""
    sha256: str = ""
    """Digest of fold_in.safetensors; empty for one that is not written yet."""
    facts: Mapping[str, Any] = field(default_factory=dict)
    """fold_in.json as it stands."""
    decay: F32 | None = None
    """(D,) λ of a history that forgets; None where every item counts alike, in any order."""
    length: int = 0
    """N: items that a history that forgets reads."""

    @property
    def weights(self) -> F64 | None:
        """(N + 1, D) what is read is multiplied with: the oldest item first, the prior last."""
        return None if self.decay is None else age_weights(self.decay, self.length)

    @property
    def rows(self) -> F32:
        """All that users' vectors are sums of: (I + 1, D)."""
        return np.concatenate([self.history_emb, self.prior[None]])

    def row_after(self, seen: I64) -> F32:
        """The user's row (D,) of a history that forgets, after these items, oldest first."""
        weights = self.weights
        assert weights is not None, "of a history that counts every item alike, add the rows"
        bag = np.vstack([self.history_emb[seen[-self.length :]], self.prior[None]])
        row: F32 = (bag * weights[-len(bag) :]).sum(axis=0).astype(np.float32)
        return row


def age_weights(decay: F32, length: int) -> F64:
    """λ^age for the ages N − 1 … 0, then ones for the prior: decay (D,) -> (N + 1, D)."""
    ages = np.arange(length - 1, -1, -1)
    powers = decay.astype(np.float64) ** ages[:, None]
    return np.vstack([powers, np.ones((1, decay.size))])


def write_fold_in(folder: Path, fold_in: FoldIn, facts: Mapping[str, Any]) -> None:
    """Write it into the folder of its model: the tables, then fold_in.json, which makes it complete."""
    data = tensor_bytes({"history_emb": fold_in.history_emb, "prior": fold_in.prior})
    write_atomic(folder / TENSORS, data)
    write_json(folder / FACTS, {"schema": SCHEMA, **facts, "sha256": sha256_bytes(data)})


def has_fold_in(folder: Path, key: str) -> bool:
    """Whether a model's folder holds the fold-in of this key."""
    return (folder / FACTS).exists() and read_json(folder / FACTS).get("key") == key


def read_fold_in(folder: Path, student: Student) -> FoldIn:
    """Read and verify a model's fold-in; ArtifactError where it is damaged or another model's."""
    facts = read_json(folder / FACTS)
    path = folder / TENSORS
    try:
        data = path.read_bytes()
        arrays = load(data)
        history_emb, prior = arrays["history_emb"], arrays["prior"]
    except (OSError, SafetensorError, KeyError, ValueError) as error:
        raise ArtifactError(f"{path} is not a readable fold-in: {error}. Delete {folder / FACTS}.") from None
    found = sha256_bytes(data)
    known = facts.get("schema"), facts.get("sha256"), facts.get("model_sha256")
    if known != (SCHEMA, found, student.sha256):
        raise ArtifactError(
            f"{path} is not the fold-in of this model: {FACTS} describes another file. "
            f"Delete {folder / FACTS}, and it is learned again."
        )
    check_table(f"{path}: history_emb", history_emb, student.dim)
    check_table(f"{path}: prior", prior[None], student.dim)
    if len(history_emb) != student.n_items:
        raise ArtifactError(f"{path} has {len(history_emb)} items, the model {student.n_items}")
    return FoldIn(history_emb, prior, found, facts)


@dataclass(frozen=True, slots=True, eq=False)
class QuantizedHistory:
    """The fold-in in the units of a quantised user row: the items' scales are folded into it."""

    history_q: I8
    """(I, D), -127..127"""
    prior_q: I8
    """(D,), -127..127"""
    step: np.float32
    """What one unit of a row is worth per unit of its peak."""
    weights_q: I8 | None = None
    """(N + 1, D), 0..127, of a history that forgets: the oldest item first, the prior last."""


def quantize_history(fold_in: FoldIn, tables: QuantizedTables) -> QuantizedHistory:
    """int8 with one step for all: the sum has one peak, so finer steps would be rounded away after it.

    Raises ArtifactError where a sum over the whole catalogue would overflow int32.
    """
    weights = fold_in.weights
    longest, unit = (len(fold_in.history_emb), 1) if weights is None else (fold_in.length, QMAX)
    if (longest + 1) * QMAX * unit >= 2**31:
        raise ArtifactError(f"{longest} items are too many: the sum of a history would overflow")
    scale = tables.item_scale.astype(np.float64) * tables.telling
    folded, prior = fold_in.history_emb * scale, fold_in.prior * scale
    step = max(float(np.abs(folded).max()), float(np.abs(prior).max())) / QMAX
    step = step if step >= np.finfo(np.float32).tiny else 1.0

    def rounded(values: F64) -> I8:
        return np.clip(np.rint(values / step), -QMAX, QMAX).astype(np.int8)

    weights_q = None if weights is None else np.rint(weights * QMAX).astype(np.int8)
    return QuantizedHistory(rounded(folded), rounded(prior), np.float32(step / QMAX / unit), weights_q)


def float_history(recipe: Recipe, fold_in: FoldIn) -> tuple[F32 | F16, F32 | F16]:
    """history_emb (I, D) and prior (D,) as a recipe without integers stores them."""
    history_emb, prior = stored_floats(recipe, fold_in.history_emb, fold_in.prior[None])
    return history_emb, prior[0]


def history_contract(contract: Contract) -> Contract:
    """The same file without users."""
    return dataclasses.replace(contract, profile=HISTORY, user_input="", n_users=0)
