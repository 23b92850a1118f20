"""Click bundles of every recipe of ONNX with Python's answers, and bundles that must be refused."""

import json
import shutil
from pathlib import Path
from typing import Any

from made_click_bundles import FIELDS, click_bundle, of_many_items, source_of

from recpress_edge.artifacts.clicks.contract import FORMAT_RECIPES
from recpress_edge.artifacts.formats import DEFAULT
from recpress_edge.artifacts.manifest import CLICK_SCHEMA, write_facts
from recpress_edge.core.files import write_json
from recpress_edge.core.rng import stream
from recpress_edge.device.clicks.ranker import ClickRanker
from recpress_export.clicks.build import build_clicks

QUESTIONS = 40
TEXTS = ("ann", "zoë", "zoe\u0308", "nobody", "", "東京", "🙂", None, 7)
NUMBERS = (None, 0, 7, "07", 23, 24, -1, 0.25, 0.5, -0.0, "1e999", 10**30, float("inf"))


def write_clicks(folder: Path) -> None:
    """``folder``: gets bundles/, refused/ and answers.json."""
    answers = []
    for recipe in FORMAT_RECIPES[DEFAULT]:
        source = of_many_items(source_of(), 3)
        bundle = build_clicks(source, folder / "bundles" / recipe, recipe, force=True).bundle
        ranker = ClickRanker.load(bundle.folder)
        answers += [{"bundle": recipe, **_answer(ranker, number)} for number in range(QUESTIONS)]
    write_json(folder / "answers.json", {"answers": answers})
    _write_refused(folder / "refused")


def _answer(ranker: ClickRanker, number: int) -> dict[str, Any]:
    rng = stream(0, f"click answers {number}")
    values: dict[str, Any] = {}
    for field in FIELDS:
        if field.side == "item" or rng.random() < 0.2:
            continue
        drawn = [TEXTS[place] for place in rng.integers(0, len(TEXTS), rng.integers(0, 5))]
        number_of = NUMBERS[rng.integers(len(NUMBERS))]
        kinds = {"many": drawn, "integer": number_of, "numeric": number_of}
        values[field.name] = kinds.get(field.kind, TEXTS[rng.integers(len(TEXTS))])
    names = [f"i{item}" for item in rng.integers(0, 60, rng.integers(1, 20))]
    candidates = None if number % 3 == 0 else [*names, "i0"]
    found = ranker.rank(values, candidates, 5)
    return {
        "values": values,
        "candidates": candidates,
        "items": list(found.items),
        "scores": found.logits.tolist(),
        "unknown": list(found.unknown),
    }


def _write_refused(folder: Path) -> None:
    """A folder for each fault, named after it."""
    click_bundle(folder / "content", "int8")
    _altered(folder / "content", lambda questions: questions[0]["row"].__setitem__(0, 1))
    click_bundle(folder / "answers", "int8")
    _altered(folder / "answers", lambda questions: questions[0]["scores"].__setitem__(0, 9.5))
    build_clicks(source_of(), folder / "unsupported", "fp32", force=True, file_format="tflite")
    click_bundle(folder / "digest", "int8")
    (folder / "digest" / "items.txt").write_bytes(
        (folder / "digest" / "items.txt").read_bytes().replace(b"i3", b"i9")
    )
    made = click_bundle(folder / "model", "int8").bundle
    made.model_path.write_bytes(made.model_path.read_bytes()[:-40])
    _signed(folder / "model")
    click_bundle(folder / "field", "int8")
    _signed(folder / "field", lambda contract: contract["features"][1].pop("most"))
    click_bundle(folder / "range", "int8")
    _signed(folder / "range", lambda contract: contract["features"][-1].update(buckets=2**31))
    shutil.copytree(folder / "answers", folder / "missing")
    (folder / "missing" / "bundle.json").unlink()


def _altered(folder: Path, change: Any) -> None:
    where = folder / "selftest.json"
    facts = json.loads(where.read_text(encoding="utf-8"))
    change(facts["questions"])
    where.write_text(json.dumps(facts), encoding="utf-8")
    _signed(folder)


def _signed(folder: Path, change: Any = lambda _: None) -> None:
    """The bundle with its digests made anew."""
    manifest = json.loads((folder / "bundle.json").read_text(encoding="utf-8"))
    (folder / "bundle.json").unlink()
    change(manifest["contract"])
    facts = {name: manifest[name] for name in ("name", "contract", "provenance", "quality")}
    write_facts(folder, CLICK_SCHEMA, facts)
