"""Puts a bundle where the app finds it: into its assets, or onto a phone that has the app already.

    python tools/install_bundle.py dist/soft_dim10-int8              # assets; then build: gradle installDebug
    python tools/install_bundle.py dist/soft_dim10-int8 --device     # adb, into the installed (debug) app

Digests, contents and answers are verified first, and only files that the manifest lists are copied.
"""

import argparse
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

from recpress_edge.artifacts.bundle import ALL_USERS, MANIFEST, Bundle, open_bundle
from recpress_edge.artifacts.manifest import SIGNATURE
from recpress_edge.core.errors import ArtifactError, RecPressError
from recpress_edge.core.files import check_ours, new_directory
from recpress_edge.core.printable import one_line
from recpress_edge.core.units import format_bytes
from recpress_edge.device.apart import self_test_apart
from recpress_edge.device.guard import STANDARD, Guard, add_guard_options, guard_of

STUB: Final = Path(__file__).resolve().parents[1]
ASSETS: Final = STUB / "app/src/main/assets/bundle"
PACKAGE: Final = "org.example.recpress.demo"
PUSHED: Final = "files/pushed-bundle"
"""In the app's own folder; BundleStore.java looks there first."""
STAGED: Final = "/data/local/tmp/recpress-bundle"


def verified(folder: Path, guard: Guard = STANDARD) -> Bundle:
    """The bundle, when everything in it is right and the app can run it; its model runs in a worker."""
    bundle = open_bundle(folder)
    if bundle.contract.format != "onnx":
        raise ArtifactError(
            f"{folder} holds a {bundle.contract.format} model; the app runs onnx. "
            "Export it with --format onnx"
        )
    return self_test_apart(folder, guard)[0]


def files_of(bundle: Bundle) -> list[Path]:
    """Everything the manifest lists, the signature where there is one, and the manifest last."""
    signed = [SIGNATURE] if (bundle.folder / SIGNATURE).exists() else []
    return [bundle.folder / name for name in (*sorted(bundle.files), *signed, MANIFEST)]


def into_assets(bundle: Bundle, target: Path) -> None:
    """Replaces what is there in one step."""
    check_ours(target, MANIFEST)
    with new_directory(target, force=True) as draft:
        for path in files_of(bundle):
            shutil.copyfile(path, draft / path.name)
        if open_bundle(draft).digest != bundle.digest:
            raise ArtifactError(f"{bundle.folder} changed while it was being copied")


def onto_device(bundle: Bundle, adb: str) -> None:
    """By way of a folder that adb may write and the app may read; the app verifies what arrives."""
    run(adb, "shell", "rm", "-rf", STAGED)
    run(adb, "shell", "mkdir", "-p", STAGED)
    run(adb, "push", *map(str, files_of(bundle)), STAGED)
    run(adb, "shell", "run-as", PACKAGE, "rm", "-rf", PUSHED)
    run(adb, "shell", "run-as", PACKAGE, "cp", "-r", STAGED, PUSHED)
    run(adb, "shell", "rm", "-rf", STAGED)
    run(adb, "shell", "am", "force-stop", PACKAGE)


def run(*command: str) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise ArtifactError(
            f"{command[0]} is missing. Run: apt-get install adb, or name it with --adb"
        ) from None
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines()[-1:]
        raise ArtifactError(
            f"{' '.join(command[:4])} … failed: {''.join(said)}. "
            "Is a phone connected, and the debug app installed on it (gradle installDebug)?"
        )


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("bundle", type=Path, help="folder made by recpress-edge export")
    parser.add_argument("--device", action="store_true", help="onto the connected phone, not into the assets")
    parser.add_argument("--assets", type=Path, default=ASSETS, help=argparse.SUPPRESS)
    parser.add_argument("--adb", default="adb", help="which adb (default: adb)")
    add_guard_options(parser)
    args = parser.parse_args()
    try:
        bundle = verified(args.bundle, guard_of(args))
        if args.device:
            onto_device(bundle, args.adb)
            next_step = f"tools/bench_device.sh {args.bundle}, or open the app"
        else:
            into_assets(bundle, args.assets)
            next_step = "gradle installDebug, or run it from Android Studio"
    except RecPressError as error:
        print(one_line(f"{error.label}: {error}"), file=sys.stderr)
        return error.exit_code
    size = sum(path.stat().st_size for path in files_of(bundle))
    print(f"installed  {bundle.name} ({format_bytes(size)}, sha256 {bundle.digest[:16]}…)")
    if bundle.contract.profile == ALL_USERS and bundle.contract.n_users > 1:
        print(
            f"note       it holds the vectors and ids of {bundle.contract.n_users:,} users: for measuring. "
            "Ship --profile single-user or history"
        )
    print(f"next       {next_step}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
