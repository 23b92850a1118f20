"""Numbers to text and back: base units (bytes, nanoseconds) inside, people's units at the edge."""

import math
import re
from collections.abc import Sequence
from typing import Final

from recpress_edge.core.errors import ConfigError

UNKNOWN: Final = "–"
"""Printed for a figure that was not measured, or that would say nothing."""
_SIZES: Final = {
    "B": 1,
    "KB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
    # 512M of memory is binary everywhere: for qemu, cgroups and systemd alike
    **dict.fromkeys(("K", "KIB"), 2**10),
    **dict.fromkeys(("M", "MIB"), 2**20),
    **dict.fromkeys(("G", "GIB"), 2**30),
}
_DURATIONS: Final = {"ns": 1, "us": 10**3, "µs": 10**3, "ms": 10**6, "s": 10**9, "min": 60 * 10**9}


def format_bytes(n_bytes: float) -> str:
    """Bytes as text in binary units: 1536 -> '1.5 KiB'."""
    size = float(n_bytes)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if abs(size) < 1024 or unit == "GiB":
            return f"{size:.0f} B" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    raise AssertionError("unreachable")


def format_share(share: float | None) -> str:
    """A metric as text: .0926 -> '0.0926'; '–' for None."""
    return UNKNOWN if share is None else f"{share:.4f}"


def format_recall(value: float) -> str:
    """A metric as the literature prints it: 0.27512 -> '.2751'; 1 stays '1.0000', and NaN is '–'."""
    return UNKNOWN if math.isnan(value) else f"{value:.4f}".removeprefix("0")


def format_change(value: float) -> str:
    """A difference of two metrics with its sign: '−.0002', '+.0010', '±0'."""
    if abs(value) < 0.00005:
        return "±0"
    return f"{'+' if value > 0 else '−'}{format_recall(abs(value))}"


def format_factor(ratio: float) -> str:
    """A ratio as text: '3.7×', '12×'."""
    return f"{ratio:.0f}×" if ratio >= 10 else f"{ratio:.1f}×"


def counted(count: int, one: str, several: str | None = None) -> str:
    """How many of what: '1 user', '2,000 users'; ``several`` where it is not ``one`` with an s."""
    return f"{count:,} {one if count == 1 else several or one + 's'}"


def enumerated(names: Sequence[str]) -> str:
    """Names as English lists them: 'a', 'a and b', 'a, b and c'."""
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def format_ns(nanoseconds: float) -> str:
    """Nanoseconds as text: 31211 -> '31.2 µs'."""
    for limit, divisor, unit in ((1e3, 1, "ns"), (1e6, 1e3, "µs"), (1e9, 1e6, "ms")):
        if abs(nanoseconds) < limit:
            return (
                f"{nanoseconds / divisor:.0f} ns" if unit == "ns" else f"{nanoseconds / divisor:.1f} {unit}"
            )
    return f"{nanoseconds / 1e9:.2f} s"


def format_seconds(seconds: float) -> str:
    """42 -> '42 s', 300 -> '5 min', 9000 -> '2.5 h'."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def about_seconds(seconds: float) -> str:
    """A forecast as text: 'about 42 s', 'about 5 min', 'under a second'."""
    return "under a second" if seconds < 1 else f"about {format_seconds(seconds)}"


def format_instructions(count: float) -> str:
    """An instruction count as text: 625412 -> '625.4 k instr'."""
    for limit, divisor, unit in ((1e3, 1, ""), (1e6, 1e3, "k "), (1e9, 1e6, "M ")):
        if abs(count) < limit:
            return f"{count / divisor:.{0 if divisor == 1 else 1}f} {unit}instr"
    return f"{count / 1e9:.2f} G instr"


def parse_size(text: str) -> int:
    """'2MiB' -> 2097152 bytes; a bare number is bytes."""
    return _parse(text, _SIZES, "B", "size", "2MiB, 330KB, 1048576", upper=True)


def parse_duration(text: str) -> int:
    """'5ms' -> 5000000 nanoseconds; a unit is required."""
    return _parse(text, _DURATIONS, None, "duration", "500us, 5ms, 2s", upper=False)


def _parse(
    text: str, units: dict[str, int], default: str | None, kind: str, examples: str, *, upper: bool
) -> int:
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([A-Za-zµ]*)\s*", text)
    unit = (match[2].upper() if upper else match[2]) if match else ""
    unit = unit or default or ""
    if match is None or unit not in units:
        raise ConfigError(f"{text!r} is not a {kind}. Write for example {examples}.")
    return round(float(match[1]) * units[unit])


def describe_cost(seconds: float, epochs: int, memory_bytes: int | None) -> str:
    """'1.52 s an epoch, memory +341.0 MiB', the parts that are known of a training run."""
    parts = [f"{seconds / epochs:.2f} s an epoch"] if epochs > 1 else []
    if memory_bytes is not None:
        parts.append(f"memory +{format_bytes(memory_bytes)}")
    return ", ".join(parts)
