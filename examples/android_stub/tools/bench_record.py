"""From a phone's log to a bench record of schema recpress.bench/1 with basis "measured".

tools/bench_device.sh calls it with what it collected; see there. The record is checked as one that any other
board sends back: it must be of this very bundle, under this very protocol.
"""

import argparse
import re
import sys
from pathlib import Path
from typing import Any, Final

from phone_log import PhoneLog, parse_log

from device_bench.hardware import cpu_facts, device_id, parse_cpuinfo
from device_bench.lanes.checks import check_returned
from device_bench.record import artifact_facts, gate_warnings
from device_bench.settings import Protocol
from device_bench.show import record_lines
from device_bench.state import read_state, state_warnings, throttle_reasons
from device_bench.validity import headline_reasons, judge
from recpress_edge import __version__
from recpress_edge.artifacts.bundle import Bundle, open_bundle
from recpress_edge.core.errors import ArtifactError, InvalidRunError, RecPressError
from recpress_edge.core.memory import integer_of, text_of
from recpress_edge.core.metrics import RECALL_DEFINITION
from recpress_edge.records.bench import BENCH_SCHEMA, add_record

CLOCK: Final = "System.nanoTime"
MEMORY: Final = ("idle", "loaded", "first_query", "model")
_BITS: Final = {"aarch64": 64, "x86_64": 64, "armv8l": 32, "armv7l": 32, "i686": 32}


def make_record(
    bundle: Bundle, protocol: Protocol, log: PhoneLog, facts: Path, command: str
) -> dict[str, Any]:
    """The record. ``facts``: what bench_device.sh read from the phone, laid out as on the phone."""
    start = log.one("start")
    _check_start(start, bundle, protocol, log)
    properties = _properties(facts)
    device = device_facts(facts, properties)
    before, after = (_state(facts / when) for when in ("before", "after"))
    cold = log.cold()
    latency = {name: [line[f"{name}_ns"] for line in cold] for name in ("first_query", "load", "import")}
    latency |= {name: log.samples(name) for name in ("query", "end_to_end")}
    verdicts = judge(latency, {})  # Android does not let an app see what others took
    reasons = [
        *throttle_reasons(before["throttled"], after["throttled"]),
        *headline_reasons(verdicts),
        *thermal_reasons(facts),
    ]
    runtime, _, version = str(start["runtime"]).partition(" ")
    quality = {name: value for name, value in log.one("quality").items() if name != "kind"}
    record = {
        "schema": BENCH_SCHEMA,
        "created": (text_of(facts / "created") or "").strip(),
        "basis": "measured",
        "valid": not reasons,
        "invalid_reasons": reasons,
        "warnings": [
            *protocol.warnings(),
            *gate_warnings(bundle),
            *state_warnings(before, after, device),
        ],
        "artifact": artifact_facts(bundle),
        "device": device,
        "state": {"before": before, "after": after},
        "validity": {name: verdict.facts() for name, verdict in verdicts.items()},
        "software": {
            "recpress_edge": __version__,
            "python": None,
            "numpy": None,
            "psutil": None,
            "runtime": runtime,
            runtime: version,
            "android": f"{properties['ro.build.version.release']} (API {properties['ro.build.version.sdk']})",
        },
        "protocol": {
            "threads": 1,
            "batch": 1,
            "k": start["k"],
            "warmup": start["warmup"],
            "processes": len(cold),
            "queries": start["queries"],
            "seconds": start["seconds"],
            "seed": start["seed"],
            "clock": CLOCK,
            "on": f"adb:{properties['ro.product.model']}",
            "command": command,
        },
        "latency_ns": latency,
        "memory_bytes": {stage: _memory(log, stage) for stage in MEMORY},
        "quality": quality | {"definition": RECALL_DEFINITION, "split": "test" if quality["users"] else None},
        "selftest": {"queries": start["selftest"], "exact": start["exact"]},
    }
    return check_returned(record, bundle, protocol, "the phone")


def _check_start(start: dict[str, Any], bundle: Bundle, protocol: Protocol, log: PhoneLog) -> None:
    if {start["bundle"], *(line["bundle"] for line in log.cold())} != {bundle.digest}:
        raise ArtifactError(
            f"the phone holds another bundle than {bundle.folder} ({bundle.digest[:16]}…): "
            "run tools/install_bundle.py with it, and build the app again or use --device"
        )
    if len(log.cold()) != protocol.processes:
        raise ArtifactError(f"{len(log.cold())} cold starts in the log, {protocol.processes} were asked for")


