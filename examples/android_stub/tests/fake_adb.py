"""adb as bench_device.sh and install_bundle.py call it, with a JVM in place of the phone.

    fake_adb.py ROOT args…          ROOT/config.json: java command, bundle, the phone's folder

``am start`` runs the app's benchmark in a fresh JVM and keeps what it prints; ``logcat -d`` prints all of it.
"""

import json
import shutil
import subprocess
import sys
from pathlib import Path


def start(root: Path, config: dict, args: list[str]) -> None:
    extras = {args[n + 1]: args[n + 2] for n, flag in enumerate(args) if flag in ("--es", "--ei")}
    words = [extras[name] for name in ("run", "phase")]
    settings = [extras[name] for name in ("k", "queries", "seconds", "seed")]
    done = subprocess.run(
        [*config["java"], *words, config["bundle"], *settings], capture_output=True, text=True, check=True
    )
    with (root / "logcat").open("a") as log:
        log.write("--------- beginning of main\n" + done.stdout)


def shell(root: Path, config: dict, args: list[str]) -> int:
    phone = Path(config["phone"])
    match args:
        case ["getprop"]:
            print((phone / "getprop").read_text(), end="")
        case ["uname", flag]:
            print((phone / {"-r": "kernel", "-m": "machine"}[flag]).read_text(), end="")
        case ["cat", path]:
            if not (phone / path.lstrip("/")).is_file():
                print(f"cat: {path}: Permission denied", file=sys.stderr)
                return 1
            print((phone / path.lstrip("/")).read_text(), end="")
        case ["dumpsys", "thermalservice"]:
            print("Thermal Status: 0")
        case ["am", "start", *rest]:
            start(root, config, rest)
        case ["am", "force-stop", _]:
            pass
        case ["rm", "-rf", path] | ["run-as", _, "rm", "-rf", path]:
            shutil.rmtree(root / path.lstrip("/"), ignore_errors=True)
        case ["mkdir", "-p", path]:
            (root / path.lstrip("/")).mkdir(parents=True)
        case ["run-as", _, "cp", "-r", source, target]:
            shutil.copytree(root / source.lstrip("/"), root / target)
        case unknown:
            print(f"unexpected: {unknown}", file=sys.stderr)
            return 1
    return 0


def main() -> int:
    root = Path(sys.argv[1])
    config = json.loads((root / "config.json").read_text())
    match sys.argv[2:]:
        case ["get-state"]:
            print("device")
        case ["logcat", "-d", *_]:
            print((root / "logcat").read_text(), end="")
        case ["logcat", "-G", _]:
            pass
        case ["push", *sources, target]:
            for source in sources:
                shutil.copy(source, root / target.lstrip("/"))
        case ["shell", *rest]:
            return shell(root, config, rest)
        case unknown:
            print(f"unexpected: {unknown}", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
