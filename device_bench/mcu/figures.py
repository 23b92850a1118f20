"""The parts of a record that firmware fills: sizes, samples, and whether its answers are the reference's."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from device_bench.emulation.tools import EmulationError
from device_bench.mcu.emulator import BoardAnswer, Boot, McuQuestion
from device_bench.mcu.firmware import Firmware
from recpress_edge.core.stats import percentile
from recpress_edge.device.verify import difference_beyond_ties, first_difference
from recpress_edge.records.bench import PERCENTILES, SAMPLES

AGREEMENT: Final = 0.005
"""By how much two ways of counting may differ: a tick is 31 to 63 instructions."""


@dataclass(frozen=True, slots=True)
class Questions:
    """Questions, and what must be answered."""

    questions: Sequence[McuQuestion]
    items: Sequence[Sequence[int]]
    scores: Sequence[Sequence[float]]

    def within(self, seen: int) -> "Questions":
        """Those of at most so many seen items."""
        kept = [index for index, one in enumerate(self.questions) if len(one.seen) <= seen]
        return Questions(
            [self.questions[index] for index in kept],
            [self.items[index] for index in kept],
            [self.scores[index] for index in kept],
        )

    @property
    def longest(self) -> int:
        """Seen items of a question at most."""
        return max((len(one.seen) for one in self.questions), default=0)


def asked_of(part: Mapping[str, Any], k: int) -> Questions:
    """Of a part of what the worker ``questions`` answered."""
    pairs = zip(part["users"], part["seen"], strict=True)
    return Questions([McuQuestion(user, seen, k) for user, seen in pairs], part["items"], part["scores"])


@dataclass(frozen=True, slots=True)
class Sameness:
    """How a board's answers compare with the reference's."""

    ids_sha256: str
    """Of the board's, as records state it."""
    ids_equal: bool
    scores_equal: bool
    """To the bit."""
    wrong: str | None
    """The first answer that may not be as it is; None where all hold."""


def compared(asked: Questions, answers: Sequence[BoardAnswer], tolerance: float | None) -> Sameness:
    """Each answer beside the reference's. ``tolerance``: of scores; None where all must be equal."""
    digest = hashlib.sha256()
    wrong: str | None = None
    ids_equal = scores_equal = True
    rows = zip(asked.questions, answers, asked.items, asked.scores, strict=True)
    for number, (question, answer, items, scores) in enumerate(rows, start=1):
        got, got_scores = answer.items.tolist(), answer.scores
        digest.update(answer.items.astype("<i8").tobytes())
        same_ids, same_scores = got == items, np.array_equal(got_scores, np.asarray(scores, np.float32))
        ids_equal, scores_equal = ids_equal and same_ids, scores_equal and same_scores
        if wrong or (same_ids and same_scores):
            continue
        parted: str | None
        if tolerance is None:
            parted = first_difference(got, items) or "scores differ"
        else:
            parted = difference_beyond_ties(got, got_scores.tolist(), items, scores, tolerance)
        if parted:
            wrong = f"wrong answers: question {number}, user {question.user}, k {question.k}: {parted}"
    return Sameness(digest.hexdigest(), ids_equal, scores_equal, wrong)


@dataclass(frozen=True, slots=True)
class Try:
    """One level of optimisation."""

    level: str
    firmware: Firmware
    instructions: int | None
    """Median of a few queries; None where it does not fit the chip."""

    def facts(self) -> dict[str, Any]:
        """As a record states it."""
        sizes = self.firmware.sizes
        return {
            "level": self.level,
            "code_bytes": sizes.code,
            "engine_bytes": sizes.engine,
            "instructions": self.instructions,
        }


def memory_facts(firmware: Firmware, boot: Boot, k: int) -> dict[str, int]:
    """Bytes of RAM by what they are for, and in all; the questions' own memory is not among them."""
    parts = {
        "data_bytes": firmware.sizes.data,
        "scratch_bytes": boot.scratch_bytes,
        "lists_bytes": 8 * k,
        "stack_bytes": boot.stack.all,
    }
    return {**parts, "ram_bytes": sum(parts.values())}


def memory_section(firmware: Firmware, boot: Boot, k: int) -> dict[str, Any]:
    """``memory_bytes`` of a bench record: RAM in use at most until then."""
    before, lists = firmware.sizes.data, boot.scratch_bytes + 8 * k
    found = {
        "idle": before + boot.stack.boot,
        "loaded": before + boot.stack.load,
        "first_query": before + lists + boot.stack.first_query,
        "model": before + lists + boot.stack.all,
    }
    return {name: {"vm_hwm": value, "pss_anon": None} for name, value in found.items()}


def samples(boot: Boot) -> dict[str, list[int]]:
    """``instructions`` of a bench record. Indices are what goes in and out: there is no other request."""
    counts = boot.queries
    return {
        "query": counts,
        "end_to_end": counts,
        "first_query": counts[:1],
        "load": [boot.instructions(boot.load_ticks)],
        "import": [boot.instructions(boot.boot_ticks)],
    }


def validity() -> dict[str, Any]:
    """``validity``: counts vary with nothing but the question."""
    judged = {"valid": True, "reasons": [], "wait_share": None, "other_work": None, "interruptions": None}
    return {name: {"trusted": list(PERCENTILES[name]), **judged} for name in SAMPLES}


def cross_check(boot: Boot, counted: Sequence[int]) -> dict[str, Any]:
    """The plugin's median beside the clock's; EmulationError where they tell different things."""
    by_clock, by_plugin = percentile(boot.queries, 50), percentile(counted, 50)
    apart = by_plugin / by_clock - 1
    allowed = AGREEMENT + 2 * boot.instructions_per_tick / by_clock
    if abs(apart) > allowed:
        raise EmulationError(
            f"two counts of a query differ: {by_clock:,.0f} instructions by the clock, {by_plugin:,.0f} by "
            f"the plugin; more than {allowed:.1%}"
        )
    return {"clock": round(by_clock), "plugin": round(by_plugin), "apart": round(apart, 5)}
