"""What a web bundle holds beside what every bundle holds: its page and its engine."""

from pathlib import Path
from typing import Final

from recpress_edge.device.c.model_bin import read_header
from recpress_export.web.engine import engines

PAGE: Final = Path(__file__).parent / "page"


def web_files(model: bytes) -> dict[str, bytes]:
    """The further files of a bundle with this model.bin, by name."""
    page = {path.name: path.read_bytes() for path in sorted(PAGE.iterdir())}
    return page | engines(read_header(model))
