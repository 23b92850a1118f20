"""The bundle of two stages (recpress.bundle/3): its folder with contract, fields, ids and self-test."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recpress_edge.artifacts.bundle import ITEMS_FILE, MANIFEST, SELFTEST_FILE, USERS_FILE, verify_files
from recpress_edge.artifacts.clicks.contract import vocabulary_file
from recpress_edge.artifacts.clicks.selftest import selftest_bytes
from recpress_edge.artifacts.ids import encode_ids, read_ids
from recpress_edge.artifacts.manifest import EVALUATION_FILE, STAGES_SCHEMA, read_manifest, write_facts
from recpress_edge.artifacts.model_file import check_model_file
from recpress_edge.artifacts.trust.policy import ANYBODY, Trust
from recpress_edge.artifacts.two_stages.contract import (
    TwoStageContract,
    read_two_stage_contract,
    two_stage_facts,
    vocabularies,
)
from recpress_edge.artifacts.two_stages.evaluation import StageEvaluation, read_staged_rows
from recpress_edge.artifacts.two_stages.selftest import (
    TwoStageQuestion,
    read_two_stage_selftest,
)
from recpress_edge.core.files import write_atomic


@dataclass(frozen=True, slots=True, eq=False)
class TwoStageBundle:
    """A verified bundle. Ids and self-test are read on demand from ``folder``."""

    folder: Path
    name: str
    contract: TwoStageContract
    provenance: Mapping[str, Any]
    quality: Mapping[str, Any]
    """``chain``: metrics from teacher to this file; ``stages``: what the second adds to the first, and its
    gate."""
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

    def user_ids(self) -> list[str]:
        return read_ids(self.folder / USERS_FILE, self.contract.n_users) if self.contract.n_users else []

    def selftest(self) -> tuple[TwoStageQuestion, ...]:
        """The self-test, held against fields and ids."""
        return read_two_stage_selftest(self.folder, self.contract)

    def evaluation(self) -> StageEvaluation | None:
        """The test requests, checked before use; None where none travel along."""
        return read_staged_rows(self.folder, self.contract) if EVALUATION_FILE in self.files else None


def open_two_stage_bundle(folder: Path, trust: Trust = ANYBODY) -> TwoStageBundle:
    """Read and verify a bundle; any doubt is an ArtifactError that says what and where.

    ``trust``: whose bundles are taken.
    """
    manifest = read_manifest(folder, STAGES_SCHEMA, trust)
    features = manifest["contract"].get("features")
    count = len(features) if isinstance(features, list) else 0
    listed = [name for name in map(vocabulary_file, range(count)) if name in manifest["files"]]
    needed = (ITEMS_FILE, SELFTEST_FILE, *listed)
    verify_files(folder, manifest["files"], needed, digests=True)
    contract = read_two_stage_contract(folder / MANIFEST, manifest["contract"])
    users = (USERS_FILE,) if contract.n_users else ()
    verify_files(folder, manifest["files"], (contract.model_file, *users), digests=False)
    check_model_file(folder / contract.model_file, contract.format)
    kept = (manifest[name] for name in ("provenance", "quality", "files", "digest"))
    return TwoStageBundle(folder, manifest["name"], contract, *kept)


def write_two_stage_bundle(
    folder: Path,
    contract: TwoStageContract,
    ids: tuple[Sequence[str], Sequence[str]],
    questions: tuple[TwoStageQuestion, ...],
    facts: Mapping[str, Any],
    rows: StageEvaluation | None = None,
) -> TwoStageBundle:
    """Write what belongs beside the model file, the manifest last, and read it back.

    ``ids``: of users and of items. ``facts``: name, provenance and quality. ``rows``: of test, where they
    travel along.
    """
    files = {
        **({USERS_FILE: encode_ids("user", ids[0])} if contract.n_users else {}),
        ITEMS_FILE: encode_ids("item", ids[1]),
        SELFTEST_FILE: selftest_bytes(questions),
        **({} if rows is None else {EVALUATION_FILE: rows.to_bytes()}),
    }
    for name, data in (files | vocabularies(contract)).items():
        write_atomic(folder / name, data)
    write_facts(folder, STAGES_SCHEMA, {**facts, "contract": two_stage_facts(contract)})
    return open_two_stage_bundle(folder)
