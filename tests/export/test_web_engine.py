"""The engine as WebAssembly: the same bytes every time, and what is said where it cannot be made."""

import pytest

from recpress_edge.core.errors import MissingExtraError

ziglang = pytest.importorskip("ziglang")

from web_bundles import make_web_bundle  # noqa: E402

from recpress_edge.device.c.model_bin import read_header  # noqa: E402
from recpress_export.web import engine  # noqa: E402


def test_the_same_model_gets_the_same_bytes(tmp_path):
    bundle = make_web_bundle(tmp_path / "bundle", dim=4)
    header = read_header((bundle.folder / "model.bin").read_bytes())
    made = engine.engines(header)
    assert made.keys() == {"recpress.wasm", "recpress-plain.wasm"}
    for name, data in made.items():
        assert data == (bundle.folder / name).read_bytes()
        assert data[:8] == b"\0asm\x01\0\0\0"
        assert b"/" not in data.replace(b"recommend", b"")[:64]  # no paths of this machine
        assert len(data) < 10_000


def test_a_compiler_that_fails_is_quoted(tmp_path, monkeypatch):
    bundle = make_web_bundle(tmp_path / "bundle", dim=4)
    header = read_header((bundle.folder / "model.bin").read_bytes())
    monkeypatch.setattr(engine, "COMMON", ("--target=no-such-machine",))
    with pytest.raises(MissingExtraError, match=r"could not be compiled for the web.*no-such-machine"):
        engine.engines(header)
