"""Memory as the kernel states it. The two small files are written by hand in the kernel's format."""

import subprocess
import sys

from recpress_edge.core.memory import PeakMemory, process_memory


def test_fields_are_read_in_bytes(tmp_path):
    (tmp_path / "status").write_text(
        "Name:\tpython3\nVmPeak:\t  900 kB\nVmHWM:\t    2100 kB\nVmRSS:\t    2000 kB\n"
    )
    (tmp_path / "smaps_rollup").write_text(
        "Rss: 9 kB\nPss:                 577 kB\nPss_Anon:            152 kB\n"
    )
    assert process_memory(tmp_path) == {"vm_hwm": 2100 * 1024, "pss_anon": 152 * 1024}


def test_an_old_kernel_tells_nothing(tmp_path):
    (tmp_path / "status").write_text("VmHWM:\t    2100 kB\n")
    assert process_memory(tmp_path) == {"vm_hwm": 2100 * 1024, "pss_anon": None}
    assert process_memory(tmp_path / "absent") == {"vm_hwm": None, "pss_anon": None}


def test_peak_stays_and_held_memory_falls():
    code = (
        "from recpress_edge.core.memory import process_memory as m\n"
        "a = m(); block = b'x' * 2**26; b = m(); del block; c = m()\n"
        "print(a['vm_hwm'], b['vm_hwm'], c['vm_hwm'], a['pss_anon'], b['pss_anon'], c['pss_anon'])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    hwm_a, hwm_b, hwm_c, pss_a, pss_b, pss_c = map(int, out.split())
    assert hwm_b - hwm_a > 0.9 * 2**26
    assert hwm_c > hwm_b - 2**20  # the peak stays; the kernel's own counters lag by some pages
    assert pss_b - pss_a > 0.9 * 2**26
    assert pss_c - pss_a < 0.1 * 2**26


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
        "from recpress_edge.core.memory import PeakMemory\n"
        "block = b'x' * 2**27; del block; memory = PeakMemory()\n"
        "block = b'x' * 2**25; del block; print(memory.increase_bytes())"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert 0.9 * 2**25 < int(out) < 2**26
