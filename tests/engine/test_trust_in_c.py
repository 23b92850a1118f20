"""Signatures and digests in C: what Python takes is taken, and the rest is refused for the same reason."""

import base64
import ctypes.util
import hashlib
import json
import re
import shutil
import subprocess

import pytest
from engine_programs import ROOT, SOURCES, in_ci
from engine_trust import (
    CODES,
    compiled_library,
    compiled_turns,
    keys_of,
    make_both_keys,
    signed_bundle,
    small_files,
    turns,
)

from recpress_edge.artifacts.bundle import MANIFEST
from recpress_edge.artifacts.manifest import SIGNATURE
from recpress_edge.artifacts.trust.checks import check_folder
from recpress_edge.artifacts.trust.keys import public_path, read_private, read_trusted
from recpress_edge.artifacts.trust.signature import DOMAIN, sign_bundle
from recpress_edge.core.errors import ArtifactError, ConfigError
from recpress_edge.core.rng import stream

TURNS = 10_000
REASONS = {
    "RP_NOT_SIGNED": "is not signed: it has no bundle.sig",
    "RP_BAD_SIGNATURE": "is no signature:",
    "RP_UNTRUSTED": "trusted ones",
    "RP_CHANGED": "was changed after it was signed",
    "RP_FORGED": "is no signature of key",
}
"""What Python says where C returns this."""
LINE = "ed25519 " + base64.b64encode(bytes(range(32))).decode()


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    if shutil.which("gcc") is None:
        pytest.fail("gcc is not here") if in_ci() else pytest.skip("gcc is not here")
    folder = tmp_path_factory.mktemp("trust")
    make_both_keys(folder)
    return folder


@pytest.fixture(scope="module")
def in_c(place):
    return compiled_library(place)


@pytest.fixture(scope="module")
def bundle(place):
    """Signed by us."""
    return signed_bundle(place)


