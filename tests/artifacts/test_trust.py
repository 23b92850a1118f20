"""Keys and signatures: what is taken, what is refused and why, and that others read the same."""

import base64
import hashlib
import json
import shutil
import subprocess

import pytest
from bundles import make_bundle

from recpress_edge.artifacts.bundle import MANIFEST, open_bundle
from recpress_edge.artifacts.manifest import SIGNATURE
from recpress_edge.artifacts.trust.ed25519 import verify
from recpress_edge.artifacts.trust.keys import make_keys, public_path, read_private, read_trusted
from recpress_edge.artifacts.trust.policy import Trust
from recpress_edge.artifacts.trust.signature import DOMAIN, SCHEMA, sign_bundle
from recpress_edge.core.errors import ArtifactError, ConfigError, MissingExtraError
from recpress_edge.device.apart import self_test_apart
from recpress_edge.device.recommender import Recommender

# RFC 8032, section 7.1: public key, message, signature of tests 1 to 3.
RFC_8032 = (
    (
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46b"
        "d25bf5f0595bbe24655141438e7a100b",
    ),
    (
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c"
        "387b2eaeb4302aeeb00d291612bb0c00",
    ),
    (
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc659"
        "4a7c15e9716ed28dc027beceea1ec40a",
    ),
)


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    """Files of two pairs of keys."""
    folder = tmp_path_factory.mktemp("keys")
    for name in ("ours", "theirs"):
        make_keys(folder / name, f"{name} of a test")
    return folder


@pytest.fixture
def bundle(tmp_path):
    return make_bundle(tmp_path / "bundle", n_users=5, n_items=40, n_tests=3)


@pytest.fixture
def trust(keys):
    return Trust(public_path(keys / "ours"))


def sign(folder, private):
    return sign_bundle(folder, read_private(private), (folder / MANIFEST).read_bytes())


def refused(folder, trust):
    with pytest.raises(ArtifactError) as caught:
        open_bundle(folder, trust=trust)
    assert caught.value.fault == "signature"
    return str(caught.value)


@pytest.mark.parametrize(("raw", "message", "signature"), RFC_8032)
def test_published_signatures_are_right_and_their_neighbours_are_not(raw, message, signature):
    key, text, signed = map(bytes.fromhex, (raw, message, signature))
    assert verify(key, signed, text)
    assert not verify(key, signed, text + b"\0")
    assert not verify(key, bytes([signed[0] ^ 1]) + signed[1:], text)
    assert not verify(bytes(32), signed, text)


def test_a_signed_bundle_is_taken_by_those_who_trust_its_key(bundle, keys, trust):
    sign(bundle.folder, keys / "ours")
    assert open_bundle(bundle.folder, trust=trust).digest == bundle.digest
    assert open_bundle(bundle.folder).digest == bundle.digest  # nobody asks
    assert self_test_apart(bundle.folder, trust=trust)[0].digest == bundle.digest
    assert len(Recommender.load(bundle.folder, trust=trust).recommend("u0")) == 10


def test_each_refusal_has_its_own_reason(bundle, keys, trust):
    assert "is not signed" in refused(bundle.folder, trust)
    sign(bundle.folder, keys / "theirs")
    assert "none of the 1 trusted ones" in refused(bundle.folder, trust)
    sign(bundle.folder, keys / "ours")
    where = bundle.folder / SIGNATURE
    facts = json.loads(where.read_text())
    raw = bytearray(base64.b64decode(facts["signature"]))
    raw[40] ^= 1
    where.write_text(json.dumps(facts | {"signature": base64.b64encode(raw).decode()}))
    assert "no signature of key" in refused(bundle.folder, trust)
    where.write_text(json.dumps(facts))
    manifest = bundle.folder / MANIFEST
    manifest.write_bytes(manifest.read_bytes() + b" ")  # the same facts in other bytes
    assert open_bundle(bundle.folder).digest == bundle.digest
    assert "changed after it was signed" in refused(bundle.folder, trust)


def test_a_forged_statement_of_what_was_signed_does_not_help(bundle, keys, trust, tmp_path):
    """Another bundle with this one's signature, said to be its own."""
    sign(bundle.folder, keys / "ours")
    other = make_bundle(tmp_path / "other", n_users=5, n_items=41, n_tests=3)
    facts = json.loads((bundle.folder / SIGNATURE).read_text())
    stated = hashlib.sha256((other.folder / MANIFEST).read_bytes()).hexdigest()
    (other.folder / SIGNATURE).write_text(json.dumps(facts | {"signed_sha256": stated}))
    assert "no signature of key" in refused(other.folder, trust)


@pytest.mark.parametrize(
    "text",
    [
        *(
            json.dumps({"schema": SCHEMA, "key": "0" * 64, "signed_sha256": "0" * 64, "signature": text})
            for text in ("AA==", "é")
        ),
        "{}",
        '{"schema": "recpress.signature/2"}',
        '{"schema": "recpress.signature/1", "key": 1, "signed_sha256": "", "signature": ""}',
        '{"schema": "recpress.signature/1", "key": "no", "signed_sha256": "no", "signature": ""}',
        json.dumps(
            {
                "schema": "recpress.signature/1",
                "key": "0" * 64,
                "signed_sha256": "0" * 64,
                "signature": "AA==",
            }
        ),
    ],
)
def test_a_damaged_signature_is_refused(bundle, trust, text):
    (bundle.folder / SIGNATURE).write_text(text)
    assert "is no signature" in refused(bundle.folder, trust)


