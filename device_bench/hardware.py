"""The machine: facts that do not change during a run."""

import importlib.metadata
import os
import platform
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import psutil

from recpress_edge import __version__
from recpress_edge.core.cpu import cpu_flags, dot_product_flags, int8_flags
from recpress_edge.core.memory import PROC, SYS, integer_of, text_of

# CPU implementer and part (Arm's Main ID Register) -> core
ARM_CORES: Final = {
    ("0x41", "0xb76"): "ARM1176",
    ("0x41", "0xc07"): "Cortex-A7",
    ("0x41", "0xd03"): "Cortex-A53",
    ("0x41", "0xd08"): "Cortex-A72",
    ("0x41", "0xd0b"): "Cortex-A76",
}
# What tells two processors of one name apart: fields of /proc/cpuinfo, x86's and Arm's -> of ``cpu_id``.
_CPU_ID: Final = {
    "vendor_id": "vendor",
    "cpu family": "family",
    "model": "model",
    "stepping": "stepping",
    "CPU implementer": "implementer",
    "CPU part": "part",
    "CPU variant": "variant",
    "CPU revision": "revision",
}


def device_facts(proc: Path = PROC, sys_root: Path = SYS) -> dict[str, Any]:
    """Board, cores, dot product, kernel, clocks, memory; None for what the machine does not state."""
    cpu = parse_cpuinfo(text_of(proc / "cpuinfo") or "")
    memory = psutil.virtual_memory().total
    board = (text_of(proc / "device-tree" / "model") or cpu["board"] or "").strip("\0\n ")
    product = (text_of(sys_root / "class/dmi/id/product_name") or "").strip()
    cores = cpu["cores"] or os.cpu_count() or 1
    core = cpu["core"] or platform.processor() or platform.machine()
    cpufreq = sys_root / "devices/system/cpu/cpu0/cpufreq"
    return {
        "id": device_id(board or core, cores, memory, cpu),
        "model": board or product or core,
        "cores": cores,
        "core": core,
        **cpu_facts(cpu),
        "arch": platform.machine(),
        "bits": 64 if sys.maxsize > 2**32 else 32,
        "kernel": platform.release(),
        "governor": (text_of(cpufreq / "scaling_governor") or "").strip() or None,
        "max_freq_khz": integer_of(cpufreq / "cpuinfo_max_freq"),
        "mem_total_bytes": memory,
        "swap_total_bytes": psutil.swap_memory().total,
        "allocator": _allocator(),
    }


def cpu_facts(cpu: Mapping[str, Any]) -> dict[str, Any]:
    """The processor's part of ``device``. cpu: see :func:`parse_cpuinfo`."""
    return {
        "cpu_part": cpu["part"],
        "cpu_id": cpu["cpu_id"],
        "int8_flags": cpu["int8_flags"],
        "dotprod": bool(cpu["dot_product_flags"]),
        "dot_product_flags": cpu["dot_product_flags"],
    }


def parse_cpuinfo(text: str) -> dict[str, Any]:
    """Cores, core name, identity, board and int8 instructions from /proc/cpuinfo, Arm's or x86's."""
    fields: dict[str, str] = {}
    cores = 0
    for line in text.splitlines():
        name, colon, value = line.partition(":")
        name = name.strip()
        if colon:
            cores += name == "processor"
            fields.setdefault(name, value.strip())  # big.LITTLE: the first core's
    flags = cpu_flags(text)
    part = fields.get("CPU part")
    known = ARM_CORES.get((fields.get("CPU implementer", ""), part or ""))
    return {
        "cores": cores,
        "core": known or fields.get("model name"),
        "part": part,
        "board": fields.get("Model"),
        "cpu_id": {name: fields[field] for field, name in _CPU_ID.items() if fields.get(field)},
        "int8_flags": int8_flags(flags),
        "dot_product_flags": dot_product_flags(flags),
    }


def device_id(model: str, cores: int, mem_total_bytes: int, cpu: Mapping[str, Any]) -> str:
    """A folder name for a kind of machine: 'raspberry-pi-4-model-b-rev-1-5-4c-4g-d08-r0p3'.

    It includes the processor's family, model and stepping (Arm: part, variant and revision) and its int8
    instructions: names like 'AMD EPYC' cover processors that differ in both. cpu: see
    :func:`parse_cpuinfo`.
    """
    slug = re.sub(r"[^a-z0-9]+", "-", model.lower()).strip("-")[:60] or "unknown"
    # firmware and kernel keep a share of memory: round up to the size on the box
    memory = f"{-(-mem_total_bytes // 2**30)}g" if mem_total_bytes > 2**29 else "512m"
    flags = [flag.replace("_", "") for flag in cpu["int8_flags"]]
    return "-".join([slug, f"{cores}c", memory, *_revision(cpu["cpu_id"]), *flags])


def _revision(cpu_id: Mapping[str, str]) -> list[str]:
    """['f25m17s1'], ['d08', 'r0p3'], or nothing when the kernel does not state them."""
    if {"family", "model", "stepping"} <= cpu_id.keys():
        return [f"f{cpu_id['family']}m{cpu_id['model']}s{cpu_id['stepping']}".lower()]
    if {"part", "variant", "revision"} <= cpu_id.keys():
        variant, part = (cpu_id[name].lower().removeprefix("0x") for name in ("variant", "part"))
        return [part, f"r{variant}p{cpu_id['revision']}"]
    return []


def software_facts(runtime: str, runtime_version: str, built: str = "") -> dict[str, Any]:
    """Versions of everything between the model file and its answer.

    ``built``: compiler and flags of a runtime that was compiled for this machine.
    """
    return {
        "recpress_edge": __version__,
        "python": platform.python_version(),
        "numpy": importlib.metadata.version("numpy"),
        "psutil": psutil.__version__,
        "runtime": runtime,
        runtime: runtime_version,
        **({"compiler": built} if built else {}),
    }


def _allocator() -> str | None:
    try:
        return os.confstr("CS_GNU_LIBC_VERSION")
    except (AttributeError, OSError, ValueError):
        return None
