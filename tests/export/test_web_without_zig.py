"""Where the extra c is not installed: what an export for the web says, and that the demo does without."""

import sys

import pytest

from recpress_edge.cli import main


@pytest.fixture(autouse=True)
def no_zig(monkeypatch):
    monkeypatch.setitem(sys.modules, "ziglang", None)
    for module in ("recpress_export.web.files", "recpress_export.web.engine"):
        monkeypatch.delitem(sys.modules, module, raising=False)


def test_without_zig_an_export_names_the_extra_before_it_trains(tmp_path, capsys):
    words = ["export", "--student", "bpr_dim4", "--format", "web", "--work", str(tmp_path)]
    assert main(words) == 1
    assert "needs ziglang" in capsys.readouterr().err
    assert not list(tmp_path.glob("models/*"))


def test_without_zig_the_demo_ends_without_its_page(tmp_path, capsys):
    assert main(["demo", "--dry-run", "--work", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert "--format web" not in said
    assert "page       left out for want of a compiler: pip install" in said
