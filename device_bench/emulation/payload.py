"""What one boot adds to the image: this device_bench, the bundle and a script; and how its answer is read."""

import base64
import gzip
import hashlib
import json
import shlex
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any, Final

import device_bench
import recpress_edge
from device_bench import DEVICE_PARTS
from device_bench.emulation.cpio import ArchiveEntry, entries_of, folder, write_cpio
from device_bench.emulation.engine import engine_variable
from device_bench.emulation.guest import Setup, compile_bytecode
from device_bench.emulation.tools import EmulationError
from recpress_edge.core.files import scratch_folder

_MARK: Final = "@@"
_SCRIPT: Final = """\
python3 -m device_bench run /app/bundle --out /tmp/record.json {flags} >/dev/null
echo "@@exit $?"
if [ -f /tmp/record.json ]; then
  echo "@@sha256 $(/bin/busybox sha256sum </tmp/record.json)"
  /bin/busybox gzip -c /tmp/record.json | /bin/busybox base64 -w 400 | /bin/busybox sed 's/^/@@data /'
fi
"""


def write_payload(
    file: IO[bytes], setup: Setup, bundle: Path, flags: Sequence[str], engine: Path | None = None
) -> None:
    """The archive; the same checkout, bundle, flags and engine give the same bytes."""
    with scratch_folder("recpress-payload-") as scratch:
        app = scratch / "app"
        copy_sources(app)
        compile_bytecode(scratch, app, setup)
        inside = None if engine is None else Path("/app/engine") / engine.name
        exports = [f"export {name}={value}\n" for name, value in engine_variable(inside).items()]
        script = ("".join(exports) + _SCRIPT.format(flags=shlex.join(flags))).encode()
        write_cpio(
            file,
            [
                *(folder(name) for name in ("app", "app/bundle", *(["app/engine"] if engine else []))),
                ArchiveEntry("app/run.sh", 0o100755, script),
                *entries_of(app, "app/"),
                *entries_of(bundle, "app/bundle/"),
                *(entries_of(engine.parent, "app/engine/") if engine else ()),
            ],
        )


def copy_sources(target: Path) -> None:
    """Copy what a device needs of this checkout: device_bench and what it imports."""
    bench, edge = (Path(str(package.__file__)).parent for package in (device_bench, recpress_edge))
    only_python = shutil.ignore_patterns("__pycache__", "*.c", "*.typed")
    shutil.copytree(bench, target / "device_bench", ignore=only_python)
    for part in DEVICE_PARTS:
        shutil.copytree(edge / part, target / "recpress_edge" / part, ignore=only_python)
    shutil.copy(edge / "__init__.py", target / "recpress_edge/__init__.py")


def read_answer(lines: Sequence[str]) -> tuple[int | None, dict[str, Any] | None]:
    """device_bench's exit code and record, None when the console shows none; EmulationError when garbled."""
    marked = [line.removeprefix(_MARK).split(" ", 1) for line in lines if line.startswith(_MARK)]
    fields = {name: text for name, text in (m for m in marked if len(m) == 2)}
    code = int(fields["exit"]) if fields.get("exit", "").isdigit() else None
    data = "".join(text for name, text in (m for m in marked if len(m) == 2) if name == "data")
    if not data:
        return code, None
    try:
        record = gzip.decompress(base64.b64decode(data, validate=True))
        if hashlib.sha256(record).hexdigest() != fields.get("sha256", "").split(" ")[0]:
            raise EmulationError("the record came out of the emulated machine garbled. Run again.")
        return code, dict(json.loads(record))
    except (ValueError, OSError, EOFError) as error:
        raise EmulationError(f"the emulated machine's record cannot be read: {error}. Run again.") from None
