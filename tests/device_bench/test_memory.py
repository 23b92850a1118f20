"""Memory as the kernel states it. The two small files are written by hand in the kernel's format."""

import subprocess
import sys

from device_bench.memory import process_memory


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
        "from device_bench.memory import process_memory as m\n"
        "a = m(); block = b'x' * 2**26; b = m(); del block; c = m()\n"
        "print(a['vm_hwm'], b['vm_hwm'], c['vm_hwm'], a['pss_anon'], b['pss_anon'], c['pss_anon'])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    hwm_a, hwm_b, hwm_c, pss_a, pss_b, pss_c = map(int, out.split())
    assert hwm_b - hwm_a > 0.9 * 2**26
    assert hwm_c > hwm_b - 2**20  # the peak stays; the kernel's own counters lag by some pages
    assert pss_b - pss_a > 0.9 * 2**26
    assert pss_c - pss_a < 0.1 * 2**26
