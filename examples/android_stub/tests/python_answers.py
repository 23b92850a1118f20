"""Bundles of every kind, exported anew, and what Python's runtime answers from them."""

import dataclasses
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from exports import make_source, random_evaluation, source_of, write_student
from forging import sign

from device_bench.quality import ranking_quality
from recpress_edge.artifacts.bundle import EVALUATION_FILE, Bundle, open_bundle
from recpress_edge.artifacts.fold_in import FoldIn, read_fold_in, write_fold_in
from recpress_edge.artifacts.formats import FORMATS
from recpress_edge.artifacts.model_folder import read_student
from recpress_edge.artifacts.recipes import RECIPES
from recpress_edge.core.files import write_json
from recpress_edge.core.rng import stream
from recpress_edge.device.recommender import Recommender
from recpress_edge.device.verify import Verified, verify_bundle
from recpress_export.build import build
from recpress_export.gates import Gate, HistoryGate
from recpress_export.student import StudentData
from recpress_export.subjects import Subject
from recpress_export.subjects.all_users import AllUsers
from recpress_export.subjects.history import History
from recpress_export.subjects.single_user import SingleUser
from recpress_export.update.apply import update_bundle
from recpress_export.update.changes import read_changes

ANY_HISTORY = HistoryGate(max_recall_share=9.0, max_ndcg_share=9.0, lost_users=0)
NO_GATE = Gate(min_overlap=0.0, max_recall_loss=1.0, max_ndcg_loss=1.0, max_item_shift=1.0, lost_users=70)
EXTRA_QUERIES = 20


def export_bundles(folder: Path) -> Iterator[Bundle]:
    """Every recipe for all users, both other profiles, a catalogue with retired items, and ties."""
    source = odd_ids(make_source(folder / "model"))
    history = History(source, drawn_fold_in(folder / "model", source), ANY_HISTORY)
    single = SingleUser(source, source.user_ids[3])
    for recipe in RECIPES:
        yield export(AllUsers(source), recipe, folder, recipe)
    for recipe in ("fp32", "int8-dim"):
        yield export(single, recipe, folder, f"{recipe}-single-user")
        yield export(history, recipe, folder, f"{recipe}-history")
    in_c, history_in_c, single_in_c = (
        dataclasses.replace(one, data=dataclasses.replace(one.data, file_format="c"))
        for one in (AllUsers(source), history, single)
    )
    for recipe in FORMATS["c"].recipes:
        yield export(in_c, recipe, folder, f"{recipe}-c")
    for recipe in ("fp32", "int8-dim", "int4-item"):
        yield export(history_in_c, recipe, folder, f"{recipe}-history-c")
    yield export(single_in_c, "int8-item", folder, "int8-item-single-user-c")
    yield as_sequence(folder / "bundles/int8-dim-history", folder / "bundles/int8-dim-sequence")
    yield without_rows(folder / "bundles/int8-dim-history", folder / "bundles/history-without-rows")
    yield retired(source, folder)
    yield export(AllUsers(few_items(folder / "few-items")), "fp32", folder, "few-items")
    yield export(AllUsers(two_kinds(folder / "two-kinds")), "int8-dim", folder, "ties")


def export(subject: Subject, recipe: str, folder: Path, name: str) -> Bundle:
    target = folder / "bundles" / name
    bundle = build(subject, RECIPES[recipe], target, gate=NO_GATE, force=True).bundle
    return dataclasses.replace(bundle, name=name)


def odd_ids(source: StudentData) -> StudentData:
    """Ids as people have them: several scripts, spaces, quotes, characters beyond 16 bits."""
    marks = ["", " é", "～", " 🎬", ' "q"', "\\", "\t", "\u2028"]
    return dataclasses.replace(
        source,
        user_ids=[f"user {n}{marks[n % len(marks)]}" for n in range(len(source.user_ids))],
        item_ids=[f"item-{n}{marks[n * 3 % len(marks)]}" for n in range(len(source.item_ids))],
    )


def drawn_fold_in(folder: Path, source: StudentData):
    """A fold-in beside the model, as training would leave it."""
    rng, student = stream(0, "test fold-in"), source.model
    drawn = FoldIn(
        rng.standard_normal((student.n_items, student.dim), np.float32),
        rng.standard_normal(student.dim, np.float32),
    )
    write_fold_in(folder, drawn, {"model_sha256": student.sha256, "key": "test"})
    return read_fold_in(folder, student)


