"""Small bundles for tests, made with the onnx package: every table is known, so is every answer."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from recpress_edge.artifacts.bundle import Bundle, Contract, Evaluation, open_bundle, write_manifest
from recpress_edge.core.files import write_json
from recpress_edge.core.rng import stream
from recpress_edge.device.reference import ReferenceRuntime


@dataclass(frozen=True)
class Tables:
    """A student's tables and the int8 form that the tests' model holds."""

    user_emb: np.ndarray
    item_emb: np.ndarray

    @property
    def int8(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        item_scale = np.maximum(np.abs(self.item_emb).max(0) / 127, 1e-12).astype(np.float32)
        item_q = np.rint(self.item_emb / item_scale).astype(np.int8)
        folded = self.user_emb * item_scale
        user_scale = np.maximum(np.abs(folded).max(1) / 127, 1e-12).astype(np.float32)
        return np.rint(folded / user_scale[:, None]).astype(np.int8), item_q, user_scale

    def reference(self, recipe: str) -> ReferenceRuntime:
        if recipe == "fp32":
            return ReferenceRuntime.from_float(self.user_emb, self.item_emb)
        return ReferenceRuntime.from_int8(*self.int8)


def make_tables(n_users: int, n_items: int, dim: int, seed: int = 0) -> Tables:
    rng = stream(seed, "test tables")
    return Tables(
        rng.normal(size=(n_users, dim)).astype(np.float32), rng.normal(size=(n_items, dim)).astype(np.float32)
    )


def write_model(path: Path, tables: Tables, recipe: str) -> None:
    """The contract's graph: gather, product, mask, top-k; integer until the last step for int8."""
    node, constants = helper.make_node, {"flat": np.array([-1], np.int64)}
    if recipe == "fp32":
        constants |= {
            "users": tables.user_emb,
            "items_t": tables.item_emb.T.copy(),
            "hide": np.float32([-np.inf]),
        }
        head = [node("Gather", ["users", "user"], ["u"]), node("MatMul", ["u", "items_t"], ["s2"])]
        tail = [node("TopK", ["masked", "k"], ["scores", "items"], axis=0)]
    else:
        user_q, item_q, user_scale = tables.int8
        constants |= {
            "users": (user_q.astype(np.int16) + 128).astype(np.uint8),
            "items_t": np.ascontiguousarray((item_q.astype(np.int16) + 128).astype(np.uint8).T),
            "zero": np.array(128, np.uint8),
            "scale": user_scale,
            "hide": np.array([-(2**31) + 1], np.int32),
        }
        head = [
            node("Gather", ["users", "user"], ["u"]),
            node("MatMulInteger", ["u", "items_t", "zero", "zero"], ["s2"]),
        ]
        tail = [
            node("TopK", ["masked", "k"], ["top", "items"], axis=0),
            node("Cast", ["top"], ["top_f"], to=TensorProto.FLOAT),
            node("Gather", ["scale", "user"], ["su"]),
            node("Mul", ["top_f", "su"], ["scores"]),
        ]
    mask = [
        node("Reshape", ["s2", "flat"], ["s"]),
        node("Shape", ["seen"], ["n_seen"]),
        node("Expand", ["hide", "n_seen"], ["hidden"]),
        node("ScatterElements", ["s", "seen", "hidden"], ["masked"], axis=0),
    ]
    info = helper.make_tensor_value_info
    graph = helper.make_graph(
        [*head, *mask, *tail],
        "test",
        [
            info("user", TensorProto.INT64, [1]),
            info("seen", TensorProto.INT64, ["n"]),
            info("k", TensorProto.INT64, [1]),
        ],
        [info("items", TensorProto.INT64, ["k_out"]), info("scores", TensorProto.FLOAT, ["k_out"])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, path)


def make_contract(tables: Tables, recipe: str) -> Contract:
    exact = recipe != "fp32"
    return Contract(
        model_file="model.onnx",
        format="onnx",
        recipe=recipe,
        profile="all-users",
        n_users=len(tables.user_emb),
        n_items=len(tables.item_emb),
        dim=tables.user_emb.shape[1],
        exact=exact,
        score_tolerance=0.0 if exact else 1e-4,
    )


def rows(values: Iterable[Sequence[int]]) -> tuple[np.ndarray, np.ndarray]:
    """Offsets (B + 1,) and the values one after the other."""
    lists = [np.asarray(value, np.int32) for value in values]
    return np.cumsum([0, *map(len, lists)]).astype(np.int64), np.concatenate([np.int32([]), *lists])


def evaluation(
    users: Sequence[int], seen: Iterable[Sequence[int]], relevant: Iterable[Sequence[int]]
) -> Evaluation:
    return Evaluation(np.array(users, np.int32), *rows(seen), *rows(relevant))


@dataclass(frozen=True, slots=True, kw_only=True)
class BundleOptions:
    """The sizes and the recipe of a bundle."""

    n_users: int = 40
    n_items: int = 300
    dim: int = 6
    recipe: str = "int8-dim"
    seed: int = 0
    k: int = 20
    n_tests: int = 8
    """Queries of its self-test."""


def make_bundle(folder: Path, **options: Any) -> Bundle:
    """Write a whole bundle with these :class:`BundleOptions` into ``folder`` (created) and open it."""
    made = BundleOptions(**options)
    tables = make_tables(made.n_users, made.n_items, made.dim, made.seed)
    rng = stream(made.seed, "test bundle")
    folder.mkdir(parents=True)
    write_model(folder / "model.onnx", tables, made.recipe)
    (folder / "users.txt").write_bytes("".join(f"u{i}\n" for i in range(made.n_users)).encode())
    (folder / "items.txt").write_bytes("".join(f"item-{i}\n" for i in range(made.n_items)).encode())
    seen = [np.sort(rng.permutation(made.n_items)[: rng.integers(0, 9)]) for _ in range(made.n_users)]
    relevant = [np.setdiff1d(rng.permutation(made.n_items)[: rng.integers(1, 6)], row) for row in seen]
    _write_selftest(folder, made, tables, seen)
    kept = [user for user in range(made.n_users) if relevant[user].size]
    found = evaluation(kept, [seen[user] for user in kept], [relevant[user] for user in kept])
    (folder / "evaluation.npz").write_bytes(found.to_bytes())
    write_manifest(
        folder,
        folder.name,
        make_contract(tables, made.recipe),
        {"student": "test", "seed": made.seed},
        {"chain": [], "parity": {}},
    )
    return open_bundle(folder)


def _write_selftest(folder: Path, made: BundleOptions, tables: Tables, seen: list[np.ndarray]) -> None:
    reference = tables.reference(made.recipe)
    answers = [reference.recommend(user, seen[user], made.k) for user in range(made.n_tests)]
    questions = {"users": list(range(made.n_tests)), "seen": [row.tolist() for row in seen[: made.n_tests]]}
    items, scores = ([part.tolist() for part in parts] for parts in zip(*answers, strict=True))
    write_json(folder / "selftest.json", {"k": made.k, **questions, "items": items, "scores": scores})
