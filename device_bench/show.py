"""A record as aligned lines for people; every figure with its number of samples."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from device_bench.estimates import estimate_lines
from device_bench.mcu.show import firmware_lines
from recpress_edge.artifacts.clicks.contract import CLICKS
from recpress_edge.artifacts.clicks.metrics import CLICK_METRICS, TITLES
from recpress_edge.artifacts.manifest import full_of
from recpress_edge.artifacts.two_stages.contract import TWO_STAGES
from recpress_edge.core.metrics import metric_title, reported_cutoffs, shown_metrics, stated_cutoff
from recpress_edge.core.stats import percentile, percentile_upper
from recpress_edge.core.units import format_bytes, format_instructions, format_ns, format_share
from recpress_edge.records.bench import (
    BENCH_SCHEMA,
    CATALOGUE,
    MEDIAN,
    PACED,
    PARITY_SCHEMA,
    RERANK,
    RETRIEVE,
    counts_instructions,
    figure,
    model_memory_bytes,
    samples_of,
    trusted,
)
from recpress_edge.records.survival import SURVIVAL_SCHEMA, limit_text

Form = Callable[[float], str]


def record_lines(record: Mapping[str, Any]) -> list[str]:
    """What ``device_bench run`` prints for one record, by its schema."""
    return _LINES[record["schema"]](record)


def _bench_lines(record: Mapping[str, Any]) -> list[str]:
    device, protocol, tested = record["device"], record["protocol"], record["selftest"]
    form = format_instructions if counts_instructions(record) else format_ns
    return [
        labelled("bundle", _bundle(record["artifact"])),
        labelled("verified", f"digests; self-test {_queries(record)}, {_exactness(tested)}"),
        labelled("device", _device(device, record["software"], protocol)),
        *(labelled("cold", line) for line in _cold(record, form)),
        *(labelled("warm", line) for line in _warm(record, form)),
        *(labelled("paced", line) for line in _paced(record, form)),
        *(labelled("sustained", line) for line in _sustained(record.get("sustained"))),
        *(labelled(*line) for line in firmware_lines(record)),
        *(labelled("memory", line) for line in _memory(record)),
        *(labelled("quality", line) for line in _quality(record)),
        *(labelled("host", line) for line in _host(record.get("host"))),
        *(labelled("estimate", line) for line in _estimates(record)),
        labelled(
            "basis", f"{record['basis']}; {'valid' if record['valid'] else 'INVALID, not for the headline'}"
        ),
        *(labelled("invalid", reason) for reason in record["invalid_reasons"]),
        *(labelled("doubtful", line) for line in _doubtful(record)),
        *(labelled("warning", warning) for warning in record["warnings"]),
    ]


def _survival_lines(record: Mapping[str, Any]) -> list[str]:
    limit, protocol = record["limit"], record["protocol"]
    most = limit_text(limit["memory_bytes"], limit["cpus"])
    peak = "" if record["peak_bytes"] is None else f"; peak {format_bytes(record['peak_bytes'])}"
    where = "" if record["stage"] is None else f" in stage {record['stage']}"
    return [
        labelled("bundle", _bundle(record["artifact"])),
        labelled("limit", f"{most}, {limit['how']}; top {protocol['k']}"),
        labelled("outcome", f"{record['outcome'].upper()}{where}{peak}"),
        labelled("detail", record["detail"]),
        labelled("basis", f"{record['basis']}; robustness only, no latency"),
    ]


def _parity_lines(record: Mapping[str, Any]) -> list[str]:
    device, host = record["device"], record["host"]
    tested = f"self-test {_queries(record)}; {_sameness(host)}"
    return [
        labelled("bundle", _bundle(record["artifact"])),
        labelled("device", f"{device['model']}, {device['core']}"),
        labelled("verified", tested),
        *(labelled("quality", line) for line in _quality(record)),
        *(labelled("profile", line) for line in _profile(record["profile"])),
        *(labelled("skipped", f"{one['part']}: {one['reason']}") for one in record["skipped"]),
        labelled("basis", f"{record['basis']}{'' if record['valid'] else ', INVALID'}; answers, no latency"),
    ]


def _sameness(host: Mapping[str, Any]) -> str:
    if host["ids_equal"]:
        return "the same ids for every user as on this machine"
    apart = host["differences"]
    return (
        f"the same ids as on this machine for {apart['users_equal']:,} of {apart['users']:,} users; for the "
        f"others items change places whose scores are {apart['largest_gap']:.1g} apart at most (relative)"
    )


def _profile(profile: Mapping[str, Any] | None) -> list[str]:
    if profile is None:
        return []
    first, last = profile["first_level_misses"], profile["last_level_misses"]
    return [
        f"{format_instructions(profile['instructions'])} a query, {profile['simd_share']:.0%} SIMD; misses: "
        f"{first:,} first level, {last:,} last level; {format_bytes(profile['memory_bytes'])} of main memory",
        f"{profile['caches']} ({profile['label']})",
    ]


_LINES: Final[Mapping[str, Callable[[Mapping[str, Any]], list[str]]]] = {
    BENCH_SCHEMA: _bench_lines,
    SURVIVAL_SCHEMA: _survival_lines,
    PARITY_SCHEMA: _parity_lines,
}


def _bundle(artifact: Mapping[str, Any]) -> str:
    n_users = artifact["n_users"]
    if artifact["profile"] == CLICKS:
        shape = f"clicks × {artifact['n_items']:,} items × {artifact['dim']}"
        return f"{artifact['name']}  {artifact['recipe']}  {shape}  {_size(artifact)}"
    users = f"{n_users:,} user{'' if n_users == 1 else 's'}" if n_users else "any history"
    shape = f"{users} × {artifact['n_items']:,} items × {artifact['dim']}"
    return f"{artifact['name']}  {artifact['recipe']}  {shape}  {_size(artifact)}"


def _size(artifact: Mapping[str, Any]) -> str:
    """The model file, and every file of the bundle."""
    return f"model {format_bytes(artifact['file_bytes'])}, bundle {format_bytes(artifact['bundle_bytes'])}"


def labelled(label: str, text: str) -> str:
    """One line of output: a label, then the facts."""
    return f"{label:<9}  {text}"


def _exactness(tested: Mapping[str, Any]) -> str:
    if "overlap" in tested:
        return f"quantised again by the delegate, not exact: overlap {tested['overlap']:.4f}"
    return "ids and scores exact" if tested["exact"] else "ids equal but for ties within the score tolerance"


def _device(device: Mapping[str, Any], software: Mapping[str, Any], protocol: Mapping[str, Any]) -> str:
    runtime = software["runtime"]
    dot = "int8 dot product" if device["dotprod"] else "no int8 dot product"
    threads = f"{protocol['threads']} thread" + ("s" if protocol["threads"] > 1 else "")
    cores = f"{device['cores']} × {device['core']}, {dot}"
    return f"{device['model']}, {cores}; {runtime} {software[runtime]}, {threads}"


def _cold(record: Mapping[str, Any], form: Form) -> list[str]:
    names = (("import", "import"), ("load", "load"), ("first_query", "first query"))
    parts = [f"{label} {_figure(record, name, 50, form)}" for name, label in names]
    many = len(samples_of(record)["load"])
    return [
        f"{' · '.join(parts)}  ({f'median of {many} fresh processes' if many > 1 else 'a fresh process'})"
    ]


def _warm(record: Mapping[str, Any], form: Form) -> list[str]:
    lines = []
    for name, label in _series(record):
        samples = samples_of(record).get(name)
        if not samples:
            continue
        bound = percentile_upper(samples, 99)
        upper = f"p99 at most {form(bound)}" if bound else "too few samples to bound p99"
        known = f", {upper}" if 99 in trusted(record, name) else ""
        figures = "  ".join(f"p{q} {_figure(record, name, q, form):>8}" for q in (50, 90, 99))
        lines.append(f"{label:<20} {figures}  ({len(samples):,} queries{known})")
    return lines


def _series(record: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The series of warm queries that a record may have, and what each is called."""
    artifact, protocol = record["artifact"], record["protocol"]
    candidates, top = protocol.get("candidates"), f"top {protocol['k']}"
    if artifact["profile"] == TWO_STAGES:
        return [
            ("query", f"both stages, {top}"),
            (RETRIEVE, f"first, {candidates:,} items"),
            (RERANK, f"second, {top}"),
            ("end_to_end", "ids in, ids out"),
        ]
    clicks = artifact["profile"] == CLICKS
    return [
        ("query", f"{candidates:,} candidates" if clicks else f"model alone, {top}"),
        ("end_to_end", "values in, ids out" if clicks else "ids in, ids out"),
        (CATALOGUE, f"{artifact['n_items']:,} candidates"),
    ]