def as_sequence(folder: Path, target: Path) -> Bundle:
    """A history bundle that says that order matters: its items arrive as they are, repetitions included."""
    shutil.copytree(folder, target)
    sign(target, lambda manifest: manifest["contract"].update(history_length=50))
    return dataclasses.replace(open_bundle(target), name=target.name)


def without_rows(folder: Path, target: Path) -> Bundle:
    """A bundle for people's devices: no evaluation users travel along."""
    shutil.copytree(folder, target)
    (target / EVALUATION_FILE).unlink()
    sign(target, lambda manifest: manifest["files"].pop(EVALUATION_FILE))
    return dataclasses.replace(open_bundle(target), name=target.name)


def few_items(folder: Path) -> StudentData:
    """Ten users, 30 items: recall at 50 is 1 by necessity, and a smaller K judges."""
    rng = stream(0, "few items")
    user_emb, item_emb = (rng.standard_normal((n, 4), np.float32) for n in (10, 30))
    source = source_of(read_student(write_student(folder, user_emb, item_emb)))
    test = random_evaluation(10, 30, "few")
    ids = {"user_ids": [f"u{n}" for n in range(10)], "item_ids": [f"i{n}" for n in range(30)]}
    return dataclasses.replace(source, valid=test, test=test, **ids)


def retired(source: StudentData, folder: Path) -> Bundle:
    """Some items are gone from the catalogue, the first and the last among them."""
    before = export(AllUsers(source), "int8-dim", folder / "before", "retired")
    ids = np.array([source.item_ids[n] for n in (0, 7, 119)], np.str_)
    np.savez(folder / "retire.npz", retire_ids=ids)
    target = folder / "bundles" / "retired"
    changed = update_bundle(before.folder, read_changes(folder / "retire.npz"), target, force=False)
    return dataclasses.replace(changed.bundle, name="retired")


def two_kinds(folder: Path) -> StudentData:
    """Two users; items look one way or the other in turn, so that all of a kind tie."""
    user_emb = np.eye(2, dtype=np.float32)
    item_emb = np.ascontiguousarray(user_emb[np.arange(120) % 2])
    source = source_of(read_student(write_student(folder, user_emb, item_emb)))
    test = random_evaluation(2, 120, "ties")
    ids = {"user_ids": ["even", "odd"], "item_ids": [f"i{n}" for n in range(120)]}
    return dataclasses.replace(source, valid=test, test=test, **ids)


def write_answers(bundle: Bundle, target: Path) -> None:
    """Python's answers to the self-test's queries and to some more, and its figures of all users."""
    verified = verify_bundle(bundle.folder)
    recommender = Recommender.of(verified)
    queries = []
    for user, seen, k in [*selftest_queries(verified), *drawn_queries(verified)]:
        answer = recommender.recommend(user, seen, k)
        facts = {"items": answer.items, "scores": answer.scores.tolist()}
        queries.append({"user": user, "seen": seen, "k": k} | facts)
    quality = ranking_quality(verified)
    write_json(target, {"queries": queries, "quality": quality})


Query = tuple[str | None, list[str], int]


def selftest_queries(verified: Verified) -> Iterator[Query]:
    test = verified.test
    for user, seen in zip(test.users, test.seen, strict=True):
        yield user_id(verified, user), [verified.item_ids[item] for item in seen], test.k


def drawn_queries(verified: Verified) -> Iterator[Query]:
    """Any user, seen items that repeat themselves, and from one item to more than there are."""
    rng, contract = stream(0, "queries of the Android stub"), verified.bundle.contract
    for _ in range(EXTRA_QUERIES):
        user = int(rng.integers(contract.n_users)) if contract.n_users else None
        seen = rng.integers(0, contract.n_items, int(rng.integers(0, 60)))
        k = int(rng.choice([1, 7, 50, contract.n_items + 1]))
        yield user_id(verified, user), [verified.item_ids[item] for item in seen.tolist()], k


def user_id(verified: Verified, user: int | None) -> str | None:
    return None if user is None else verified.user_ids[user]
