"""Changing a bundle as a forger does: with digests that fit again."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from recpress_edge.artifacts.bundle import MANIFEST
from recpress_edge.core.files import canonical_json, sha256_bytes

Change = Callable[[Path, np.random.Generator], None]
Manifest = dict[str, Any]


def forged(change: Callable[[Manifest], Any]) -> Change:
    """The manifest changed and signed again."""

    def apply(folder: Path, _: np.random.Generator) -> None:
        sign(folder, change)

    return apply


def sign(folder: Path, change: Callable[[Manifest], Any]) -> None:
    manifest = json.loads((folder / MANIFEST).read_text())
    change(manifest)
    manifest.pop("digest")
    manifest["digest"] = sha256_bytes(canonical_json(manifest))
    (folder / MANIFEST).write_text(json.dumps(manifest))


def replace_file(folder: Path, name: str, data: bytes) -> None:
    """Other content with a digest that fits."""
    (folder / name).write_bytes(data)
    facts = {"bytes": len(data), "sha256": sha256_bytes(data)}
    sign(folder, lambda manifest: manifest["files"].update({name: facts}))