def of_python(folder, keys, signature, manifest):
    """What Python's check says of these files, by the name that C has for it."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    (folder / "keys").write_bytes(keys)
    if signature is not None:
        (folder / SIGNATURE).write_bytes(signature)
    try:
        check_folder(folder, manifest, folder / "keys")
    except ConfigError as error:
        return "RP_NO_KEYS" if "has no key" in str(error) else "RP_BAD_KEYS"
    except ArtifactError as error:
        if error.fault in ("json", "path"):
            return "RP_BAD_SIGNATURE"
        return next(name for name, words in REASONS.items() if words in str(error))
    return "RP_OK"


def changed(of, **facts):
    return json.dumps(json.loads(of) | facts).encode()


def raw_changed(signature):
    raw = bytearray(base64.b64decode(json.loads(signature)["signature"]))
    raw[40] ^= 1
    return changed(signature, signature=base64.b64encode(raw).decode())


def test_each_refusal_has_python_s_reason(in_c, bundle, place, tmp_path):
    signature, manifest = (bundle / SIGNATURE).read_bytes(), (bundle / MANIFEST).read_bytes()
    ours, both, theirs = (keys_of(place, *names) for names in (("ours",), ("theirs", "ours"), ("theirs",)))
    stated = hashlib.sha256(manifest + b" ").hexdigest()
    cases = {
        (ours, signature, manifest): "RP_OK",
        (both, signature, manifest): "RP_OK",
        (ours, None, manifest): "RP_NOT_SIGNED",
        (theirs, signature, manifest): "RP_UNTRUSTED",
        (ours, signature, manifest + b" "): "RP_CHANGED",
        (ours, raw_changed(signature), manifest): "RP_FORGED",
        (ours, changed(signature, signed_sha256=stated), manifest + b" "): "RP_FORGED",
        (ours, changed(signature, schema="recpress.signature/2"), manifest): "RP_BAD_SIGNATURE",
        (ours, changed(signature, key=json.loads(signature)["key"].upper()), manifest): "RP_BAD_SIGNATURE",
        (ours, changed(signature, key=1), manifest): "RP_BAD_SIGNATURE",
        (ours, changed(signature, signature="AA=="), manifest): "RP_BAD_SIGNATURE",
        (ours, changed(signature, more="é" * 5), manifest): "RP_OK",
        (ours, signature + b" " * 4096, manifest): "RP_BAD_SIGNATURE",
        (ours, signature + b"}", manifest): "RP_BAD_SIGNATURE",
        (ours, b"", manifest): "RP_BAD_SIGNATURE",
        (ours, b"{}", manifest): "RP_BAD_SIGNATURE",
        (b"", signature, manifest): "RP_NO_KEYS",
        (b"# nobody yet\n", None, manifest): "RP_NO_KEYS",
        (ours + b"ed25519 AAAA me\n", None, manifest): "RP_BAD_KEYS",
    }
    for files, wanted in cases.items():
        assert in_c.check_signature(*files) == wanted == of_python(tmp_path / "case", *files), files[:2]
    assert {*REASONS, "RP_NO_KEYS", "RP_BAD_KEYS", "RP_OK"} == set(cases.values())


def test_what_is_signed_reaches_the_application_s_function(in_c, bundle, place):
    signature, manifest = (bundle / SIGNATURE).read_bytes(), (bundle / MANIFEST).read_bytes()
    asked = []

    def never(raw, signed, message):
        asked.append((raw, signed, message))
        return False

    assert in_c.check_signature(keys_of(place, "ours"), signature, manifest, never) == "RP_FORGED"
    (key,) = read_trusted(public_path(place / "ours")).values()
    signed = base64.b64decode(json.loads(signature)["signature"])
    assert asked == [(key.raw, signed, DOMAIN + manifest)]
    assert in_c.check_signature(keys_of(place, "theirs"), signature, manifest, never) == "RP_UNTRUSTED"
    assert len(asked) == 1


@pytest.mark.parametrize(
    "text",
    [
        *(LINE, f"{LINE}\n", f"{LINE} me\r\n", f"\n \t\n# a\n  # b\n\t{LINE}\t\n", f"{LINE}\r{LINE} again"),
        *(f"ed25519  \t {LINE[8:]}  who  am I", f"# é\n{LINE} é\n", LINE[:-2] + "9=", f"{LINE}\n#"),
        *("", "\n", "#", " # nobody", LINE.replace(" ", "\t"), f"{LINE}\tme", f"ssh-{LINE}", LINE[8:]),
        *(LINE[:-1], f"{LINE}=", f"{LINE[:-1]}A", LINE[:-2] + "==", LINE.replace("A", "-", 1), f"{LINE}\nx"),
        *("ed25519", "ed25519 ", f"x{LINE}", f"ed25519 {'A' * 88}", f"{LINE}\x0b{LINE}", f"{LINE} a\x00b"),
        f"# {'x' * 2**20}\n{LINE}\n",
    ],
    ids=lambda text: repr(text[:40]),
)
def test_a_file_of_keys_is_read_as_python_reads_it(text, in_c, bundle, tmp_path):
    """None of the keys is ours."""
    files = (text.encode(), (bundle / SIGNATURE).read_bytes(), (bundle / MANIFEST).read_bytes())
    assert in_c.check_signature(*files) == of_python(tmp_path / "case", *files)


BREAKS = "\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029"
"""Where Python's splitlines() ends a line."""


@pytest.mark.parametrize("mark", [*BREAKS, "\N{NO-BREAK SPACE}", "\N{ZERO WIDTH NO-BREAK SPACE}", "\x7f"])
def test_no_key_hides_in_a_comment(mark, in_c, bundle, place, tmp_path):
    """Our key, behind what an editor shows as one comment or as nothing."""
    ours = public_path(place / "ours").read_text().strip()
    rest = ((bundle / SIGNATURE).read_bytes(), (bundle / MANIFEST).read_bytes())
    for text in (f"{LINE} me\n# them{mark}{ours}\n", f"{LINE} me{mark}{ours}\n", f"{LINE}\n{mark}# a\n"):
        said = in_c.check_signature(text.encode(), *rest)
        assert said in ("RP_UNTRUSTED", "RP_BAD_KEYS")
        assert said == of_python(tmp_path / "case", text.encode(), *rest)