def device_facts(facts: Path, properties: dict[str, str]) -> dict[str, Any]:
    """The section ``device``, from /proc, /sys and Android's properties."""
    cpu = parse_cpuinfo(text_of(facts / "proc/cpuinfo") or "")
    model = f"{properties['ro.product.manufacturer']} {properties['ro.product.model']}"
    kib = dict(re.findall(r"^(MemTotal|SwapTotal):\s+(\d+) kB$", text_of(facts / "proc/meminfo") or "", re.M))
    memory = int(kib.get("MemTotal", 0)) * 1024
    machine = (text_of(facts / "machine") or "").strip() or "unknown"
    cpufreq = facts / "sys/devices/system/cpu/cpu0/cpufreq"
    part = f"CPU part {cpu['part']}" if cpu["part"] else machine
    return {
        "id": device_id(model, cpu["cores"] or 1, memory, cpu),
        "model": model,
        "cores": cpu["cores"] or 1,
        "core": cpu["core"] or properties.get("ro.soc.model") or part,
        **cpu_facts(cpu),
        "arch": machine,
        "bits": _BITS.get(machine, 64),
        "kernel": (text_of(facts / "kernel") or "").strip() or "unknown",
        "governor": (text_of(cpufreq / "scaling_governor") or "").strip() or None,
        "max_freq_khz": integer_of(cpufreq / "cpuinfo_max_freq"),
        "mem_total_bytes": memory or None,
        "swap_total_bytes": int(kib["SwapTotal"]) * 1024 if "SwapTotal" in kib else None,
        "allocator": None,
    }


def thermal_reasons(facts: Path) -> list[str]:
    """Android's own thermal status (dumpsys thermalservice): 0 is none, from 1 on it throttles."""
    reasons = []
    for when in ("before", "after"):
        found = re.search(r"Thermal Status: (\d+)", text_of(facts / when / "thermalservice") or "")
        if found and int(found[1]) > 0:
            reasons.append(f"throttled {when} the run: Android's thermal status is {found[1]}")
    return reasons


def _state(folder: Path) -> dict[str, Any]:
    return read_state(folder / "proc", folder / "sys", lambda _: None)


def _properties(facts: Path) -> dict[str, str]:
    """getprop's own lines, ``[name]: [value]``; ArtifactError where the phone does not say what it is."""
    found = dict(re.findall(r"^\[(.+?)\]: \[(.*)\]\s*$", text_of(facts / "getprop") or "", re.M))
    needed = (
        "ro.product.manufacturer",
        "ro.product.model",
        "ro.build.version.release",
        "ro.build.version.sdk",
    )
    for name in needed:
        if not found.get(name):
            raise ArtifactError(f"{facts / 'getprop'} states no {name}")
    return found


def _memory(log: PhoneLog, stage: str) -> dict[str, int | None]:
    line = log.one("memory", stage=stage)
    return {name: line[name] for name in ("vm_hwm", "pss_anon")}


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--log", type=Path, required=True, help="what logcat printed")
    parser.add_argument("--facts", type=Path, required=True, help="what was read from the phone")
    parser.add_argument("--run", required=True, help="the run's id in the log")
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="where records go (default: runs)")
    parser.add_argument("--command", required=True, help="what repeats the run")
    for name, kind in (("k", int), ("processes", int), ("queries", int), ("seconds", float), ("seed", int)):
        parser.add_argument(f"--{name}", type=kind, default=getattr(Protocol(), name))
    args = parser.parse_args()
    try:
        protocol = Protocol(
            k=args.k,
            processes=args.processes,
            queries=args.queries,
            seconds=args.seconds,
            seed=args.seed,
            pause_ns=0,  # the app asks back to back
        )
        bundle = open_bundle(args.bundle)
        log = parse_log(args.log.read_text(errors="replace").splitlines(), args.run)
        record = make_record(bundle, protocol, log, args.facts, args.command)
        path = add_record(args.runs, record)
        print("\n".join([*record_lines(record), f"wrote      {path}"]))
        if not record["valid"]:
            raise InvalidRunError(f"the run is INVALID, not for the headline: {path} has the reasons")
    except RecPressError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
