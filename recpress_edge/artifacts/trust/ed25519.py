"""Ed25519 by the package cryptography (extra ``signed``): the one module that imports it."""

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from recpress_edge.core.errors import ConfigError


def new_private(passphrase: bytes | None) -> tuple[bytes, bytes]:
    """A fresh key: PKCS #8 in PEM, encrypted with any passphrase, and the raw public key (32 bytes)."""
    private = Ed25519PrivateKey.generate()
    encryption = BestAvailableEncryption(passphrase) if passphrase else NoEncryption()
    return private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption), public_of(private)


def load_private(pem: bytes, passphrase: bytes | None) -> Ed25519PrivateKey:
    """The key of a PEM; ValueError or ConfigError where it is none."""
    try:
        private = load_pem_private_key(pem, passphrase)
    except TypeError:  # what the library raises for both
        wanted = "it has no passphrase" if passphrase else "it has a passphrase"
        raise ConfigError(f"{wanted}: {'leave out' if passphrase else 'add'} --ask-passphrase") from None
    except UnsupportedAlgorithm as error:
        raise ValueError(str(error)) from None
    if not isinstance(private, Ed25519PrivateKey):
        raise ConfigError(f"it is of another kind than Ed25519 ({type(private).__name__})")
    return private


def public_of(private: Ed25519PrivateKey) -> bytes:
    """The raw public key (32 bytes)."""
    raw: bytes = private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    return raw


def sign(private: Ed25519PrivateKey, message: bytes) -> bytes:
    """A signature (64 bytes)."""
    signature: bytes = private.sign(message)
    return signature


def verify(raw: bytes, signature: bytes, message: bytes) -> bool:
    """Whether a signature (64 bytes) is the raw key's over a message."""
    try:
        Ed25519PublicKey.from_public_bytes(raw).verify(signature, message)
    except (InvalidSignature, ValueError):  # ValueError: no point of the curve
        return False
    return True
