"""The section ``firmware`` of a record, for people."""

from collections.abc import Iterator, Mapping
from typing import Any

from recpress_edge.core.units import format_bytes, format_instructions


def firmware_lines(record: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Labels and texts; nothing where a record has no such section."""
    firmware = record.get("firmware")
    if firmware is None:
        return
    yield (
        "flash",
        (
            f"{_bytes(firmware, 'flash')}: code {_bytes(firmware, 'code')} (the engine's own "
            f"{_bytes(firmware, 'engine')}), model {_bytes(firmware, 'model')}; of "
            f"{_bytes(firmware, 'chip_flash')}"
        ),
    )
    yield (
        "ram",
        (
            f"{_bytes(firmware, 'ram')}: static {_bytes(firmware, 'data')}, "
            f"scratch {_bytes(firmware, 'scratch')}, "
            f"lists {_bytes(firmware, 'lists')}, stack {_bytes(firmware, 'stack')} as painted; of "
            f"{_bytes(firmware, 'chip_ram')}, without the seen items"
        ),
    )
    yield "built", f"{firmware['compiler']}; {'; '.join(map(_try, firmware['tries']))}"
    yield "asked", _asked(record, firmware)
    checked = firmware["cross_check"]
    if checked is not None:
        yield (
            "counted",
            (
                f"{checked['clock']:,} instructions by the clock, {checked['plugin']:,} by a plugin "
                f"({abs(checked['apart']):.2%} apart)"
            ),
        )


def _bytes(firmware: Mapping[str, Any], name: str) -> str:
    return format_bytes(firmware[f"{name}_bytes"])


def _try(one: Mapping[str, Any]) -> str:
    counted = one["instructions"]
    taken = "too large" if counted is None else format_instructions(counted)
    return f"{one['level']} {format_bytes(one['code_bytes'])}, {taken}"


def _asked(record: Mapping[str, Any], firmware: Mapping[str, Any]) -> str:
    users, k = record["quality"]["users"], record["protocol"]["k"]
    what = f"{firmware['asked']:,} {'users' if users else 'queries of the self-test'} and lists of {k}"
    scores = "and scores to the bit" if firmware["scores_equal"] else "but not all scores to the bit"
    ids = "the reference's ids" if record["host"]["ids_equal"] else "other ids than the reference's"
    return f"{what}: {ids} {scores}"
