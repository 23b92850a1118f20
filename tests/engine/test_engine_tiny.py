"""A whole program around the engine, without a library."""

import platform
import shutil

import pytest
from engine_counts import compiled_plugin, synthetic
from engine_models import Kind
from engine_programs import in_ci
from engine_tiny import footprint

from recpress_edge.device.c import model_bin as mb

PROGRAM_BYTES = 10_000
RESIDENT_KIB = 400
INSTRUCTIONS = 150_000


def test_a_program_without_a_library_is_small(tmp_path):
    needed = ("aarch64-linux-gnu-gcc", "qemu-aarch64", "gcc")
    lacking = [program for program in needed if shutil.which(program) is None]
    if lacking or platform.machine() != "x86_64":
        reason = f"needs {', '.join(needed)} on x86-64"
        pytest.fail(reason) if in_ci() else pytest.skip(reason)
    kind = Kind(mb.INT8_DIM, flags=mb.FITS_16, dim=10)
    found = footprint(kind, synthetic(kind, 1), tmp_path, compiled_plugin(tmp_path))
    assert found.program_bytes <= PROGRAM_BYTES
    assert found.resident_kib <= RESIDENT_KIB
    assert found.instructions <= INSTRUCTIONS