@pytest.mark.parametrize("wrong", [b"\xff", b"\xc3", b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80"])
def test_what_is_no_utf8_is_refused_wherever_it_stands(wrong, in_c, bundle, place, tmp_path):
    ours, signature, manifest = (
        keys_of(place, "ours"),
        (bundle / SIGNATURE).read_bytes(),
        (bundle / MANIFEST).read_bytes(),
    )
    keys = (b"# " + wrong + b"\n" + ours, signature, manifest)
    assert in_c.check_signature(*keys) == of_python(tmp_path / "case", *keys) == "RP_BAD_KEYS"
    noted = (ours, b'{"note": "' + wrong + b'", ' + signature.lstrip(b"{ \n"), manifest)
    assert in_c.check_signature(*noted) == of_python(tmp_path / "case", *noted) == "RP_BAD_SIGNATURE"
    text = f"{HEAD}{FILE}, ".encode() + b'"note": "' + wrong + b'"}'
    assert in_c.check_file(text, "a", b"abc") == "RP_BAD_MANIFEST"
    assert in_c.check_file(text.replace(wrong, "é\u2028\U0010ffff".encode()), "a", b"abc") == "RP_OK"


PRIME = 2**255 - 19
EIGHTH = 2707385501144840649318225287225658788936804267575313519463743609750303402022


@pytest.mark.parametrize("sign", [0, 1])
@pytest.mark.parametrize("y", [0, 1, PRIME - 1, PRIME, PRIME + 1, EIGHTH, PRIME - EIGHTH])
def test_a_key_whose_signatures_everybody_can_make_is_none(y, sign, in_c, bundle, place, tmp_path):
    line = base64.b64encode((y | sign << 255).to_bytes(32, "little")).decode()
    rest = ((bundle / SIGNATURE).read_bytes(), (bundle / MANIFEST).read_bytes())
    keys = keys_of(place, "ours") + f"ed25519 {line} a friend\n".encode()
    assert in_c.check_signature(keys, *rest) == of_python(tmp_path / "case", keys, *rest) == "RP_BAD_KEYS"
    near = base64.b64encode(((y + 5) % 2**255).to_bytes(32, "little")).decode()
    keys = keys_of(place, "ours") + f"ed25519 {near} a friend\n".encode()
    assert in_c.check_signature(keys, *rest) == of_python(tmp_path / "case", keys, *rest) == "RP_OK"


def test_a_key_is_found_wherever_it_stands(in_c, bundle, place):
    files = ((bundle / SIGNATURE).read_bytes(), (bundle / MANIFEST).read_bytes())
    ours = public_path(place / "ours").read_text().strip()
    for text in (f"{LINE}\n{ours}", f"{ours}\n{LINE}", f"{ours}\n{ours}\r\n", f"\t {ours.split('=')[0]}= "):
        assert in_c.check_signature(text.encode(), *files) == "RP_OK"


def test_files_are_held_against_the_manifest(in_c, bundle):
    manifest = (bundle / MANIFEST).read_bytes()
    for name in json.loads(manifest)["files"]:
        data = (bundle / name).read_bytes()
        assert in_c.check_file(manifest, name, data) == "RP_OK"
        assert in_c.check_file(manifest, name, data + b"\n") == "RP_OTHER_FILE"
        assert in_c.check_file(manifest, name, bytes([data[0] ^ 1]) + data[1:]) == "RP_OTHER_FILE"
    for name in ("", "model.bi", "bundle.json", "files"):
        assert in_c.check_file(manifest, name, b"") == "RP_UNLISTED"


ENTRY = {"bytes": 3, "sha256": hashlib.sha256(b"abc").hexdigest()}
HEAD = '{"schema": "recpress.bundle/1", '
FILE = f'"files": {json.dumps({"a": ENTRY})}'


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (f" {HEAD}{FILE}}}\r\n\t", "RP_OK"),
        (
            f'{{{FILE}, "more": [[], {{}}, -1.5e+3, "\\u00e9\\n", true, false, null, 0], {HEAD[1:-2]}}}',
            "RP_OK",
        ),
        (f'{HEAD}{FILE}, "deep": {"[" * 64}{"]" * 64}}}', "RP_OK"),
        (f'{HEAD}{FILE}, "deep": {"[" * 65}{"]" * 65}}}', "RP_BAD_MANIFEST"),
        (f"{HEAD}{FILE}, {FILE}}}", "RP_BAD_MANIFEST"),
        (f'{HEAD}{FILE}, "fil\\u0065s": {{}}}}', "RP_BAD_MANIFEST"),
        (f"{HEAD}{FILE}}} x", "RP_BAD_MANIFEST"),
        (f"{HEAD}{FILE},}}", "RP_BAD_MANIFEST"),
        (f"{HEAD}{FILE}", "RP_BAD_MANIFEST"),
        (f'{HEAD}{FILE}, "a": [1,]}}', "RP_BAD_MANIFEST"),
        (f'{HEAD}{FILE}, "a": [1}}]', "RP_BAD_MANIFEST"),
        (f'{HEAD}{FILE}, "a": 01}}', "RP_BAD_MANIFEST"),
        (f'{HEAD}{FILE}, "a": "\t"}}', "RP_BAD_MANIFEST"),
        (f'{HEAD}{FILE}, "a": "\\x"}}', "RP_BAD_MANIFEST"),
        (f'{HEAD}{FILE}, "a": "\\u12g4"}}', "RP_BAD_MANIFEST"),
        (f"{HEAD.replace('/1', '/2')}{FILE}}}", "RP_BAD_MANIFEST"),
        (f"{{{FILE}}}", "RP_BAD_MANIFEST"),
        (f'{HEAD}"files": []}}', "RP_BAD_MANIFEST"),
        (f'{HEAD}"files": {{"a": {{"bytes": 3}}}}}}', "RP_BAD_MANIFEST"),
        (f"{HEAD}{FILE.replace('3', '3.0', 1)}}}", "RP_BAD_MANIFEST"),
        (f"{HEAD}{FILE.replace('3', '-3', 1)}}}", "RP_BAD_MANIFEST"),
        (f"{HEAD}{FILE.replace(ENTRY['sha256'], ENTRY['sha256'].upper())}}}", "RP_BAD_MANIFEST"),
        (f'{HEAD}"files": {{}}}}', "RP_UNLISTED"),
        (f"{HEAD}{FILE.replace('3', '4', 1)}}}", "RP_OTHER_FILE"),
        (f"{HEAD}{FILE.replace('3', str(2**32 + 3), 1)}}}", "RP_OTHER_FILE"),
        (f"{HEAD}{FILE.replace('3', str(2**64 + 3), 1)}}}", "RP_BAD_MANIFEST"),
        (f"{HEAD}{FILE}}}{' ' * 2**22}", "RP_BAD_MANIFEST"),
        ("", "RP_BAD_MANIFEST"),
        ("[]", "RP_BAD_MANIFEST"),
    ],
    ids=lambda text: repr(text[-40:]),
)
def test_a_manifest_is_read_strictly(text, wanted, in_c):
    assert in_c.check_file(text.encode(), "a", b"abc") == wanted


