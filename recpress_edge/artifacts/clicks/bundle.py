"""The bundle of a click model (recpress.bundle/2): its folder with contract, fields, items and self-test."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recpress_edge.artifacts.bundle import ITEMS_FILE, MANIFEST, SELFTEST_FILE, verify_files
from recpress_edge.artifacts.clicks.contract import (
    ClickContract,
    click_contract_facts,
    read_click_contract,
    vocabularies,
    vocabulary_file,
)
from recpress_edge.artifacts.clicks.evaluation import EvaluationRows, read_click_rows
from recpress_edge.artifacts.clicks.selftest import ClickQuestion, read_click_selftest, selftest_bytes
from recpress_edge.artifacts.ids import encode_ids, read_ids
from recpress_edge.artifacts.manifest import CLICK_SCHEMA, EVALUATION_FILE, read_manifest, write_facts
from recpress_edge.artifacts.model_file import check_model_file
from recpress_edge.artifacts.trust.policy import ANYBODY, Trust
from recpress_edge.core.files import write_atomic


@dataclass(frozen=True, slots=True, eq=False)
class ClickBundle:
    """A verified bundle. Items and self-test are read on demand from ``folder``."""

    folder: Path
    name: str
    contract: ClickContract
    provenance: Mapping[str, Any]
    quality: Mapping[str, Any]
    """``chain``: metrics from teacher to this file; ``clicks``: the file against fp32, and its gate."""
    files: Mapping[str, Mapping[str, Any]]
    digest: str

    @property
    def model_path(self) -> Path:
        return self.folder / self.contract.model_file

    @property
    def model_bytes(self) -> int:
        return int(self.files[self.contract.model_file]["bytes"])

    @property
    def total_bytes(self) -> int:
        """Of every file that it lists."""
        return sum(int(facts["bytes"]) for facts in self.files.values())

    def item_ids(self) -> list[str]:
        return read_ids(self.folder / ITEMS_FILE, self.contract.n_items)

    def selftest(self) -> tuple[ClickQuestion, ...]:
        """The self-test, held against fields and items."""
        return read_click_selftest(self.folder, self.contract)

    def evaluation(self) -> EvaluationRows | None:
        """The test rows, checked before use; None where none travel along."""
        return read_click_rows(self.folder, self.contract) if EVALUATION_FILE in self.files else None


def open_click_bundle(folder: Path, trust: Trust = ANYBODY) -> ClickBundle:
    """Read and verify a bundle; any doubt is an ArtifactError that says what and where.

    ``trust``: whose bundles are taken.
    """
    manifest = read_manifest(folder, CLICK_SCHEMA, trust)
    features = manifest["contract"].get("features")
    count = len(features) if isinstance(features, list) else 0
    listed = [name for name in map(vocabulary_file, range(count)) if name in manifest["files"]]
    verify_files(folder, manifest["files"], (ITEMS_FILE, SELFTEST_FILE, *listed), digests=True)
    contract = read_click_contract(folder / MANIFEST, manifest["contract"])
    verify_files(folder, manifest["files"], (contract.model_file,), digests=False)
    check_model_file(folder / contract.model_file, contract.format)
    kept = (manifest[name] for name in ("provenance", "quality", "files", "digest"))
    return ClickBundle(folder, manifest["name"], contract, *kept)


def write_click_bundle(
    folder: Path,
    contract: ClickContract,
    item_ids: tuple[str, ...],
    questions: tuple[ClickQuestion, ...],
    facts: Mapping[str, Any],
    rows: EvaluationRows | None = None,
) -> ClickBundle:
    """Write what belongs beside the model file, the manifest last, and read it back.

    ``facts``: name, provenance and quality; ``rows``: of test, where they travel along.
    """
    files = {ITEMS_FILE: encode_ids("item", item_ids), SELFTEST_FILE: selftest_bytes(questions)}
    files |= {} if rows is None else {EVALUATION_FILE: rows.to_bytes()}
    for name, data in (files | vocabularies(contract)).items():
        write_atomic(folder / name, data)
    write_facts(folder, CLICK_SCHEMA, {**facts, "contract": click_contract_facts(contract)})
    return open_click_bundle(folder)