def test_a_signature_file_is_small_and_plain_whoever_asks(bundle, tmp_path):
    where = bundle.folder / SIGNATURE
    where.write_bytes(b" " * 4097)
    for make in (lambda: where.symlink_to(tmp_path / "elsewhere"), where.mkdir, lambda: None):
        with pytest.raises(ArtifactError, match="is no signature") as caught:
            open_bundle(bundle.folder)
        assert caught.value.fault == "path"
        where.rmdir() if where.is_dir() and not where.is_symlink() else where.unlink(missing_ok=True)
        make()


def test_another_bundle_than_the_expected_is_refused(bundle):
    assert open_bundle(bundle.folder, trust=Trust(digest=bundle.digest)).digest == bundle.digest
    with pytest.raises(ArtifactError, match=f"digest is {bundle.digest}, expected is {'0' * 64}"):
        Recommender.load(bundle.folder, trust=Trust(digest="0" * 64))
    for text in ("", bundle.digest[:16], bundle.digest.upper()):
        with pytest.raises(ConfigError, match="--expect-digest"):
            Trust(digest=text)


def test_a_signature_without_digests_is_not_asked_for(bundle, keys, trust):
    sign(bundle.folder, keys / "ours")
    with pytest.raises(ConfigError, match="verify=False"):
        Recommender.load(bundle.folder, verify=False, trust=trust)


def test_keys_are_never_replaced_and_private_ones_are_private(tmp_path):
    made = make_keys(tmp_path / "deep/key", "me")
    private = tmp_path / "deep/key"
    assert private.stat().st_mode & 0o777 == 0o600
    assert read_trusted(public_path(private)) == {made.id: made}
    before = private.read_bytes()
    for gone in (None, private):
        if gone:
            gone.unlink()
        with pytest.raises(ConfigError, match="never replaced"):
            make_keys(private, "me")
        if gone is None:
            assert private.read_bytes() == before
    assert not private.exists()
    private.write_bytes(before)
    private.chmod(0o640)
    with pytest.raises(ConfigError, match="chmod 600"):
        read_private(private)


def test_a_passphrase_is_needed_where_there_is_one(tmp_path, keys):
    make_keys(tmp_path / "locked", "", b"sesame")
    assert b"ENCRYPTED" in (tmp_path / "locked").read_bytes()
    assert read_private(tmp_path / "locked", b"sesame")
    with pytest.raises(ConfigError, match="--ask-passphrase"):
        read_private(tmp_path / "locked")
    with pytest.raises(ConfigError, match="no private key that can be used"):
        read_private(tmp_path / "locked", b"wrong")
    with pytest.raises(ConfigError, match="leave out --ask-passphrase"):
        read_private(keys / "ours", b"sesame")


def test_what_is_no_file_of_keys_is_refused(tmp_path, keys):
    where = tmp_path / "trusted"
    for text, words in (
        ("", "has no key"),
        ("# nobody yet\n", "has no key"),
        ("ed25519 AAAA me", "line 1 is no public key"),
        ((keys / "ours").read_text(), "line 1 is no public key"),
        ("ssh-ed25519 " + "A" * 43 + "= me", "line 1 is no public key"),
    ):
        where.write_text(text)
        with pytest.raises(ConfigError, match=words):
            read_trusted(where)
    both = "".join(public_path(keys / name).read_text() for name in ("ours", "theirs"))
    where.write_text(f"# the two of us\n\n{both}")
    assert [key.comment for key in read_trusted(where).values()] == ["ours of a test", "theirs of a test"]
    with pytest.raises(ConfigError, match="no such file"):
        read_trusted(tmp_path / "nowhere")
    rsa = tmp_path / "rsa"
    rsa.write_text("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")
    rsa.chmod(0o600)
    with pytest.raises(ConfigError, match="no private key"):
        read_private(rsa)


def test_the_library_is_needed_only_where_it_is_asked_for(bundle, keys, trust, monkeypatch):
    sign(bundle.folder, keys / "ours")

    def absent(entry):
        raise ImportError(entry, name="cryptography")

    monkeypatch.setattr("recpress_edge.artifacts.trust.keys.named", absent)
    assert open_bundle(bundle.folder).digest == bundle.digest
    with pytest.raises(MissingExtraError, match=r"\.\[signed\]"):
        open_bundle(bundle.folder, trust=trust)


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
def test_openssl_reads_the_key_and_takes_the_signature(bundle, keys, tmp_path):
    sign(bundle.folder, keys / "ours")
    facts = json.loads((bundle.folder / SIGNATURE).read_text())
    (tmp_path / "message").write_bytes(DOMAIN + (bundle.folder / MANIFEST).read_bytes())
    (tmp_path / "signature").write_bytes(base64.b64decode(facts["signature"]))
    public = tmp_path / "public.pem"
    subprocess.run(["openssl", "pkey", "-in", keys / "ours", "-pubout", "-out", public], check=True)
    words = ["openssl", "pkeyutl", "-verify", "-pubin", "-inkey", public, "-rawin"]
    words += ["-in", tmp_path / "message", "-sigfile", tmp_path / "signature"]
    assert subprocess.run(words, capture_output=True, check=False).returncode == 0
    (tmp_path / "message").write_bytes(b"other" + (bundle.folder / MANIFEST).read_bytes())
    assert subprocess.run(words, capture_output=True, check=False).returncode != 0