def test_what_c_reads_of_json_python_reads_too(in_c):
    """Random texts of JSON's own letters: where C finds the file's facts, Python finds the same."""
    whole, rng, read = f'{HEAD}{FILE}, "a": [1, {{"b": "c\\n"}}, -2e1, null]}}', stream(0, "json"), 0
    letters = '{}[]",:\\0123456789abefnrtul.+- '
    for _ in range(3000):
        text = list(whole)
        for _ in range(int(rng.integers(1, 3))):
            at = int(rng.integers(len(text)))
            text[at : at + int(rng.integers(2))] = letters[int(rng.integers(len(letters)))]
        said = in_c.check_file("".join(text).encode(), "a", b"abc")
        if said in ("RP_OK", "RP_OTHER_FILE", "RP_UNLISTED"):
            read += 1
            facts = json.loads("".join(text))["files"].get("a")
            assert (facts is None) == (said == "RP_UNLISTED")
            assert (facts == ENTRY) == (said == "RP_OK") or facts is None or set(facts) > set(ENTRY)
    assert 100 < read < 2900


def test_sha256_is_that_of_python(in_c):
    data = bytes(range(251)) * 40
    for n in (*range(200), 1000, 4095, 4096, len(data)):
        assert in_c.sha256(data[:n]) == hashlib.sha256(data[:n]).digest()


