"""bundle.json: what a bundle is, what it was made from, and the digest of every file in it."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

from recpress_edge.artifacts.contract import Contract, check_size, contract_facts
from recpress_edge.artifacts.trust.policy import ANYBODY, Trust
from recpress_edge.core.errors import ArtifactError, ConfigError
from recpress_edge.core.facts import PROVENANCE, QUALITY, check_facts, check_plain
from recpress_edge.core.files import canonical_json, read_json, sha256_bytes, sha256_file, write_atomic

# History: 1 first version. 2 click models: another contract, so that what reads 1 refuses it. 3 two stages.
BUNDLE_SCHEMA: Final = "recpress.bundle/1"
CLICK_SCHEMA: Final = "recpress.bundle/2"
STAGES_SCHEMA: Final = "recpress.bundle/3"
MANIFEST: Final = "bundle.json"
SIGNATURE: Final = "bundle.sig"
"""A signature over the bytes of bundle.json, which cannot list it; trust/signature.py reads it."""
MAX_SIGNATURE_BYTES: Final = 4096
EVALUATION_FILE: Final = "evaluation.npz"
"""What evaluation.py reads, and a device that only answers does not."""
MAX_MANIFEST_BYTES: Final = 4 * 2**20
SAFE_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
LEAN: Final = "lean"
"""Of a lean bundle's provenance: what it was stripped from."""
_HEX: Final = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Full:
    """The bundle that a lean one was stripped from, which holds the proof."""

    name: str
    digest: str
    total_bytes: int
    """Of every file that it lists."""
    queries: int
    """Of its self-test."""
    left_out: tuple[str, ...]
    """Its files that the lean bundle does not have."""

    @property
    def told(self) -> str:
        """Which bundle that is."""
        return f"{self.name} (sha256 {self.digest[:16]}…)"

    def facts(self) -> dict[str, Any]:
        """For the provenance."""
        return {
            "of": self.name,
            "sha256": self.digest,
            "bytes": self.total_bytes,
            "queries": self.queries,
            "left_out": list(self.left_out),
        }


def full_of(provenance: Mapping[str, Any]) -> Full | None:
    """What a bundle was stripped from; None of a full one, ArtifactError where it does not say it whole."""
    facts = provenance.get(LEAN)
    if facts is None:
        return None
    try:
        named = (facts["of"], facts["sha256"], facts["bytes"], facts["queries"], tuple(facts["left_out"]))
    except (KeyError, TypeError) as error:
        raise ArtifactError(f"provenance.{LEAN} is not whole: {error!r}", fault="field") from None
    if not _HEX.fullmatch(named[1]):
        raise ArtifactError(f"provenance.{LEAN}.sha256 is no digest: {named[1]!r}", fault="field")
    return Full(*named)


def refuse_lean(folder: Path, provenance: Mapping[str, Any], what: str) -> None:
    """ConfigError for a lean bundle, where ``what`` needs the files that it left out."""
    full = full_of(provenance)
    if full is not None:
        raise ConfigError(
            f"{folder} is a lean bundle: {what}. Take the full one that it was stripped from, {full.told}."
        )


def write_manifest(
    folder: Path, name: str, contract: Contract, provenance: Mapping[str, Any], quality: Mapping[str, Any]
) -> str:
    """Digest every file in ``folder`` and write bundle.json last. Returns the bundle's digest.

    A signature is removed: it is of another manifest.
    """
    return write_facts(
        folder,
        BUNDLE_SCHEMA,
        {
            "name": name,
            "contract": contract_facts(contract),
            "provenance": dict(provenance),
            "quality": dict(quality),
        },
    )


def write_facts(folder: Path, schema: str, facts: Mapping[str, Any], *, indent: int | None = 2) -> str:
    """The same of a bundle of a schema: ``facts`` are its name, contract, provenance and quality.

    ``indent``: of the JSON, which people read; None where bytes count.
    """
    (folder / SIGNATURE).unlink(missing_ok=True)
    files = {
        path.name: {"bytes": path.stat().st_size, "sha256": sha256_file(path)}
        for path in sorted(folder.iterdir())
        if path.name != MANIFEST
    }
    manifest: dict[str, Any] = {"schema": schema, **facts, "files": files}
    digest = sha256_bytes(canonical_json(manifest))
    manifest["digest"] = digest
    write_atomic(folder / MANIFEST, (_as_json(manifest, indent) + "\n").encode())
    return digest


