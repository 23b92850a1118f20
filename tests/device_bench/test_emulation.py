"""The emulated machine's set-up without an emulator: what is unpacked, kept, refused and read back."""

import dataclasses
import io
import multiprocessing
import tarfile
import zipfile

import pytest

from device_bench.emulation import apt, cache, wheels
from device_bench.emulation.cpio import ArchiveEntry, entries_of, folder, write_cpio
from device_bench.emulation.guest import _LEFT_OUT
from device_bench.emulation.tools import EmulationError, need, run_tool
from recpress_edge.artifacts.formats import FORMATS
from recpress_edge.core.errors import SkippedError

DIGEST = "a" * 64


def test_apt_names_files_with_their_digests():
    text = (
        f"'http://debian/z/zlib1g_1.2_arm64.deb' zlib1g_1%3a1.2.13_arm64.deb 82744 SHA256:{DIGEST}\n"
        f"'http://deb.debian.org/p/a/a_1_all.deb' a_1_all.deb 5 SHA256:{DIGEST}\n"
    )
    found = apt.parse_uris(text)
    assert [(p.name, p.version, p.file) for p in found] == [
        ("a", "1", "a_1_all.deb"),
        ("zlib1g", "1:1.2.13", "zlib1g_1%3a1.2.13_arm64.deb"),
    ]


@pytest.mark.parametrize(
    "line",
    ["'http://x/a.deb' a_1_all.deb 5 MD5Sum:abc", f"'http://x/a.deb' ../a_1_all.deb 5 SHA256:{DIGEST}"],
)
def test_a_package_without_a_strong_digest_is_refused(line):
    with pytest.raises(EmulationError, match="SHA-256"):
        apt.parse_uris(line)


def tar_of(*members):
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as archive:
        for name, kind, content in members:
            info = tarfile.TarInfo(name)
            info.type, info.mode = kind, 0o755
            if kind == tarfile.REGTYPE:
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
            else:
                info.linkname = content
                archive.addfile(info)
    data.seek(0)
    return tarfile.open(fileobj=data)


def place_all(archive, into):
    for member in archive:
        apt._place(archive, member, into)


def test_archives_are_unpacked_as_they_are(tmp_path):
    members = (
        ("./", tarfile.DIRTYPE, ""),
        ("./usr/bin/tool", tarfile.REGTYPE, b"#!"),
        ("./usr/bin/same", tarfile.LNKTYPE, "./usr/bin/tool"),
        ("./usr/bin/link", tarfile.SYMTYPE, "tool"),
    )
    place_all(tar_of(*members), tmp_path)
    assert (tmp_path / "usr/bin/link").read_bytes() == (tmp_path / "usr/bin/same").read_bytes() == b"#!"
    assert (tmp_path / "usr/bin/tool").stat().st_mode & 0o777 == 0o755


@pytest.mark.parametrize(
    "members",
    [
        [("../out", tarfile.REGTYPE, b"x")],
        [("/out", tarfile.REGTYPE, b"x")],
        [("a/../../out", tarfile.REGTYPE, b"x")],
        [("link", tarfile.SYMTYPE, ".."), ("link/out", tarfile.REGTYPE, b"x")],
        [("hard", tarfile.LNKTYPE, "../secret")],
        [("device", tarfile.CHRTYPE, "")],
    ],
)
def test_nothing_is_unpacked_outside(tmp_path, members):
    (tmp_path / "secret").write_text("s")
    (tmp_path / "in").mkdir()
    with pytest.raises(EmulationError):
        place_all(tar_of(*members), tmp_path / "in")
    assert not (tmp_path / "out").exists()


def test_a_link_is_replaced_and_never_written_through(tmp_path):
    (tmp_path / "secret").write_text("s")
    into = tmp_path / "in"
    into.mkdir()
    place_all(tar_of(("a", tarfile.SYMTYPE, "../secret"), ("a", tarfile.REGTYPE, b"x")), into)
    assert (tmp_path / "secret").read_text() == "s"
    assert (into / "a").read_bytes() == b"x"


def test_wheels_are_unpacked_without_their_scripts(tmp_path):
    wheel = tmp_path / "w.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("pkg/__init__.py", "x = 1")
        archive.writestr("pkg-1.data/scripts/run", "no")
    wheels.unpack_wheel(wheel, tmp_path / "site")
    assert [p.name for p in (tmp_path / "site").rglob("*") if p.is_file()] == ["__init__.py"]
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("../out.py", "x = 1")
    with pytest.raises(EmulationError, match="outside"):
        wheels.unpack_wheel(wheel, tmp_path / "site")
    wheel.write_bytes(b"no wheel")
    with pytest.raises(EmulationError, match="damaged"):
        wheels.unpack_wheel(wheel, tmp_path / "site")