def test_every_code_has_its_own_words(in_c):
    words = [in_c.words(code) for code in (0, *CODES.values(), -1, -30, 1)]
    assert len(set(words)) == len(CODES) + 2
    assert sorted(CODES.values()) == list(range(-29, -19))


def test_it_needs_no_library(place):
    """But the two functions that compilers call unasked, which recpress.c brings with -DRP_FREESTANDING."""
    words = ["gcc", "-std=c99", "-O2", "-ffreestanding", "-fno-pic", "-fno-stack-protector"]
    made = place / "alone.o"
    subprocess.run([*words, "-c", SOURCES / "recpress_trust.c", "-o", made], check=True)
    said = subprocess.run(["nm", "-u", made], capture_output=True, text=True, check=True).stdout
    assert set(said.split()) - {"U"} <= {"memcpy", "memset"}


def test_damaged_files_are_refused_within_memory(bundle, place):
    files = small_files(place, bundle)
    found = turns(compiled_turns(place), files, 0, TURNS)
    cuts = sum(map(len, files[:3]))
    assert sum(of_signature for of_signature, _ in found.values()) == cuts + TURNS
    assert set(found) == {"RP_OK", *CODES} - {"RP_NOT_SIGNED"}


def test_the_program_of_the_page_checks_a_bundle(place, bundle, tmp_path):
    """With libsodium where it is; else it compiles."""
    page = (ROOT / "docs/start/in-c.md").read_text()
    (program,) = re.findall(r'```c\n(#include "recpress_trust\.h"\n.*?)```', page, re.DOTALL)
    (command,) = re.findall(r"cc .* check\.c .*", page)
    (tmp_path / "check.c").write_text(program)
    (tmp_path / "sodium.h").write_text(
        "int sodium_init(void);\n"
        "int crypto_sign_verify_detached(const unsigned char *, const unsigned char *, unsigned long long,\n"
        "                                const unsigned char *);\n"
    )
    for name in ("recpress_trust.c", "recpress_trust.h"):
        shutil.copy(SOURCES / name, tmp_path)
    library = ctypes.util.find_library("sodium")
    words = (
        command.partition(" && ")[0].replace("-o check", f"-Wall -Wextra -Werror -I{tmp_path}").split()[:-1]
    )
    if library is None:
        subprocess.run([*words, "-fsyntax-only"], cwd=tmp_path, check=True)
        return
    subprocess.run([*words, "-o", "check", f"-l:{library}"], cwd=tmp_path, check=True)
    manifest = json.loads((bundle / MANIFEST).read_text())
    model = next(name for name in manifest["files"] if name.startswith("model"))
    text = json.dumps(manifest).replace(model, "model.bin")
    (tmp_path / MANIFEST).write_text(text)
    sign_bundle(tmp_path, read_private(place / "ours"), text.encode())
    shutil.copy(bundle / model, tmp_path / "model.bin")
    for keys, code, said in (("ours", 0, "as it was signed"), ("theirs", 1, "none of the trusted ones")):
        (tmp_path / "trusted.keys").write_bytes(keys_of(place, keys))
        done = subprocess.run(["./check"], cwd=tmp_path, capture_output=True, text=True, check=False)
        assert (done.returncode, said in done.stdout) == (code, True)
    (tmp_path / "trusted.keys").write_bytes(keys_of(place, "ours"))
    (tmp_path / "model.bin").write_bytes(b"other")
    done = subprocess.run(["./check"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, "the file was changed" in done.stdout) == (1, True)
