"""Mutations of a bundle's files by bytes and by JSON: most keep their form and lose their sense."""

import json
import tempfile
from pathlib import Path

from damage import DEEDS, accident, pick, resign
from evil import HOSTILE

HOSTILE_VALUES = (
    *(None, True, False, 0, -1, 1, 2**31, -(2**31) - 1, 2**63, 2**64, 10**40, 0.5, -0.0, 1e308),
    *(float("nan"), float("inf"), float("-inf")),
    *("", "x", "../x", "/etc/passwd", "0", "model.onnx", HOSTILE, "\ud800", "x" * 20_000),
    *([], {}, [[]], [None], {"": None}, [0] * 5_000, {"name": []}),
)
INTERESTING = (0, 1, 0x7F, 0x80, 0xFF)


def in_memory():
    """A folder in memory where there is one: nothing of a case needs a disk."""
    shared = Path("/dev/shm")
    return shared if shared.is_dir() else Path(tempfile.gettempdir())


def mutate_bytes(data, rng):
    """One to four of: bits, bytes, a number, a piece cut out, doubled, put in, moved, the end lost."""
    data = bytearray(data)
    for _ in range(int(rng.integers(1, 5))):
        if not data:
            break
        at = int(rng.integers(len(data)))
        if rng.random() < 0.5:  # half of all in the first part, where headers are
            at = int(rng.integers(min(len(data), 400)))
        length = int(rng.integers(1, 64))
        match int(rng.integers(8)):
            case 0:
                data[at] ^= 1 << int(rng.integers(8))
            case 1:
                data[at] = pick(rng, INTERESTING)
            case 2:
                data[at : at + 4] = int(pick(rng, (0, 1, 2**31 - 1, 2**31, 2**32 - 1))).to_bytes(4, "little")
            case 3:
                del data[at : at + length]
            case 4:
                data[at:at] = data[at : at + length]
            case 5:
                data[at:at] = rng.bytes(length)
            case 6:
                there = int(rng.integers(len(data)))
                data[at : at + length] = data[there : there + length]
            case _:
                del data[max(at, 1) :]
    return bytes(data)


def a_place(value, rng):
    """A way down to something inside a JSON value, and its name there; None in an empty one."""
    at, found = value, None
    while isinstance(at, dict | list) and at and (found is None or rng.random() < 0.8):
        name = pick(rng, list(at)) if isinstance(at, dict) else int(rng.integers(len(at)))
        found = (at, name)
        at = at[name]
    return found


def copied(value):
    """A JSON value of its own; copy.deepcopy takes ten times as long."""
    if isinstance(value, dict):
        return {name: copied(one) for name, one in value.items()}
    if isinstance(value, list):
        return [copied(one) if isinstance(one, dict | list) else one for one in value]
    return value


def mutate_json(value, rng):
    """One to three places of a value get a hostile one, vanish, or are doubled; the value itself changes."""
    for _ in range(int(rng.integers(1, 4))):
        place = a_place(value, rng)
        if place is None:
            break
        at, name = place
        match int(rng.integers(4)):
            case 0:
                del at[name]
            case 1 if isinstance(at, dict):
                at[pick(rng, ("", "later", HOSTILE, "name"))] = copied(at[name])
            case _:
                at[name] = copied(pick(rng, HOSTILE_VALUES))
    return value


def mutate_bundle(folder, rng):
    """Spoil a bundle; returns what was done and whether the model file may be another one."""
    kind = rng.random()
    if kind < 0.05:
        return accident(folder, rng), True
    if kind < 0.2 and (folder / "model.onnx").exists() and (folder / "evaluation.npz").exists():
        return f"deed: {pick(rng, DEEDS)(folder, rng)}", True
    if kind < 0.45:
        return _json(folder, rng), False
    files = sorted(path for path in folder.iterdir() if path.name != "bundle.json")
    models = [path for path in files if path.suffix in (".onnx", ".tflite")]
    path = pick(rng, models if rng.random() < 0.6 else files)
    path.write_bytes(mutate_bytes(path.read_bytes(), rng))
    resign(folder)
    return f"bytes of {path.name}", path in models


def _json(folder, rng):
    name = pick(rng, ("bundle.json", "bundle.json", "selftest.json"))
    path = folder / name
    value = json.loads(path.read_text())
    if name == "selftest.json":
        path.write_text(json.dumps(mutate_json(value, rng)))
        resign(folder)
        return "JSON of selftest.json"
    changed = mutate_json({key: entry for key, entry in value.items() if key != "digest"}, rng)
    try:
        resign(folder, lambda manifest: (manifest.clear(), manifest.update(changed)))
    except (UnicodeEncodeError, ValueError):  # half a surrogate pair: no digest can be taken of it
        path.write_text(json.dumps(changed | {"digest": "0" * 64}))
    return "JSON of bundle.json"