def _paced(record: Mapping[str, Any], form: Form) -> list[str]:
    """Queries that come alone."""
    samples = samples_of(record).get(PACED)
    if not samples:
        return []
    pause = f"each after {format_ns(record['protocol']['pause_ns'])}"
    figures = "  ".join(f"p{q} {_figure(record, PACED, q, form):>8}" for q in (50, 90, 95))
    return [f"{pause:<20} {figures}  ({len(samples):,} queries of the model alone)"]


def _figure(record: Mapping[str, Any], series: str, q: int, form: Form) -> str:
    """A percentile. Where it cannot be relied on, a median has a question mark and a tail is left out."""
    value = figure(record, series, q)
    if value is None:
        return f"{form(percentile(samples_of(record)[series], q))}?" if q == MEDIAN else "–"
    return form(value)


def _doubtful(record: Mapping[str, Any]) -> list[str]:
    """Why figures are withheld; the reasons against the whole run are listed as such."""
    reasons = [
        f"{name}: {reason}"
        for name, judged in record.get("validity", {}).items()
        for reason in judged["reasons"]
    ]
    return [reason for reason in reasons if reason not in record["invalid_reasons"]]


def _sustained(found: Mapping[str, Any] | None) -> list[str]:
    if found is None:
        return []
    p50, temp = found["p50_ns"], found["temp_c"]
    heat = "" if temp[0] is None or temp[-1] is None else f", {temp[0]:.0f} → {temp[-1]:.0f} °C"
    first, last = format_ns(p50[0]), format_ns(p50[-1])
    change = f"p50 {first} → {last} ({p50[-1] / p50[0] - 1:+.0%}){heat}"
    return [f"{found['seconds']:g} s, {sum(found['queries']):,} queries: {change}"]


