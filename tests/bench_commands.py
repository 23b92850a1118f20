"""device_bench as its user types it, in a process of its own or in the test's."""

import contextlib
import io
import json
import subprocess
import sys
from pathlib import Path

from device_bench.__main__ import main

SCHEMA = json.loads((Path(__file__).parents[1] / "schemas" / "bench-1.schema.json").read_text())
"""Of records."""
QUICK = ["--processes", "2", "--seconds", "0.05", "--queries", "100", "--k", "20", "--pause", "1ms"]
"""Flags of a short run."""


def bench(*arguments, cwd):
    return subprocess.run(
        [sys.executable, "-m", "device_bench", *map(str, arguments)],
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def called(*arguments, cwd):
    """As ``bench``, in this process, which has imported everything: what is measured has its own ones."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.chdir(cwd), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = main([*map(str, arguments)])
        except SystemExit as ended:
            code = ended.code
    return subprocess.CompletedProcess(arguments, code, out.getvalue(), err.getvalue())
