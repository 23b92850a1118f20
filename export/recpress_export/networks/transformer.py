"""What transformers of sequences answer, in numpy and float64: slow, obvious, without torch or folding."""

import math
from collections.abc import Callable

import numpy as np

from recpress_edge.core.arrays import F64, I64
from recpress_edge.device.query import Query
from recpress_export.networks.student import NetworkStudent
from recpress_export.reference import Reference, Scores

NORM_EPSILON = 1e-5


def sasrec_reference(student: NetworkStudent) -> Reference:
    """Scores after a history, oldest item first."""
    state_after = _state_of(student, causal=True, activate=lambda x: np.maximum(x, 0))
    items = student.arrays["item_emb"][:-1].astype(np.float64)

    def scores_of(asked: Query) -> Scores:
        tokens = [len(items), *asked.seen[-student.items_read :]]
        return items @ state_after(np.array(tokens, np.int64)), np.float32(1)

    return Reference(0, len(items), scores_of, sequence=True)


def bert4rec_reference(student: NetworkStudent) -> Reference:
    """Scores of the item behind a mask that follows a history, oldest item first."""
    state_after = _state_of(student, causal=False, activate=_gelu)
    p = {name: array.astype(np.float64) for name, array in student.arrays.items()}
    items = p["item_emb"][:-1]

    def scores_of(asked: Query) -> Scores:
        tokens = np.array([*asked.seen[-student.items_read :], len(items)], np.int64)
        inner = _gelu(p["head_weight"] @ state_after(tokens) + p["head_bias"])
        return items @ normed(inner, p["head_gain"], p["head_shift"]) + p["item_bias"], np.float32(1)

    return Reference(0, len(items), scores_of, sequence=True)


def _gelu(x: F64) -> F64:
    """x · Φ(x), with the normal distribution's own function."""
    erf: F64 = np.vectorize(math.erf, otypes=[np.float64])(x / math.sqrt(2))
    return x * (1 + erf) / 2


def normed(x: F64, gain: F64, shift: F64) -> F64:
    """x (..., d) normalised over its last dimension, then gain and shift (d,)."""
    centred = x - x.mean(axis=-1, keepdims=True)
    spread = np.sqrt((centred**2).mean(axis=-1, keepdims=True) + NORM_EPSILON)
    found: F64 = centred / spread * gain + shift
    return found


def _state_of(
    student: NetworkStudent, *, causal: bool, activate: Callable[[F64], F64]
) -> Callable[[I64], F64]:
    """The last hidden state (d,) of tokens (n,)."""
    p = {name: array.astype(np.float64) for name, array in student.arrays.items()}
    table, heads, dim = p["item_emb"], student.heads, p["item_emb"].shape[1]

    def norm(x: F64, layer: str) -> F64:
        return normed(x, p[f"{layer}_gain"], p[f"{layer}_shift"])

    def attend(x: F64, layer: str) -> F64:
        n = len(x)
        qkv = x @ p[f"{layer}.qkv_weight"].T + p[f"{layer}.qkv_bias"]
        query, key, value = qkv.reshape(n, 3, heads, -1).transpose(1, 2, 0, 3)  # (H, n, d / H) each
        logits = query @ key.transpose(0, 2, 1) / np.sqrt(dim / heads)
        if causal:
            logits[:, np.triu(np.ones((n, n), np.bool_), 1)] = -np.inf
        weights = np.exp(logits - logits.max(axis=-1, keepdims=True))
        mixed = (weights / weights.sum(axis=-1, keepdims=True)) @ value
        merged = mixed.transpose(1, 0, 2).reshape(n, dim)
        result: F64 = merged @ p[f"{layer}.mix_weight"].T + p[f"{layer}.mix_bias"]
        return result

    def state(tokens: I64) -> F64:
        x = table[tokens] * np.sqrt(dim) + p["position_emb"][: len(tokens)]
        for number in range(student.n_layers):
            layer = f"layers.{number}"
            x = x + attend(norm(x, f"{layer}.attention"), layer)
            inner = activate(norm(x, f"{layer}.forward") @ p[f"{layer}.up_weight"].T + p[f"{layer}.up_bias"])
            x = x + inner @ p[f"{layer}.down_weight"].T + p[f"{layer}.down_bias"]
        last: F64 = norm(x, "final")[-1]
        return last

    return state