def _memory(record: Mapping[str, Any]) -> list[str]:
    lines: list[str] = []
    if "firmware" in record:
        return lines
    for field, label in (("vm_hwm", "peak resident"), ("pss_anon", "private, held")):
        idle, total = (record["memory_bytes"][kind][field] for kind in ("idle", "model"))
        model = model_memory_bytes(record, field)
        if model is None:
            lines.append(f"{label:<20} not told by this kernel")
        else:
            whole = f"idle {format_bytes(idle)} → {format_bytes(total)}"
            lines.append(f"{label:<20} model {format_bytes(model)}  ({whole})")
    return lines


def _host(host: Mapping[str, Any] | None) -> list[str]:
    if host is None:
        return []
    same = "the same ids for every user" if host["ids_equal"] else "other ids for some users"
    return [f"{same} on this machine ({host['core']}, {host['runtime_version']})"]


def _estimates(record: Mapping[str, Any]) -> list[str]:
    return [
        f"{board:<22} {format_ns(low):>8} to {format_ns(high):>8} a query  ({label})"
        for board, low, high, label in estimate_lines(record)
    ]


def _queries(record: Mapping[str, Any]) -> str:
    full = full_of(record["artifact"]["provenance"])
    return f"{record['selftest']['queries']} queries" + (
        f" of the full bundle's {full.queries}" if full else ""
    )


def _quality(record: Mapping[str, Any]) -> list[str]:
    quality, full = record["quality"], full_of(record["artifact"]["provenance"])
    if "auc" in quality:
        told = "  ".join(f"{TITLES[name]} {format_share(quality[name])}" for name in CLICK_METRICS)
        return [f"{told}  ({quality['rows']:,} {quality['split']} rows of {quality['users']:,} users)"]
    if not quality["users"] and full:
        return [f"not in this file: it is a lean bundle; measure the full one that it is of, {full.told}"]
    if not quality["users"]:
        return ["not measured: the bundle carries no evaluation rows (export --with-evaluation)"]
    lines = []
    for metric, label in (("recall", "Recall"), ("ndcg", "NDCG")):
        values = "  ".join(
            f"@{k} {format_share(quality[f'{metric}@{k}'])}" for k in reported_cutoffs(stated_cutoff(quality))
        )
        lines.append(f"{label:<7} {values}  ({quality['users']:,} {quality['split']} users)")
    if first := quality.get("first_stage"):
        told = "  ".join(
            f"{metric_title(name)} {format_share(first[name])}"
            for name in shown_metrics(stated_cutoff(quality))
        )
        lines.append(f"first stage alone: {told}  (finds {format_share(first['found'])} of what was taken)")
    return lines
