"""What every benchmark's record says about how it was made."""

import os
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


def command_line() -> str:
    """The command, as it is typed at the root of the repository."""
    return shlex.join(["python", f"benchmarks/{Path(sys.argv[0]).name}", *sys.argv[1:]])


@contextmanager
def recorded(record: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Add the command, and the load average before and after whatever the block measures."""
    before = os.getloadavg()[0]
    yield record
    record |= {"command": command_line(), "load_average": {"before": before, "after": os.getloadavg()[0]}}
