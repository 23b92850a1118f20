"""The cost of a run: memory as the kernel states it, and how it is said."""

import subprocess
import sys

import pytest

from recpress_edge.training.usage import PeakMemory, describe_cost


def test_increase_is_peak_less_what_was_held(tmp_path):
    status = tmp_path / "status"
    status.write_text("VmHWM:\t 900 kB\nVmRSS:\t 300 kB\n")
    memory = PeakMemory(tmp_path)
    assert (tmp_path / "clear_refs").read_text() == "5"
    status.write_text("VmHWM:\t 1000 kB\nVmRSS:\t 400 kB\n")
    assert memory.increase_bytes() == 700 * 1024


def test_a_kernel_that_does_not_tell(tmp_path):
    assert PeakMemory(tmp_path / "absent").increase_bytes() is None


def test_what_was_freed_before_does_not_count():
    code = (
        "from recpress_edge.training.usage import PeakMemory\n"
        "block = b'x' * 2**27; del block; memory = PeakMemory()\n"
        "block = b'x' * 2**25; del block; print(memory.increase_bytes())"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert 0.9 * 2**25 < int(out) < 2**26


@pytest.mark.parametrize(
    ("seconds", "epochs", "memory", "said"),
    [
        (30.0, 20, 2**21, "1.50 s an epoch, memory +2.0 MiB"),
        (30.0, 1, 2**21, "memory +2.0 MiB"),
        (30.0, 20, None, "1.50 s an epoch"),
    ],
)
def test_only_what_is_known_is_said(seconds, epochs, memory, said):
    assert describe_cost(seconds, epochs, memory) == said
