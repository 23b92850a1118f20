"""Keys of Ed25519 (RFC 8032): made, kept in files and read back.

A private key is a PKCS #8 file in PEM, as openssl reads it. A public key is one line, ``ed25519 BASE64
comment``, and a file of trusted keys is such lines: ``cat alice.pub bob.pub > trusted.keys``.
"""

import base64
import binascii
import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from recpress_edge.core.errors import ConfigError, missing_extra
from recpress_edge.core.files import check_there, sha256_bytes, storage_errors, sync_folder, write_new
from recpress_edge.core.printable import one_line
from recpress_edge.core.registry import named

KIND: Final = "ed25519"
RAW_BYTES: Final = 32
MAX_KEYS_BYTES: Final = 2**20
MAX_PRIVATE_BYTES: Final = 2**16
PUBLIC_SUFFIX: Final = ".pub"
_PRIME: Final = 2**255 - 19
_EIGHTH: Final = 2707385501144840649318225287225658788936804267575313519463743609750303402022
_WEAK: Final = frozenset({0, 1, _PRIME - 1, _EIGHTH, _PRIME - _EIGHTH})
"""y of the points of order 1, 2, 4 and 8: everybody can make signatures of such a key."""
_BLANKS: Final = " \t"
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f]")
_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A key that signatures are checked with."""

    raw: bytes
    """32 bytes, as RFC 8032 encodes a point."""
    comment: str = ""
    """Whose it is, for people."""

    @property
    def id(self) -> str:
        """SHA-256 of the raw key, 64 hex digits."""
        return sha256_bytes(self.raw)

    def line(self) -> str:
        """As a file of keys has it."""
        return f"{KIND} {base64.b64encode(self.raw).decode()} {self.comment}".rstrip()


def short(key_id: str) -> str:
    """A key's id as messages write it."""
    return f"{key_id[:16]}…"


def ed25519(function: str) -> Any:
    """A function of ed25519.py; MissingExtraError where the library is not installed."""
    try:
        return named(f"recpress_edge.artifacts.trust.ed25519:{function}")
    except ImportError:
        missing_extra("the package cryptography", "signed")


def read_trusted(path: Path) -> dict[str, PublicKey]:
    """Keys by their ids; ConfigError for a file that is none, or has no key."""
    keys = {}
    # not splitlines(): what follows a U+2028 in a comment is that comment in every editor, and no key
    for number, line in enumerate(_text(path, MAX_KEYS_BYTES).split("\n"), start=1):
        bare = line.strip(_BLANKS)
        where = f"{path}, line {number}"
        if _CONTROL.search(line):
            raise ConfigError(f"{where} holds a control character: {one_line(line[:60])!r}. Take it out.")
        if bare and not bare.startswith("#"):
            key = _public(where, bare)
            keys[key.id] = key
    if not keys:
        raise ConfigError(f"{path} has no key. Write lines as a .pub file of recpress-edge bundle keygen.")
    return keys


def _public(where: str, line: str) -> PublicKey:
    kind, _, rest = line.partition(" ")
    text, _, comment = rest.strip(_BLANKS).partition(" ")
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    if kind != KIND or len(raw) != RAW_BYTES:
        raise ConfigError(
            f"{where} is no public key: {one_line(line[:60])!r}. Expected is {KIND} BASE64 COMMENT, as "
            "recpress-edge bundle keygen writes it into FILE.pub."
        )
    if (int.from_bytes(raw, "little") & (2**255 - 1)) % _PRIME in _WEAK:
        raise ConfigError(f"{where} is a key of small order, whose signatures everybody can make. Remove it.")
    return PublicKey(raw, comment.strip(_BLANKS))


def make_keys(path: Path, comment: str, passphrase: bytes | None = None) -> PublicKey:
    """Write a private key to ``path``, which its owner alone may read, and the public one to ``path.pub``.

    ConfigError where either exists: a key is never replaced.
    """
    if "\n" in comment or "\r" in comment:
        raise ConfigError("--comment must be one line")
    beside = public_path(path)
    for there in (path, beside):
        if there.exists() or there.is_symlink():
            raise ConfigError(f"{there} exists already, and a key is never replaced. Choose another name.")
    pem, raw = ed25519("new_private")(passphrase)
    key = PublicKey(raw, comment)
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        _write_private(path, pem)
    if not write_new(beside, f"{key.line()}\n".encode()):
        path.unlink()
        raise ConfigError(f"{beside} exists already, and a key is never replaced. Choose another name.")
    return key


def public_path(private: Path) -> Path:
    """Where the public key of a private one is; ConfigError for a path without a file's name."""
    if not private.name:
        raise ConfigError(f"{private} is a folder, and a key is a file. Name one: {private / 'release.key'}")
    return private.with_name(private.name + PUBLIC_SUFFIX)


def _write_private(path: Path, pem: bytes) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(pem)
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def read_private(path: Path, passphrase: bytes | None = None) -> Any:
    """A private key for :func:`~recpress_edge.artifacts.trust.ed25519.sign`.

    ConfigError for a file that is none, that others may read, or whose passphrase is missing or wrong.
    """
    pem = _text(path, MAX_PRIVATE_BYTES).encode()
    if path.stat().st_mode & _OTHERS:
        raise ConfigError(f"{path} may be read or written by others. Run: chmod 600 {path}")
    try:
        return ed25519("load_private")(pem, passphrase)
    except (ValueError, ConfigError) as error:
        raise ConfigError(f"{path} is no private key that can be used: {one_line(str(error))}") from None


def _text(path: Path, most: int) -> str:
    check_there(path)
    try:
        size = path.stat().st_size
        if not path.is_file() or size > most:
            raise ConfigError(f"{path} is no file of keys: {size:,} bytes, at most {most:,}")
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {error}") from None