def _as_json(manifest: Mapping[str, Any], indent: int | None) -> str:
    separators = (",", ":") if indent is None else None
    return json.dumps(manifest, indent=indent, separators=separators, ensure_ascii=False)


def check_signature_file(where: Path) -> None:
    """ArtifactError where a signature is no small plain file."""
    if where.is_symlink() or not where.is_file() or where.stat().st_size > MAX_SIGNATURE_BYTES:
        raise ArtifactError(
            f"{where} is no signature: a plain file of at most {MAX_SIGNATURE_BYTES:,} bytes", fault="path"
        )


def read_manifest(folder: Path, schema: str = BUNDLE_SCHEMA, trust: Trust = ANYBODY) -> dict[str, Any]:
    """A bundle's manifest, its digest and fields checked; ``contract`` and ``files`` are not yet read.

    ``trust``: what else is asked of it; its signature is checked before anything of it is parsed.
    """
    where = folder / MANIFEST
    if where.is_symlink() or not where.is_file():
        raise ArtifactError(
            f"{folder} is not a bundle: it has no {MANIFEST}. Make one with: recpress-edge export",
            fault="missing",
        )
    check_size(where, MAX_MANIFEST_BYTES)
    manifest = read_json(where, partial(trust.check_signature, folder))
    _check_schema(where, manifest, schema)
    for field, kind in (
        ("name", str),
        ("contract", dict),
        ("provenance", dict),
        ("quality", dict),
        ("files", dict),
    ):
        if not isinstance(manifest.get(field), kind):
            raise ArtifactError(
                f"{where}: field {field!r} is missing or not a {kind.__name__}", fault="field"
            )
    digest = _digest(where, manifest)
    if manifest.get("digest") != digest:
        raise ArtifactError(
            f"{where} was changed after it was written: its digest is not {manifest.get('digest')}",
            fault="digest",
        )
    trust.check_digest(folder, digest)
    if not SAFE_NAME.fullmatch(manifest["name"]):  # records and folders are named after it
        raise ArtifactError(f"{where}: name {manifest['name']!r} is not a plain file name", fault="path")
    check_plain(str(where), {k: v for k, v in manifest.items() if k not in ("contract", "files")})
    check_facts(str(where), manifest["provenance"], PROVENANCE)
    full_of(manifest["provenance"])
    check_facts(str(where), manifest["quality"], QUALITY)
    return manifest


def bundle_bytes(folder: Path) -> int:
    """Of every file that a bundle of tables lists; the files themselves are not looked at."""
    return sum(int(facts["bytes"]) for facts in read_manifest(folder)["files"].values())


def is_click_bundle(folder: Path) -> bool:
    """Whether a folder says that it is a bundle of a click model; nothing of it is checked."""
    return _has_schema(folder, CLICK_SCHEMA)


def is_two_stage_bundle(folder: Path) -> bool:
    """Whether a folder says that it is a bundle of two stages; nothing of it is checked."""
    return _has_schema(folder, STAGES_SCHEMA)


def _has_schema(folder: Path, schema: str) -> bool:
    where = folder / MANIFEST
    if not where.is_file():
        return False
    check_size(where, MAX_MANIFEST_BYTES)
    return read_json(where).get("schema") == schema


def _check_schema(where: Path, manifest: Mapping[str, Any], schema: str) -> None:
    found = manifest.get("schema")
    if found == CLICK_SCHEMA != schema:
        raise ArtifactError(
            f"{where} is the bundle of a click model, which ranks items for a row of features and not for a "
            f"user. recpress-edge inspect {where.parent} shows it, and recpress-edge recommend asks it with "
            "--value FIELD=VALUE.",
            fault="schema",
        )
    if found == STAGES_SCHEMA != schema:
        raise ArtifactError(
            f"{where} is a bundle of two stages, which ranks for a user with the context of a request. "
            f"recpress-edge inspect {where.parent} shows it, and recpress-edge recommend asks it with "
            "--user, --seen and --value FIELD=VALUE.",
            fault="schema",
        )
    if found != schema:
        raise ArtifactError(
            f"{where} has schema {found!r}; this version reads {schema!r}. "
            "Export it again, or install the recpress-edge that wrote it.",
            fault="schema",
        )


def _digest(where: Path, manifest: Mapping[str, Any]) -> str:
    body = {key: value for key, value in manifest.items() if key != "digest"}
    try:
        return sha256_bytes(canonical_json(body))
    except (UnicodeEncodeError, RecursionError) as error:  # half a surrogate pair; nested to the limit
        raise ArtifactError(f"{where} is not readable JSON: {error}", fault="json") from None
