"""From exec to the first answer, the kernel's share in it; and what watches the programs."""

import shutil
import subprocess

import numpy as np
import pytest
from engine_cases import Question
from engine_counts import K, synthetic
from engine_models import Kind
from engine_watch import compiled_watch, put_program, starts

from device_bench.emulation.guest import prepare
from recpress_edge.core.cache import cache_root
from recpress_edge.core.progress import silent
from recpress_edge.device.c import model_bin as mb

INSTRUCTIONS = 500_000
RESIDENT_KIB = 400


@pytest.mark.armvm
def test_half_a_million_instructions_from_exec_to_the_first_answer(tmp_path):
    kind = Kind(mb.INT8_DIM, flags=mb.FITS_16, dim=10)
    program = put_program(tmp_path, kind, Question(7, K, np.array([3, 5], np.uint32)))
    (tmp_path / "model.bin").write_bytes(synthetic(kind, 1).model)
    setup = prepare("c", cache_root(), silent)
    found = starts(setup, "cortex-a53", tmp_path, {"c": [*program, "/app/model.bin"]}, {})["c"]
    assert max(found.instructions) <= INSTRUCTIONS
    assert 0 < found.private_kib < found.resident_kib <= RESIDENT_KIB


@pytest.fixture(scope="module")
def watch(tmp_path_factory):
    if shutil.which("gcc") is None:
        pytest.skip("gcc is not here")
    return compiled_watch(tmp_path_factory.mktemp("watch") / "first", "gcc")


def watched(watch, folder, *command):
    (folder / "question").write_bytes(b"asked\n")
    said = subprocess.run(
        [watch, "3", folder / "question", *command], capture_output=True, text=True, check=False
    )
    return said.returncode, [list(map(int, line.split())) for line in said.stdout.splitlines()]


def test_a_program_is_watched_from_exec_to_its_answer(watch, tmp_path):
    code, runs = watched(watch, tmp_path, "/bin/sh", "-c", "read asked; sleep .2; echo $asked; read more")
    assert code == 3  # sh fails where nothing more is to be read
    assert not runs
    code, runs = watched(
        watch, tmp_path, "/bin/sh", "-c", "read asked; sleep .2; echo $asked; read more; true"
    )
    assert code == 0
    assert len(runs) == 3
    for took, resident, private in runs:
        assert 200_000_000 <= took < 20_000_000_000
        assert 0 < private < resident


@pytest.mark.parametrize("command", [["/nowhere"], ["/bin/true"]])
def test_a_program_without_an_answer_is_no_run(watch, tmp_path, command):
    assert watched(watch, tmp_path, *command) == (3, [])
