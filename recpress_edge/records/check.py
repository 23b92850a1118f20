"""budgets.toml, and records held against it: what a CI gate needs."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Final

from recpress_edge.core.config import load_config, read_toml
from recpress_edge.core.errors import ConfigError, GateError, InvalidRunError, unknown_name
from recpress_edge.core.metrics import stated_cutoff
from recpress_edge.core.stats import percentile
from recpress_edge.core.terminal import hanging
from recpress_edge.core.units import parse_duration, parse_size
from recpress_edge.records.bench import (
    BASES,
    PACED,
    RUNTIME_FIELDS,
    SAME_CONDITIONS,
    counts_instructions,
    field_of,
    figure,
    runtime_of,
    samples_of,
)
from recpress_edge.records.budget import Budget, Check, Cost, checks


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetTable:
    """One [budget.NAME] of budgets.toml, as it is written there."""

    device: str = "*"
    """Which records: their device id; * and ? stand for any text and any character."""
    artifact: str = "*"
    """Which records: the bundle's name, likewise."""
    basis: str = "measured"
    """Which records: measured or emulated ones."""
    max_bytes: str | None = None
    """Largest model file, '330KB'."""
    max_bundle: str | None = None
    """Most bytes of all files of the bundle, '1MiB': what travels to a device."""
    max_p50: str | None = None
    """Longest median of a query, '5ms'."""
    max_p95: str | None = None
    max_p99: str | None = None
    max_memory: str | None = None
    """Most peak memory of the whole process (VmHWM), '96MiB'."""
    max_instructions_p50: int | None = None
    """Most instructions of a median query; for emulated records, which count them and not time."""
    max_flash: str | None = None
    """Most flash of a microcontroller, code and model, '256KB'; for records of ``--on mcu:BOARD``."""
    max_ram: str | None = None
    """Most RAM of a microcontroller, '16KB', likewise."""
    max_paced_p95: str | None = None
    """Longest p95 of queries that each came after a pause; for records that measured some."""
    min_recall: float | None = None
    """Least Recall@K, at the K that judges the record's data: 50 but for small catalogues."""
    min_recall_at_10: float | None = None
    """Least Recall@10, and NDCG@10: the head of the list, which a device shows."""
    min_ndcg_at_10: float | None = None
    min_auc: float | None = None
    """Least AUC of a click bundle on the test rows that it carries."""


_TIMES: Final = ("max_p50", "max_p95", "max_p99", "max_paced_p95")
_UNITS: Final[Mapping[str, tuple[str, Callable[[str], int]]]] = {
    # key of budgets.toml -> field of Budget, how its text is read
    "max_bytes": ("max_file_bytes", parse_size),
    "max_bundle": ("max_bundle_bytes", parse_size),
    "max_memory": ("max_peak_bytes", parse_size),
    "max_flash": ("max_flash_bytes", parse_size),
    "max_ram": ("max_ram_bytes", parse_size),
    "max_p50": ("max_p50_ns", parse_duration),
    "max_p95": ("max_p95_ns", parse_duration),
    "max_p99": ("max_p99_ns", parse_duration),
    "max_paced_p95": ("max_paced_p95_ns", parse_duration),
}


@dataclass(frozen=True, slots=True)
class NamedBudget:
    """Limits with a name, and which records they are for."""

    name: str
    selects: BudgetTable
    limits: Budget

    def fits(self, record: Mapping[str, Any]) -> bool:
        """Whether this budget is for that record."""
        return (
            record["basis"] == self.selects.basis
            and fnmatchcase(str(record["device"].get("id")), self.selects.device)
            and fnmatchcase(str(record["artifact"].get("name")), self.selects.artifact)
        )


def read_budgets(path: Path, only: Sequence[str] = ()) -> tuple[NamedBudget, ...]:
    """Every budget of a file, or those in ``only``; ConfigError for unknown names and absurd limits."""
    values = read_toml(path)
    for key in values:
        if key != "budget":
            raise unknown_name(f"table in {path}", key, ["budget"])
    tables = values.get("budget")
    if not isinstance(tables, dict) or not all(isinstance(table, dict) for table in tables.values()):
        raise ConfigError(f'{path} holds no budget. Write for example: [budget.pi4], then max_p95 = "5ms"')
    for name in only:
        if name not in tables:
            raise unknown_name(f"budget in {path}", name, list(tables))
    return tuple(
        _budget(name, table, f"{path} [budget.{name}]")
        for name, table in tables.items()
        if name in only or not only
    )


def _budget(name: str, values: Mapping[str, Any], where: str) -> NamedBudget:
    table = load_config(BudgetTable, values, where)
    if table.basis not in BASES[:2]:
        raise ConfigError(f"{where}: basis must be {' or '.join(BASES[:2])}, got {table.basis!r}")
    counted = table.basis == "emulated"
    for key in _TIMES if counted else ("max_instructions_p50",):
        if getattr(table, key) is not None:
            raise ConfigError(
                f"{where}: {key} cannot be held against {table.basis} records, which count "
                f"{'instructions, not time' if counted else 'time, not instructions'}. "
                f"Remove it, or set basis = {BASES[not counted]!r}."
            )
    limits: dict[str, Any] = {}
    for field in dataclasses.fields(BudgetTable):
        value = getattr(table, field.name)
        if value is None or field.name in ("device", "artifact", "basis"):
            continue
        to, parse = _UNITS.get(field.name, (field.name, None))
        limits[to] = _parsed(value, parse, f"{where} {field.name}") if parse else value
    if not limits:
        raise ConfigError(f"{where} sets no limit")
    shares = [value for name, value in limits.items() if name.startswith("min_")]
    if min(limits.values()) < 0 or max(shares, default=0) > 1:
        raise ConfigError(f"{where}: a limit is negative, or a share above 1")
    return NamedBudget(name, table, Budget(**limits))


