"""Bundles of two stages with Python's answers to drawn requests, and bundles that must be refused."""

import functools
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import evil
import numpy as np
import pytest
from forging import Change, Manifest, forged, replace_file
from made_two_stages import FOUND, N_ITEMS, N_USERS, forgetting_source, source_of

from recpress_edge.core.errors import ArtifactError
from recpress_edge.core.files import write_json
from recpress_edge.core.rng import stream
from recpress_edge.device.two_stages.recommender import TwoStageRecommender
from recpress_export.two_stages.build import build_two_stages

SOURCES = {"two-stages": source_of, "two-stages-history": forgetting_source}
"""By a first stage of all users' vectors, and by one that reads a history."""
REQUESTS = 60
"""Of each bundle."""
STATED: dict[str, tuple[Any, ...]] = {
    "hour": (0, 23, 24, "07", None, 1.5),
    "gap": (0, 0.5, 59.9, 60.0, "1e999", -0.0),
    "place": ("home", "zoë's", "zoe\u0308's", "nowhere", "", 7),
    "moods": ([], ["glad"], ["tired", "glad", "glad"], ["", "sad"]),
    "city": ("東京", "🙂", "", None, 12),
}


def write_stages(folder: Path) -> None:
    """``folder``: gets bundles/, answers.json, refused/ and refused.json."""
    answers = []
    write_stage_bundles(folder / "bundles")
    for name in SOURCES:
        recommender = TwoStageRecommender.load(folder / "bundles" / name)
        answers += [{"bundle": name, **_answer(recommender, number)} for number in range(REQUESTS)]
    write_json(folder / "answers.json", {"answers": answers})
    _write_refused(folder)


def write_stage_bundles(folder: Path) -> None:
    """One a first stage, named after it."""
    for name, source in SOURCES.items():
        build_two_stages(source(), folder / name, force=True)


def _answer(recommender: TwoStageRecommender, number: int) -> dict[str, Any]:
    """A request whose seen items repeat themselves, are unknown, or leave fewer than the candidates."""
    rng = stream(0, f"two stage answers {number}")
    values = {name: known[rng.integers(len(known))] for name, known in STATED.items() if rng.random() < 0.8}
    size = int(rng.integers(0, 12)) if number % 4 else int(rng.integers(0, 3 * N_ITEMS))
    seen = [f"i{item}" for item in rng.integers(0, N_ITEMS + 3, size)]
    if number == 0:
        seen = [f"i{item}" for item in range(N_ITEMS)]
    user = f"u{rng.integers(N_USERS)}" if recommender.bundle.contract.n_users else None
    k = int(rng.choice([1, 5, FOUND]))
    found = recommender.recommend(user, seen, values, k)
    return {
        **{"user": user, "seen": seen, "values": values, "k": k, "items": list(found.items)},
        "bits": found.scores.view(np.int32).tolist(),
        **{"first": list(found.first), "unknown": list(found.unknown)},
    }


def _write_refused(folder: Path) -> None:
    """A folder a case, and Python's fault."""
    cases = []
    for number, (base, what, change) in enumerate(_wrong()):
        target = folder / "refused" / f"{number:02d}"
        shutil.copytree(folder / "bundles" / base, target)
        change(target, stream(number, "refused two stages"))
        with pytest.raises(ArtifactError) as refused:
            TwoStageRecommender.load(target)
        assert refused.value.fault is not None, refused.value
        cases.append({"folder": target.name, "what": f"{base}: {what}", "fault": refused.value.fault})
    write_json(folder / "refused.json", {"cases": cases})


def _wrong() -> Iterator[tuple[str, str, Change]]:
    users, history = SOURCES
    for number, (what, change) in enumerate((*_contracts(), *_self_tests(), *_files())):
        yield (users, history)[number % 2], what, change
    yield users, "no users", _without("users.txt")
    yield users, "rows that no user has", _contract(lambda c: c["of_users"][0].update(rows=1))
    yield users, "a model of nobody", functools.partial(_model_of, history)
    yield history, "users' fields", _contract(lambda c: c["of_users"].append(dict(name="x", rows=9, width=1)))
    yield history, "a history without order", _contract(lambda c: c["first"].pop("history_length"))
    yield history, "a user who asks", _asked(lambda questions: questions[0].update(user=0))
    yield history, "a model of users", functools.partial(_model_of, users)


