"""Corruptions of a small bundle: what a disk or a copy does, and what somebody with the code could do."""

import io
import json
import zipfile

import numpy as np

from recpress_edge.core.files import canonical_json, sha256_bytes, sha256_file

PATHS = (
    "../users.txt",
    "../../etc/passwd",
    "/etc/passwd",
    "a/b",
    "..",
    ".",
    "",
    "a\\b",
    "~root",
    "nul\0l",
    ".x",
)
SCHEMAS = ("recpress.bundle/0", "recpress.bundle/2", "recpress.bundle/1 ", "", None, 1, [], {})
FIELDS = (
    # of the contract, with values that cannot be right
    ("n_users", (0, -1, 41, 39, 2**31, 1.5, "40", None, True)),
    ("n_items", (0, -1, 301, 299, 2**40, "300", None)),
    ("dim", (0, -3, 2**31, "6", None)),
    ("format", ("", "pickle", "tflite", 7, None)),
    ("profile", ("", "everybody", "history", "single-user", None)),
    ("tie_rule", ("", "random", None)),
    ("retired", ([300], [-1], [2, 1], [1, 1], list(range(300)), "x", [1.5], {})),
    ("seen_capacity", (-1, 5, "x", 1.5)),
    ("user_input", ("", "who", 3)),
    ("seen_input", ("", "watched", None)),
    ("k_input", ("top", 20)),
    ("items_output", ("best", None)),
    ("scores_output", ("points", [])),
    ("model_file", ("users.txt", "other.onnx", "../model.onnx", "/dev/zero", "", 5)),
)


def pick(rng, values):
    return values[int(rng.integers(len(values)))]


# ---- damage that happens: a disk, a copy, a hand. The digests are no longer right.


def flip(folder, path, rng):
    data = bytearray(path.read_bytes())
    data[rng.integers(len(data))] ^= 1 << int(rng.integers(8))
    path.write_bytes(data)


def truncate(folder, path, rng):
    data = path.read_bytes()
    path.write_bytes(data[: rng.integers(len(data))])


def lengthen(folder, path, rng):
    path.write_bytes(path.read_bytes() + bytes(int(rng.integers(1, 100))))


def remove(folder, path, rng):
    path.unlink()


def swap(folder, path, rng):
    other = pick(rng, [p for p in sorted(folder.iterdir()) if p != path])
    first, second = path.read_bytes(), other.read_bytes()
    path.write_bytes(second)
    other.write_bytes(first)


def link(folder, path, rng):
    path.unlink()
    path.symlink_to("/etc/hostname")


ACCIDENTS = (flip, truncate, lengthen, remove, swap, link)


def accident(folder, rng):
    """One of them to one file; returns what was done."""
    path, damage = pick(rng, sorted(folder.iterdir())), pick(rng, ACCIDENTS)
    damage(folder, path, rng)
    return f"{damage.__name__} {path.name}"


# ---- damage that is done: every digest is made right again, as somebody with the code could.


def resign(folder, change=lambda manifest: None):
    path = folder / "bundle.json"
    manifest = json.loads(path.read_text())
    for name, facts in manifest["files"].items():
        if (folder / name).is_file():
            facts["bytes"], facts["sha256"] = (folder / name).stat().st_size, sha256_file(folder / name)
    change(manifest)
    manifest.pop("digest", None)
    manifest["digest"] = sha256_bytes(canonical_json(manifest))
    path.write_text(json.dumps(manifest))


def edit_selftest(folder, change):
    path = folder / "selftest.json"
    value = json.loads(path.read_text())
    change(value)
    path.write_text(json.dumps(value))
    resign(folder)


def other_schema(folder, rng):
    schema = pick(rng, SCHEMAS)
    resign(folder, lambda m: m.update(schema=schema))
    return f"schema {schema!r}"


def other_path(folder, rng):
    name, known = pick(rng, PATHS), pick(rng, ("users.txt", "model.onnx", "evaluation.npz"))
    replaced = bool(rng.integers(2))
    resign(
        folder, lambda m: m["files"].update({name: m["files"].pop(known) if replaced else m["files"][known]})
    )
    return f"{name!r} {'in place of' if replaced else 'beside'} {known}"


def other_contract(folder, rng):
    name, values = pick(rng, FIELDS)
    value = pick(rng, values)
    resign(folder, lambda m: m["contract"].update({name: value}))
    return f"contract {name} {value!r}"


def other_manifest(folder, rng):
    name = pick(rng, ("name", "contract", "provenance", "quality", "files"))
    value = pick(rng, (None, 3, "../up", [], "x" * 300))
    resign(folder, lambda m: m.update({name: value}))
    return f"{name} {value!r}"


def oversized_arrays(folder, rng):
    """An npz whose headers promise far more than the file holds, or whose members do."""
    size = int(10 ** rng.integers(9, 18))
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<i8", "fortran_order": False, "shape": (size,)})
    names = ("users", "seen_indptr", "seen_indices", "relevant_indptr", "relevant_indices")
    with zipfile.ZipFile(folder / "evaluation.npz", "w") as archive:
        for name in names:
            archive.writestr(f"{name}.npy", header.getvalue())
    resign(folder)
    return f"arrays of {size} numbers"


def other_arrays(folder, rng):
    """Arrays of the right form with numbers that cannot be: indices outside, pointers that go back."""
    with np.load(folder / "evaluation.npz") as archive:
        arrays = {name: archive[name] for name in archive.files}
    name = pick(rng, sorted(arrays))
    array = arrays[name].astype(np.int64)
    array[rng.integers(array.size)] = pick(rng, (-5, 2**31, 2**62))
    arrays[name] = array
    np.savez(folder / "evaluation.npz", **arrays)
    resign(folder)
    return f"{name} out of range"


def other_answers(folder, rng):
    path = folder / "selftest.json"
    value = json.loads(path.read_text())
    row = int(rng.integers(len(value["users"])))
    items = value["items"][row]
    match int(rng.integers(8)):
        case 0:
            items[0], items[1] = items[1], items[0]
        case 1:
            items[-1] = 300
        case 2:
            items.pop()
        case 3:
            value["scores"][row][0] = float("nan")
        case 4:
            value["users"][row] = pick(rng, (-1, 40, 2**70, "me"))
        case 5:
            value["seen"][row] = [pick(rng, (-1, 300, 2**70, "it"))]
        case 6:
            value.pop(pick(rng, sorted(value)))
        case _:
            value["k"] = pick(rng, (0, -1, 10**9, "many", None))
    path.write_text(json.dumps(value))
    resign(folder)
    return f"self-test row {row}"


def other_ids(folder, rng):
    path = folder / pick(rng, ("items.txt", "users.txt"))
    lines = path.read_bytes().split(b"\n")
    match int(rng.integers(4)):
        case 0:
            lines[1] = lines[0]
        case 1:
            lines.pop(0)
        case 2:
            lines[0] = b"\xff\xfe"
        case _:
            lines.pop()  # the last line end
    path.write_bytes(b"\n".join(lines))
    resign(folder)
    return f"lines of {path.name}"


def other_model(folder, rng):
    path = folder / "model.onnx"
    data = path.read_bytes()
    match int(rng.integers(3)):
        case 0:
            path.write_bytes(data[: int(rng.integers(1, len(data)))])
        case 1:
            path.write_bytes(rng.bytes(int(rng.integers(1, 4096))))
        case _:
            path.write_bytes((folder / "evaluation.npz").read_bytes())
    resign(folder)
    return "another model file"


DEEDS = (
    *(other_schema, other_path, other_contract, other_manifest, oversized_arrays),
    *(other_arrays, other_answers, other_ids, other_model),
)
