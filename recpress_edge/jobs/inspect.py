"""What a bundle, a trained model, a model file or a record holds; nothing in it is executed."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from recpress_edge.artifacts.bundle import MANIFEST, Bundle, open_bundle
from recpress_edge.artifacts.clicks.bundle import ClickBundle, open_click_bundle
from recpress_edge.artifacts.clicks.contract import click_contract_facts
from recpress_edge.artifacts.manifest import is_click_bundle, is_two_stage_bundle
from recpress_edge.artifacts.trust.policy import ANYBODY, Trust
from recpress_edge.artifacts.two_stages.bundle import TwoStageBundle, open_two_stage_bundle
from recpress_edge.artifacts.two_stages.contract import two_stage_facts
from recpress_edge.core.errors import ArtifactError, ConfigError, MissingExtraError
from recpress_edge.core.files import check_there, read_json, sha256_file
from recpress_edge.core.progress import OnEvent, silent
from recpress_edge.device.guard import STANDARD, Guard
from recpress_edge.records.bench import read_any_record
from recpress_export.inspect_apart import contents_apart

MODEL: Final = "model.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class InspectRequest:
    """``recpress-edge inspect``."""

    path: Path
    guard: Guard = STANDARD
    trust: Trust = ANYBODY

    def run(self, on_event: OnEvent = silent) -> dict[str, Any]:
        """What ``--json`` prints; ArtifactError where it is damaged."""
        path = self.path
        check_there(path)
        if not path.is_dir():
            self._check_trust()
            return _record(path) if path.suffix == ".json" else _file(path, self.guard)
        if is_click_bundle(path):
            return _click_bundle(open_click_bundle(path, self.trust), self.guard)
        if is_two_stage_bundle(path):
            return _two_stage_bundle(open_two_stage_bundle(path, self.trust), self.guard)
        if (path / MANIFEST).exists():
            return _bundle(open_bundle(path, trust=self.trust), self.guard)
        self._check_trust()
        if (path / MODEL).exists():
            return _model(path, self.guard)
        raise ArtifactError(f"{path} is neither a bundle (no {MANIFEST}) nor a trained model (no {MODEL})")

    def _check_trust(self) -> None:
        """ConfigError where a bundle is asked for and something else is there."""
        if self.trust != ANYBODY:
            raise ConfigError(
                f"--trusted and --expect-digest are of bundles, and {self.path} is none: it has no "
                f"{MANIFEST}. Leave them out."
            )


def _bundle(bundle: Bundle, guard: Guard) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "kind": "bundle",
        "path": str(bundle.folder),
        "name": bundle.name,
        "digest": bundle.digest,
        "digests": f"verified: {len(bundle.files)} files",
        "bytes": bundle.total_bytes,
        "contract": asdict(bundle.contract),
        "provenance": dict(bundle.provenance),
        "quality": dict(bundle.quality),
        "files": {name: dict(entry) for name, entry in bundle.files.items()},
    }
    return facts | _contents(bundle.model_path, guard)


def _click_bundle(bundle: ClickBundle, guard: Guard) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "kind": "clicks",
        "path": str(bundle.folder),
        "name": bundle.name,
        "digest": bundle.digest,
        "digests": f"verified: {len(bundle.files)} files",
        "bytes": bundle.total_bytes,
        "features": click_contract_facts(bundle.contract),
        "clicks": bundle.quality["clicks"],
        "made_from": dict(bundle.provenance),
        "selftest_questions": len(bundle.selftest()),
    }
    return facts | _contents(bundle.model_path, guard)


def _two_stage_bundle(bundle: TwoStageBundle, guard: Guard) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "kind": "two stages",
        "path": str(bundle.folder),
        "name": bundle.name,
        "digest": bundle.digest,
        "digests": f"verified: {len(bundle.files)} files",
        "bytes": bundle.total_bytes,
        "two_stages": two_stage_facts(bundle.contract),
        "stages": bundle.quality["stages"],
        "made_from": dict(bundle.provenance),
        "selftest_questions": len(bundle.selftest()),
    }
    return facts | _contents(bundle.model_path, guard)


def _contents(path: Path, guard: Guard) -> dict[str, Any]:
    """A model file inside a folder; without its reader the rest is still worth showing."""
    try:
        return {"model": _model_facts(path, guard)}
    except MissingExtraError as error:
        return {"model": None, "model_unread": str(error)}


def _model_facts(path: Path, guard: Guard) -> dict[str, Any]:
    contents = contents_apart(path, guard)
    return {"file": path.name, **contents, "operators": dict(contents["operators"])}


def _model(path: Path, guard: Guard) -> dict[str, Any]:
    """A trained model's folder."""
    known = read_json(path / MODEL)
    tables = path / "model.safetensors"
    contents = _model_facts(tables, guard)
    digest = sha256_file(tables)
    if digest != known.get("sha256"):
        raise ArtifactError(
            f"{tables} was changed: SHA-256 {digest}, model.json states {known.get('sha256')}"
        )
    return {
        "kind": "model",
        "path": str(path),
        "name": known.get("name"),
        "digest": digest,
        "digests": "verified: model.safetensors",
        "facts": known,
        "model": contents,
    }


def _record(path: Path) -> dict[str, Any]:
    schema = str(read_json(path).get("schema"))
    if schema.startswith(("recpress.bundle/", "recpress.model/")):
        raise ConfigError(f"{path} is part of its folder. Inspect that: recpress-edge inspect {path.parent}")
    record = read_any_record(path)
    return {
        "kind": "record",
        "path": str(path),
        "digests": "none: records carry no digest",
        "record": record,
        "format": record["schema"],
    }


def _file(path: Path, guard: Guard) -> dict[str, Any]:
    contents = _model_facts(path, guard)
    return {
        "kind": "file",
        "path": str(path),
        "digest": sha256_file(path),
        "digests": "none to check against: a file alone has no manifest",
        "model": contents,
    }
