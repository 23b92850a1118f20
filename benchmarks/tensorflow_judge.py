"""TensorFlow as judge of exported students: the same request in its operators, through its converter.

    .venv-tensorflow/bin/python benchmarks/tensorflow_judge.py --work work \\
        --out benchmarks/results/tensorflow-judge.json work/models/htd_dim10-s0-… work/models/soft_dim20-s0-…

(`make test-tensorflow` makes the environment; each student's bundles fp32 and int8 must lie in WORK/dist as
ONNX and TFLite). Every test user is asked for the first 50 unseen items three times: of TensorFlow itself, of
what its converter wrote, in its own interpreter, and of our two files. int8 must agree to the bit; in fp32
sums are added in another order, so users whose lists differ are counted, with how far apart the scores are
of the items that changed places.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import tensorflow as tf
from _bench import machine, options, run, table

from recpress_edge.artifacts.bundle import Bundle, Evaluation, open_bundle
from recpress_edge.artifacts.model_folder import Student, read_student
from recpress_edge.artifacts.quantize import quantize, stored_floats
from recpress_edge.artifacts.recipes import RECIPES
from recpress_edge.core.arrays import F32
from recpress_edge.core.errors import ArtifactError, GateError
from recpress_edge.device.query import Answer
from recpress_edge.device.runtime import open_runtime
from recpress_export.ranking import LIST_LENGTH, TopLists, rank
from recpress_export.student import bundle_name

Ask = Callable[[Any, Any, Any], Answer]

SCHEMA: Final = "recpress.tensorflow-judge/1"
JUDGED: Final = ("fp32", "int8-dim")
FILES: Final = ("onnx", "tflite")


def float_tables(recipe: str, user_emb: F32, item_emb: F32) -> tuple[F32, F32, F32, F32]:
    """What a recipe multiplies, in float32, where integers are exact: users, items, their scales."""
    stored = quantize(RECIPES[recipe], user_emb, item_emb)
    if stored is None:
        users, items = (
            values.astype(np.float32) for values in stored_floats(RECIPES[recipe], user_emb, item_emb)
        )
        return users, items, np.ones(len(items), np.float32), np.ones(len(users), np.float32)
    row_scale = stored.item_row_scale
    scale = np.ones(len(item_emb), np.float32) if row_scale is None else row_scale.astype(np.float32)
    return stored.user_q.astype(np.float32), stored.item_q.astype(np.float32), scale, stored.user_scale


class Request(tf.Module):  # type: ignore[misc]
    """The request as TensorFlow's users would write it."""

    def __init__(self, users: F32, items: F32, item_scale: F32, user_scale: F32) -> None:
        super().__init__()
        self.users, self.items = tf.constant(users), tf.constant(items)
        self.item_scale, self.user_scale = tf.constant(item_scale), tf.constant(user_scale)

    @tf.function(  # type: ignore[untyped-decorator]
        input_signature=[
            tf.TensorSpec([1], tf.int32, "user"),
            tf.TensorSpec([None], tf.int32, "seen"),
            tf.TensorSpec([1], tf.int32, "k"),
        ]
    )
    def recommend(self, user: Any, seen: Any, k: Any) -> dict[str, Any]:
        row = tf.gather(self.users, user)  # (1, D)
        product = tf.matmul(row, self.items, transpose_b=True)[0]  # (I,)
        lowest = tf.fill(tf.shape(seen), np.float32(-np.inf))
        mask = tf.scatter_nd(seen[:, None], lowest, tf.shape(product))
        top = tf.math.top_k(product * self.item_scale + mask, k[0])
        return {"items": top.indices, "scores": top.values * tf.gather(self.user_scale, user)}


def itself(module: Request) -> Ask:
    """TensorFlow's own answers."""

    def ask(user: Any, seen: Any, k: Any) -> Answer:
        found = module.recommend(*(tf.constant(np.atleast_1d(value), tf.int32) for value in (user, seen, k)))
        return found["items"].numpy(), found["scores"].numpy()

    return ask


def converted(module: Request, optimizations: Sequence[Any] = ()) -> Ask:
    """Through TensorFlow's converter, in TensorFlow's own interpreter."""
    function = module.recommend.get_concrete_function()
    converter = tf.lite.TFLiteConverter.from_concrete_functions([function], module)
    converter.optimizations = list(optimizations)
    interpreter = tf.lite.Interpreter(
        model_content=converter.convert(),
        experimental_op_resolver_type=tf.lite.experimental.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
    )
    runner = interpreter.get_signature_runner()

    def ask(user: Any, seen: Any, k: Any) -> Answer:
        found = runner(user=np.array([user], np.int32), seen=seen.astype(np.int32), k=np.array([k], np.int32))
        return found["items"], found["scores"]

    return ask


