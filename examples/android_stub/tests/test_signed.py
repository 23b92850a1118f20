"""Signatures on a JVM: what Python signs is taken, and everything else is refused as Python refuses it."""

import base64
import json
import shutil

from bundles import make_bundle
from damage import resign

from recpress_edge.artifacts.bundle import MANIFEST, open_bundle
from recpress_edge.artifacts.manifest import SIGNATURE
from recpress_edge.artifacts.trust.keys import make_keys, public_path, read_private
from recpress_edge.artifacts.trust.policy import Trust
from recpress_edge.artifacts.trust.signature import sign_bundle
from recpress_edge.artifacts.two_stages.bundle import open_two_stage_bundle
from recpress_edge.core.errors import ArtifactError, ConfigError


def edited(folder, name, change):
    copied = shutil.copytree(folder, folder.parent / name)
    change(copied)
    return copied


def other_signature(folder):
    facts = json.loads((folder / SIGNATURE).read_text())
    raw = bytearray(base64.b64decode(facts["signature"]))
    raw[3] ^= 4
    (folder / SIGNATURE).write_text(json.dumps(facts | {"signature": base64.b64encode(raw).decode()}))


def spaced(folder):
    (folder / MANIFEST).write_bytes((folder / MANIFEST).read_bytes() + b" ")


def damaged(folder):
    (folder / SIGNATURE).write_text('{"schema": "recpress.signature/1", "key": 1}')


CHANGES = (other_signature, spaced, damaged, resign)


def test_java_takes_and_refuses_what_python_does(jvm, tmp_path):
    for name in ("ours", "theirs"):
        make_keys(tmp_path / name, f"{name} of a test")
    whole = make_bundle(tmp_path / "whole", n_users=6, n_items=50, n_tests=3).folder
    unsigned = edited(whole, "unsigned", lambda folder: None)
    sign_bundle(whole, read_private(tmp_path / "ours"), (whole / MANIFEST).read_bytes())
    ours, theirs, nobody = (
        public_path(tmp_path / "ours"),
        public_path(tmp_path / "theirs"),
        tmp_path / "empty",
    )
    both = tmp_path / "both"
    both.write_text(f"# two\n{theirs.read_text()}{ours.read_text()}")
    nobody.write_text("# nobody\n")
    cases = [
        *((whole, ours), (whole, both), (whole, theirs), (unsigned, ours), (whole, nobody)),
        *(
            (edited(whole, change.__name__, change), ours)
            for change in (other_signature, spaced, damaged, resign)
        ),
    ]
    done = jvm.java("org.example.recpress.SignedMain", *(str(path) for case in cases for path in case))
    found = done.stdout.splitlines()
    assert len(found) == len(cases), done.stderr
    for (folder, keys), said in zip(cases[:4] + cases[5:], found[:4] + found[5:], strict=True):
        try:
            wanted = open_bundle(folder, trust=Trust(keys)).digest
        except ArtifactError as error:
            wanted = error.fault
        assert said.split(" ")[0] == wanted, (folder, said)
    assert found[0] == found[1] != found[2]
    assert found[4].startswith("field ")


def key_files(ours, theirs):
    """Texts of files of keys that are read in several ways if they are not read in one."""
    weak = [bytes([1]) + bytes(31), bytes(32), b"\xed" + b"\xff" * 31, b"\xec" + b"\xff" * 30 + b"\x7f"]
    eighth = bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85")
    yield from (f"{theirs} me\n# a{mark}{ours}\n" for mark in "\r\x0b\x0c\x1c\x85\u2028\u2029\u00a0\ufeff")
    yield from (f"{mark}{ours}\n" for mark in " \t\u00a0\ufeff\x01\u3000\x7f")
    yield from (f"{ours}\r{theirs}", f"{theirs}\r{ours}", f"{ours}\r\n{theirs}\r\n", f"{ours} a\x00b", "\r\n")
    yield from (
        ours.replace(" ", "\t", 1),
        ours.replace(" ", "  \t", 1),
        ours.replace("= ", "=\t"),
        f"{ours}\x0b",
    )
    for raw in (*weak, eighth, bytes([7]) + bytes(31)):
        yield f"{ours}\ned25519 {base64.b64encode(raw).decode()} weak?\n"


def test_java_reads_files_of_keys_as_python_does(jvm, tmp_path):
    for name in ("ours", "theirs"):
        make_keys(tmp_path / name, name)
    whole = make_bundle(tmp_path / "whole", n_users=6, n_items=50, n_tests=3).folder
    sign_bundle(whole, read_private(tmp_path / "ours"), (whole / MANIFEST).read_bytes())
    lines = (public_path(tmp_path / name).read_text().strip() for name in ("ours", "theirs"))
    wanted, asked = [], []
    for number, text in enumerate(key_files(*lines)):
        keys = tmp_path / f"{number}.keys"
        keys.write_bytes(text.encode())
        asked += [str(whole), str(keys)]
        try:
            wanted.append(open_bundle(whole, trust=Trust(keys)).digest)
        except ConfigError:
            wanted.append("field")
        except ArtifactError as error:
            wanted.append(error.fault)
    done = jvm.java("org.example.recpress.SignedMain", *asked)
    assert [said.split(" ")[0] for said in done.stdout.splitlines()] == wanted
    assert {"field", "signature"} < set(wanted)


def test_a_bundle_of_two_stages_too(jvm, fixtures, tmp_path):
    make_keys(tmp_path / "ours", "ours of a test")
    signed = shutil.copytree(fixtures / "stages/bundles/two-stages", tmp_path / "two-stages")
    unsigned = edited(signed, "two-stages-unsigned", lambda folder: None)
    sign_bundle(signed, read_private(tmp_path / "ours"), (signed / MANIFEST).read_bytes())
    keys = str(public_path(tmp_path / "ours"))
    done = jvm.java("org.example.recpress.SignedMain", str(signed), keys, str(unsigned), keys)
    taken, refused = done.stdout.splitlines()
    assert taken == open_two_stage_bundle(signed, Trust(public_path(tmp_path / "ours"))).digest
    assert refused.startswith("signature ")
