"""What the kernel tells in small files; None for what it does not tell."""

from pathlib import Path


def text_of(path: Path) -> str | None:
    """The whole text, undecodable bytes replaced."""
    try:
        return path.read_text(errors="replace")
    except OSError:
        return None


def integer_of(path: Path) -> int | None:
    """A file that holds one integer, which may be negative."""
    text = (text_of(path) or "").strip()
    return int(text) if text.removeprefix("-").isdigit() else None