def test_the_guest_gets_the_versions_that_are_installed_here(monkeypatch):
    import numpy

    assert wheels.pinned("onnx")["numpy"] == numpy.__version__
    row = dataclasses.replace(FORMATS["onnx"], device_packages=("no-such-package",))
    monkeypatch.setitem(FORMATS, "onnx", row)
    with pytest.raises(SkippedError, match="install no-such-package"):
        wheels.pinned("onnx")


def test_a_missing_program_names_its_package():
    with pytest.raises(SkippedError, match="install qemu-thing: this target needs the program no-such"):
        need("no-such", "qemu-thing")


def test_a_failing_program_is_quoted():
    with pytest.raises(EmulationError, match="asking failed: sh said: broken"):
        run_tool(["sh", "-c", "echo broken >&2; exit 3"], what="asking")
    with pytest.raises(EmulationError, match=r"more than 0 s"):
        run_tool(["sleep", "5"], what="asking", timeout_s=0.1)


def test_a_component_is_built_once_and_whole(tmp_path):
    built, talk = [], []

    def build(draft):
        (draft / "file").write_text("x")
        built.append(draft)
        return {"version": "7"}

    def fail(draft):
        (draft / "half").write_text("x")
        raise EmulationError("no network")

    with pytest.raises(EmulationError):
        cache.component(tmp_path, "thing", {"recipe": 1}, fail, talk.append)
    assert list(tmp_path.iterdir()) == []
    for _ in range(2):
        found = cache.component(tmp_path, "thing", {"recipe": 1}, build, talk.append)
        assert found.facts == {"wants": {"recipe": 1}, "version": "7"}
    assert len(built) == 1
    other = cache.component(tmp_path, "thing", {"recipe": 2}, build, talk.append)
    assert len(built) == 2
    assert found.digest != other.digest


def test_what_a_killed_process_left_half_built_is_removed(tmp_path):
    draft = tmp_path / ".thing-0123456789ab.xyz"
    draft.mkdir()
    with cache.locked(tmp_path, print):
        assert not draft.exists()


def _hold(root, started, release):
    with cache.locked(root, print):
        started.set()
        release.wait(20)


def test_two_processes_do_not_set_up_at_once(tmp_path):
    context = multiprocessing.get_context("spawn")
    started, release = context.Event(), context.Event()
    other = context.Process(target=_hold, args=(tmp_path, started, release))
    other.start()
    assert started.wait(20)

    def waiting(event):
        assert "waiting" in event.text
        release.set()

    with cache.locked(tmp_path, waiting):
        assert release.is_set()
    other.join(20)
    assert other.exitcode == 0


def read_cpio(data):
    """name -> content, by the format's own description."""
    files, at = {}, 0
    while True:
        assert data[at : at + 6] == b"070701"
        fields = [int(data[at + 6 + 8 * n : at + 14 + 8 * n], 16) for n in range(13)]
        size, length = fields[6], fields[11]
        name = data[at + 110 : at + 110 + length - 1].decode()
        at += 110 + length
        at += -at % 4
        if name == "TRAILER!!!":
            return files
        files[name] = data[at : at + size]
        at += size
        at += -at % 4


def test_the_ramdisk_holds_what_it_is_given_and_nothing_of_when(tmp_path):
    made = []
    for name in ("one", "two"):
        here = tmp_path / name
        (here / "d").mkdir(parents=True)
        (here / "d/f").write_bytes(b"12345")
        (here / "l").symlink_to("d/f")
        file = io.BytesIO()
        taken = write_cpio(
            file, [ArchiveEntry("init", 0o100755, b"#!"), folder("app"), *entries_of(here, "app/")]
        )
        made.append(file.getvalue())
    assert made[0] == made[1]
    assert len(made[0]) % 512 == 0
    assert taken == 3 * 4096
    files = read_cpio(made[0])
    assert files == {
        "init": b"#!", "app": b"", "app/d": b"", "app/d/f": b"12345", "app/l": b"d/f", "dev/console": b"",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "out"),
    [
        ("usr/lib/python3.11/os.py", False),
        ("usr/lib/python3.11/__pycache__/os.cpython-311.pyc", False),
        ("usr/lib/python3.11/unittest/case.py", True),
        ("usr/bin/python3.11", False),
        ("usr/bin/perl", True),
        ("bin/busybox", False),
        ("usr/share/doc/x", True),
        ("site/numpy/_core/_multiarray_umath.cpython-311-aarch64-linux-gnu.so", False),
        ("site/numpy/_core/tests/test_x.py", True),
        ("site/onnxruntime/capi/onnxruntime_pybind11_state.cpython-311-aarch64-linux-gnu.so", False),
        ("site/onnxruntime/capi/libonnxruntime.so.1.32.0", True),
        ("usr/lib/aarch64-linux-gnu/libstdc++.so.6", False),
    ],
)
def test_the_image_leaves_out_what_no_query_reads(name, out):
    assert bool(_LEFT_OUT.match(name)) is out
