"""What a caller asks of a bundle beside that it is whole: who signed it, and which one it is.

Light: what checks a signature is imported when one is asked for.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from recpress_edge.core.errors import ArtifactError, ConfigError
from recpress_edge.core.registry import named

_DIGEST: Final = re.compile(r"[0-9a-f]{64}")
_CHECK: Final = "recpress_edge.artifacts.trust.checks:check_folder"


@dataclass(frozen=True, slots=True)
class Trust:
    """Which bundles a caller takes; by default every one that is whole."""

    keys: Path | None = None
    """File of trusted public keys; None: signatures are not looked at."""
    digest: str | None = None
    """Of the one bundle that is taken (its ``sha256``, 64 hex digits); None: any."""

    def __post_init__(self) -> None:
        if self.digest is not None and not _DIGEST.fullmatch(self.digest):
            raise ConfigError(
                f"--expect-digest {self.digest[:80]!r} is no digest: 64 digits of 0-9 and a-f, as "
                "recpress-edge bundle verify prints them."
            )

    @classmethod
    def of(cls, keys: Path | str | None, digest: str | None) -> "Trust":
        """The same from a path in either form."""
        return cls(None if keys is None else Path(keys), digest)

    def check_signature(self, folder: Path, manifest: bytes) -> None:
        """ArtifactError unless a trusted key signed these bytes of the folder's manifest."""
        if self.keys is not None:
            named(_CHECK)(folder, manifest, self.keys)

    def check_digest(self, folder: Path, digest: str) -> None:
        """ArtifactError where another bundle than the expected one is there."""
        if self.digest is not None and self.digest != digest:
            raise ArtifactError(
                f"{folder} is another bundle: its digest is {digest}, expected is {self.digest}",
                fault="digest",
            )


ANYBODY: Final = Trust()
"""Takes every bundle that is whole."""