def _contracts() -> Iterator[tuple[str, Change]]:
    for name, value in (
        *(("candidates", 0), ("candidates", N_ITEMS + 1), ("candidates", True), ("folded", "item")),
        *(("folded", ["hour"]), ("exact", False), ("tie_rule", "lower item index first"), ("recipe", "fp32")),
        *(("first", 7), ("features", None), ("of_users", {}), ("profile", "clicks"), ("format", "c")),
        ("model_file", "other.onnx"),
    ):
        yield f"contract {name} {value}", _contract(lambda c, n=name, v=value: c.update({n: v}))
    for name, value in (
        *(("recipe", "fp32"), ("k_input", "k"), ("exact", False), ("retired", [3]), ("n_items", 0)),
        *(("dim", "6"), ("seen_input", "retrieve"), ("seen_input", "rows"), ("items_output", "items")),
        *(("format", "gguf"), ("profile", "single-user")),
    ):
        yield f"first {name} {value}", _contract(lambda c, n=name, v=value: c["first"].update({n: v}))
    for place, values in (
        *((0, {"side": "item"}), (0, {"name": "gap"}), (0, {"most": 25}), (0, {"name": "seen[-3]"})),
        *((2, {"vocabulary": "field-9.txt"}), (2, {"size": 5}), (4, {"buckets": 2**31, "size": 2**31 + 2})),
        *((4, {"seed": 2**32}), (3, {"capacity": 0}), (5, {"size": 9}), (5, {"from": "seen[-2]"})),
        *((6, {"name": "seen[-3]", "from": "seen[-3]"}), (1, {"edges": [60.0, 0.5]})),
    ):
        yield f"feature {place} {values}", _contract(lambda c, p=place, v=values: c["features"][p].update(v))
    yield "features backwards", _contract(lambda c: c["features"].reverse())
    yield "a feature that is a text", _contract(lambda c: c["features"].__setitem__(0, "hour"))


def _self_tests() -> Iterator[tuple[str, Change]]:
    yield "few questions", _asked(lambda questions: questions.__delitem__(slice(3, None)))
    yield "no question", _asked(lambda questions: questions.clear())
    yield "a row of other values", _asked(lambda questions: questions[0]["row"].reverse())
    yield "a row that forgets the last item", _asked(lambda q: q[-1]["row"].__setitem__(-1, 0))
    yield "a question without items", _asked(lambda questions: questions[0].pop("items"))
    yield "a question without a user", _asked(lambda questions: questions[0].pop("user"))
    yield "a seen item beyond the catalogue", _asked(lambda questions: questions[3]["seen"].append(N_ITEMS))
    yield "a seen item in an answer", _asked(lambda q: q[-1]["items"].__setitem__(0, q[-1]["seen"][0]))
    yield "an item twice", _asked(lambda q: q[0]["items"].__setitem__(1, q[0]["items"][0]))
    yield "a negative item", _asked(lambda questions: questions[0]["items"].__setitem__(0, -1))
    yield "an index of more than 64 bits", _asked(lambda questions: questions[0]["items"].append(2**63))
    yield "another score", _asked(lambda questions: questions[0]["scores"].__setitem__(0, 9.5))
    yield "the next double", _asked(_next_double)
    yield "no figure", _asked(lambda questions: questions[0]["scores"].__setitem__(0, float("inf")))
    yield "answers upside down", _asked(lambda q: (q[0]["items"].reverse(), q[0]["scores"].reverse()))


def _next_double(questions: list[dict[str, Any]]) -> None:
    scores = questions[0]["scores"]
    scores[0] = float(np.nextafter(scores[0], 9))


def _files() -> Iterator[tuple[str, Change]]:
    def bytes_of(name: str, change: Callable[[bytes], bytes], *, signed: bool = True) -> Change:
        def apply(folder: Path, _: np.random.Generator) -> None:
            data = change((folder / name).read_bytes())
            if signed:
                replace_file(folder, name, data)
            else:
                (folder / name).write_bytes(data)

        return apply

    yield "no model", _without("model.onnx")
    yield "a vocabulary that is not there", _without("field-2.txt")
    yield "a changed vocabulary", bytes_of("field-2.txt", lambda data: data.replace(b"h", b"j"), signed=False)
    yield "a value twice", bytes_of("field-2.txt", lambda _: b"home\nhome\n")
    yield "a value too many", bytes_of("field-2.txt", lambda data: data + b"work\n")
    yield "an item twice", bytes_of("items.txt", lambda data: data.replace(b"i3\n", b"i4\n"))
    yield "a model cut short", bytes_of("model.onnx", lambda data: data[:-40])
    yield "a foreign operator", lambda folder, _: evil.edit_model(folder, evil.foreign_operator)
    yield "a schema of tables", forged(lambda m: m.update(schema="recpress.bundle/1"))


def _contract(change: Callable[[dict[str, Any]], Any]) -> Change:
    return forged(lambda manifest: change(manifest["contract"]))


def _asked(change: Callable[[list[dict[str, Any]]], Any]) -> Change:
    def apply(folder: Path, _: np.random.Generator) -> None:
        facts: Manifest = json.loads((folder / "selftest.json").read_text())
        change(facts["questions"])
        replace_file(folder, "selftest.json", json.dumps(facts).encode())

    return apply


def _model_of(other: str, folder: Path, _: np.random.Generator) -> None:
    replace_file(folder, "model.onnx", (folder.parents[1] / "bundles" / other / "model.onnx").read_bytes())


def _without(name: str) -> Change:
    def apply(folder: Path, rng: np.random.Generator) -> None:
        (folder / name).unlink()
        forged(lambda manifest: manifest["files"].pop(name))(folder, rng)

    return apply