def bundles_of(student: Student, recipe: str, work: Path) -> dict[str, Bundle]:
    """The files to judge, by format; ArtifactError where one is of another student of that name."""
    found = {}
    for file_format in FILES:
        name = bundle_name(student.name, student.seed, RECIPES[recipe], file_format)
        found[file_format] = open_bundle(work / "dist" / name)
        if found[file_format].provenance["model_sha256"] != student.sha256:
            raise ArtifactError(f"{work / 'dist' / name} was not exported from this {student.name}")
    return found


def lists_of(ask: Ask, users: Evaluation) -> TopLists:
    """The judge's first 50 of each user."""
    answers = [ask(users.users[row], users.seen(row), LIST_LENGTH) for row in range(users.users.size)]
    return TopLists(
        np.array([items for items, _ in answers], np.int64), np.array([s for _, s in answers], np.float32)
    )


def agreement(found: TopLists, wanted: TopLists) -> dict[str, Any]:
    """How many users get the same list, and how far scores are apart, over the largest of their list."""
    largest = np.abs(wanted.scores).max(axis=1, keepdims=True)  # (B, 1)
    apart = np.abs(found.scores - wanted.scores) / largest
    moved = found.items != wanted.items
    return {
        "same_lists": int((~moved).all(axis=1).sum()),
        "same_bits": int(((found.scores == wanted.scores) & ~moved).all(axis=1).sum()),
        "score_difference": float(apart.max()),
        "score_difference_of_moved": float(apart[moved].max(initial=0.0)),
    }


def judge(student: Student, recipe: str, work: Path) -> list[dict[str, Any]]:
    """One entry for each of our files and each of TensorFlow's two answers."""
    bundles = bundles_of(student, recipe, work)
    users = bundles["onnx"].rows()
    module = Request(*float_tables(recipe, student.user_emb, student.item_emb))
    theirs = {
        "TensorFlow": lists_of(itself(module), users),
        "its converter": lists_of(converted(module), users),
    }
    entries = []
    for file_format, bundle in bundles.items():
        runtime = open_runtime(bundle.model_path, bundle.contract)
        ours = rank(runtime, users)
        entries += [
            {
                "student": student.name,
                "model_sha256": student.sha256,
                "recipe": recipe,
                "format": file_format,
                "runtime": f"{runtime.name} {runtime.version}",
                "judge": name,
                "users": int(users.users.size),
                **agreement(ours, lists),
            }
            for name, lists in theirs.items()
        ]
    return entries


def parser() -> argparse.ArgumentParser:
    made = options(__doc__, work=Path("work"), out=True)
    made.add_argument("models", nargs="+", type=Path, metavar="MODEL", help="folders of trained students")
    return made


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """Every student in every recipe that is judged."""
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    students = [read_student(folder) for folder in args.models]
    return {
        "schema": SCHEMA,
        "k": LIST_LENGTH,
        "results": [e for s in students for recipe in JUDGED for e in judge(s, recipe, args.work)],
        **machine("tensorflow", tf.__version__),
    }


def show(record: dict[str, Any]) -> str:
    """A row for each file and judge."""
    headers = ["student", "recipe", "format", "judge", "users", "same list", "same bits", "moved by at most"]
    return table(headers, list(map(_cells, record["results"])))


def _cells(entry: dict[str, Any]) -> list[str]:
    counts = [f"{entry[key]:,}" for key in ("users", "same_lists", "same_bits")]
    names = [entry[key] for key in ("student", "recipe", "format", "judge")]
    return [*names, *counts, f"{entry['score_difference_of_moved']:.1e}"]


def decide(record: dict[str, Any]) -> None:
    """GateError where an exact recipe is not exact."""
    exact = [entry for entry in record["results"] if RECIPES[entry["recipe"]].exact]
    wrong = [entry for entry in exact if entry["same_bits"] != entry["users"]]
    if wrong:
        names = ", ".join(f"{e['student']} {e['recipe']} {e['format']} by {e['judge']}" for e in wrong)
        raise GateError(f"not equal to the bit for every user: {names}")


if __name__ == "__main__":
    sys.exit(run(parser(), measure, show, decide))