def _parsed(text: str, parse: Callable[[str], int], where: str) -> int:
    try:
        return parse(text)
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from None


def record_cost(record: Mapping[str, Any]) -> Cost:
    """The costs that a record states: times only if it measured them and they can be relied on."""
    counted = counts_instructions(record)
    timed = record["basis"] == "measured" and not counted
    p50, p95, p99 = (figure(record, "query", q) if timed else None for q in (50, 95, 99))
    cutoff = stated_cutoff(record["quality"])
    return Cost(
        file_bytes=record["artifact"].get("file_bytes"),
        bundle_bytes=record["artifact"].get("bundle_bytes"),
        p50_ns=p50,
        p95_ns=p95,
        p99_ns=p99,
        peak_bytes=(record["memory_bytes"].get("model") or {}).get("vm_hwm"),
        instructions_p50=percentile(samples_of(record)["query"], 50) if counted else None,
        paced_p95_ns=figure(record, PACED, 95) if timed else None,
        flash_bytes=field_of(record, "firmware.flash_bytes"),
        ram_bytes=field_of(record, "firmware.ram_bytes"),
        recall=record["quality"].get(f"recall@{cutoff}"),
        recall_at_10=record["quality"].get("recall@10"),
        ndcg_at_10=record["quality"].get("ndcg@10"),
        auc=record["quality"].get("auc"),
        cutoff=cutoff,
    )


@dataclass(frozen=True, slots=True)
class Held:
    """One budget held against one record; no record where the budget found none."""

    budget: NamedBudget
    path: Path | None
    record: Mapping[str, Any] | None
    checks: tuple[Check, ...]

    @property
    def misses(self) -> tuple[Check, ...]:
        """Limits that are missed, or not shown to hold."""
        return tuple(check for check in self.checks if not check.holds)

    @property
    def invalid(self) -> tuple[str, ...]:
        """Why the record is INVALID; empty when it is valid."""
        if self.record is None or self.record["valid"]:
            return ()
        return tuple(map(str, self.record.get("invalid_reasons", ()))) or ("no reason recorded",)


def hold(records: Sequence[tuple[Path, dict[str, Any]]], budgets: Sequence[NamedBudget]) -> tuple[Held, ...]:
    """Each budget against the newest record per bundle and condition that it is for, valid ones first."""
    held = []
    for budget in budgets:
        mine = newest([(path, record) for path, record in records if budget.fits(record)])
        held += [
            Held(budget, path, record, checks(record_cost(record), budget.limits)) for path, record in mine
        ]
        if not mine:
            held.append(Held(budget, None, None, ()))
    return tuple(held)


def newest(records: Sequence[tuple[Path, dict[str, Any]]]) -> list[tuple[Path, dict[str, Any]]]:
    """The newest record per bundle name and conditions; an invalid one only where there is no valid one."""
    kept: dict[tuple[str, ...], tuple[Path, dict[str, Any]]] = {}
    for path, record in sorted(records, key=lambda pair: (pair[1]["valid"], str(pair[1].get("created")))):
        conditions = (str(field_of(record, name)) for name in (*SAME_CONDITIONS, *RUNTIME_FIELDS))
        kept[(str(record["artifact"].get("name")), *conditions)] = (path, record)
    return list(kept.values())


def verdict_lines(held: Sequence[Held]) -> list[str]:
    """For each budget and record a line that names both, then a line for each limit with its margin."""
    lines = []
    for one in held:
        if one.record is None:
            lines.append(f"{one.budget.name}: no record")
            lines.append("  MISSED   no record is for it, so nothing shows that it holds")
            continue
        name, device = one.record["artifact"].get("name"), one.record["device"].get("id")
        who = f"{one.budget.name}: {name} on {device}, {runtime_of(one.record)}"
        lines.append(hanging("", who, 0))
        lines += [hanging("  ok" if check.holds else "  MISSED", str(check)) for check in one.checks]
        lines += [hanging("  INVALID", reason) for reason in one.invalid]
        if one.invalid:
            lines.append(hanging("  record", str(one.path)))
    return lines


def decide(held: Sequence[Held]) -> None:
    """GateError when a limit is missed, InvalidRunError when all hold but a run is INVALID."""
    missed = sum(len(one.misses) or one.record is None for one in held)
    if missed:
        total = sum(max(len(one.checks), 1) for one in held)
        raise GateError(f"{missed} of {total} limits missed or not shown to hold")
    invalid = [str(one.path) for one in held if one.invalid]
    if invalid:
        raise InvalidRunError(f"every limit holds, but these runs are INVALID: {', '.join(invalid)}")


def as_json(held: Sequence[Held]) -> list[dict[str, Any]]:
    """The same for programs, in base units."""
    return [
        {
            "budget": one.budget.name,
            "path": None if one.path is None else str(one.path),
            "artifact": None if one.record is None else one.record["artifact"].get("name"),
            "device": None if one.record is None else one.record["device"].get("id"),
            "invalid": "; ".join(one.invalid),
            "checks": [
                {
                    "constraint": check.constraint,
                    "limit": check.limit,
                    "found": check.found,
                    "margin": check.margin,
                    "holds": check.holds,
                }
                for check in one.checks
            ],
        }
        for one in held
    ]
