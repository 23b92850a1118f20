"""The cost of a training run in words."""

from recpress_edge.core.units import format_bytes


def describe_cost(seconds: float, epochs: int, memory_bytes: int | None) -> str:
    """'1.52 s an epoch, memory +341.0 MiB', the parts that are known."""
    parts = [f"{seconds / epochs:.2f} s an epoch"] if epochs > 1 else []
    if memory_bytes is not None:
        parts.append(f"memory +{format_bytes(memory_bytes)}")
    return ", ".join(parts)
