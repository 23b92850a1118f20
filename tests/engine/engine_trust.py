"""recpress_trust.c behind ctypes, with Python's check of signatures as the application's function."""

import ctypes
import hashlib
import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Final

from bundles import make_bundle
from engine_programs import HERE, SANITIZED, SOURCES, STRICT, TIMEOUT_S

from recpress_edge.artifacts.bundle import MANIFEST
from recpress_edge.artifacts.manifest import SIGNATURE
from recpress_edge.artifacts.trust.ed25519 import verify
from recpress_edge.artifacts.trust.keys import make_keys, public_path, read_private
from recpress_edge.artifacts.trust.signature import sign_bundle

CODES: Final = {
    name: int(value)
    for name, value in re.findall(r"(RP_\w+) = (-\d+)", (SOURCES / "recpress_trust.h").read_text())
}
"""What recpress_trust.h calls its refusals."""
NAMES: Final = {value: name for name, value in CODES.items()} | {0: "RP_OK"}
DOMAIN_BYTES: Final = 33
_SOURCE: Final = str(SOURCES / "recpress_trust.c")
_BYTE_P: Final = ctypes.POINTER(ctypes.c_ubyte)
_VERIFY: Final = ctypes.CFUNCTYPE(ctypes.c_int, _BYTE_P, _BYTE_P, ctypes.c_ulonglong, _BYTE_P)
Verify = Callable[[bytes, bytes, bytes], bool]
"""Of a raw key, a signature and a message: whether it is good."""


class _Signed(ctypes.Structure):
    _fields_ = (
        ("keys", ctypes.c_char_p),
        ("keys_bytes", ctypes.c_size_t),
        ("signature", ctypes.c_char_p),
        ("signature_bytes", ctypes.c_size_t),
        ("message", ctypes.c_char_p),
        ("message_bytes", ctypes.c_size_t),
        ("verify", _VERIFY),
    )


class TrustInC:
    """The functions of recpress_trust.h, for bytes."""

    def __init__(self, library: Path) -> None:
        self._library = ctypes.CDLL(str(library))
        self._library.rp_trust_words.restype = ctypes.c_char_p

    def check_signature(
        self, keys: bytes, signature: bytes | None, manifest: bytes, good: Verify = verify
    ) -> str:
        """The name of what rp_check_signature returns."""
        message = ctypes.create_string_buffer(bytes(DOMAIN_BYTES) + manifest, DOMAIN_BYTES + len(manifest))

        def asked(signed, text, length, key):  # type: ignore[no-untyped-def]
            raw = (ctypes.string_at(key, 32), ctypes.string_at(signed, 64), ctypes.string_at(text, length))
            return 0 if good(*raw) else -1

        given = _VERIFY(asked)
        at = ctypes.cast(message, ctypes.c_char_p)
        bundle = _Signed(keys, len(keys), signature, len(signature or b""), at, len(message), given)
        return NAMES[self._library.rp_check_signature(ctypes.byref(bundle))]

    def check_file(self, manifest: bytes, name: str, data: bytes) -> str:
        """The name of what rp_check_file returns."""
        sizes = (ctypes.c_size_t(len(manifest)), ctypes.c_size_t(len(data)))
        return NAMES[self._library.rp_check_file(manifest, sizes[0], name.encode(), data, sizes[1])]

    def sha256(self, data: bytes) -> bytes:
        """SHA-256 of some bytes."""
        digest = ctypes.create_string_buffer(32)
        self._library.rp_sha256(digest, data, ctypes.c_size_t(len(data)))
        return digest.raw

    def words(self, code: int) -> str:
        """A code in words."""
        said: bytes = self._library.rp_trust_words(code)
        return said.decode()


def make_both_keys(folder: Path) -> None:
    """Keys of two people, 'ours' and 'theirs'."""
    for name in ("ours", "theirs"):
        make_keys(folder / name, f"{name} of a test")


def keys_of(place: Path, *names: str) -> bytes:
    """A file of trusted keys."""
    return "".join(f"# {name}\n{public_path(place / name).read_text()}" for name in names).encode()


def signed_bundle(place: Path) -> Path:
    """A small bundle, signed by us."""
    folder: Path = make_bundle(place / "bundle", n_users=5, n_items=40, n_tests=3).folder
    sign_bundle(folder, read_private(place / "ours"), (folder / MANIFEST).read_bytes())
    return folder


def small_files(place: Path, bundle: Path) -> tuple[bytes, bytes, bytes, bytes]:
    """Trusted keys, the signature of a short manifest, that manifest, and the file that it lists."""
    manifest = json.loads((bundle / MANIFEST).read_text())
    name = next(name for name in manifest["files"] if name.startswith("model"))
    manifest["files"]["model.bin"] = manifest["files"][name]
    small = {key: manifest[key] for key in ("schema", "name", "contract", "files")} | {"note": 'é "\n'}
    data = json.dumps(small).encode()
    stated = sign_bundle(place, read_private(place / "ours"), data)
    assert stated.signed_sha256 == hashlib.sha256(data).hexdigest()
    keys, signature = keys_of(place, "theirs", "ours"), (place / SIGNATURE).read_bytes()
    return keys, signature, data, (bundle / name).read_bytes()


def compiled_library(folder: Path) -> TrustInC:
    """recpress_trust.c as gcc compiles it for this machine."""
    target = folder / "trust.so"
    _compile([*STRICT, "-O2", "-shared", "-fPIC", _SOURCE, "-o", str(target)])
    return TrustInC(target)


def compiled_turns(folder: Path) -> str:
    """trust.c under sanitizers."""
    target = str(folder / "turns")
    _compile([*STRICT, *SANITIZED, f"-I{SOURCES}", _SOURCE, str(HERE / "trust.c"), "-o", target])
    return target


def _compile(words: list[str]) -> None:
    done = subprocess.run(["gcc", *words], capture_output=True, text=True, check=False, timeout=TIMEOUT_S)
    if done.returncode:
        raise RuntimeError(f"gcc {' '.join(words)} failed: {done.stderr[-2000:]}")


def turns(program: str, files: tuple[bytes, ...], seed: int, count: int) -> dict[str, tuple[int, int]]:
    """How often both functions returned each code; RuntimeError where the program fails."""
    asked = b"".join(len(one).to_bytes(4, "little") + one for one in files)
    command = [program, str(seed), str(count)]
    done = subprocess.run(command, input=asked, capture_output=True, check=False, timeout=TIMEOUT_S)
    if done.returncode:
        raise RuntimeError(f"ended with {done.returncode}: {done.stderr.decode()[-3000:]}")
    rows = [list(map(int, line.split())) for line in done.stdout.decode().splitlines()]
    return {NAMES[code]: (of_signature, of_file) for code, of_signature, of_file in rows}
