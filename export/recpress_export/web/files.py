"""What a web bundle holds beside what every bundle holds: its page and its engine."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from recpress_edge.artifacts.contract import Contract
from recpress_edge.artifacts.selftest import SelfTest
from recpress_edge.device.c.model_bin import read_header
from recpress_export.options import FileOptions
from recpress_export.web.engine import engines

PAGE: Final = Path(__file__).with_name("page")
_COMMENT_LINES: Final = re.compile(rb"^[ \t]*(//|/\*\*|\*).*\n", re.MULTILINE)
"""Of scripts: for readers of the sources, a twentieth of the page. recpress.d.ts documents the module."""


def web_files(
    model: bytes, _contract: Contract, _test: SelfTest, _options: FileOptions
) -> Mapping[str, bytes]:
    """Files by name: the page's, which are the same in every bundle, and an engine for this kind of model."""
    return {path.name: _shipped(path) for path in sorted(PAGE.iterdir())} | engines(read_header(model))


def _shipped(path: Path) -> bytes:
    data = path.read_bytes()
    return _COMMENT_LINES.sub(b"", data) if path.suffix == ".js" else data
