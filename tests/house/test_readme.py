"""What the README and the documentation show is what runs."""

import re
import shlex
from pathlib import Path

import pytest
from bundles import make_bundle

from recpress_edge.artifacts.bundle import write_manifest

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs/start").glob("*.md")), *(ROOT / "docs/guide").glob("*.md")]


@pytest.mark.parametrize("page", ["README.md", "docs/start/in-python.md"])
def test_the_python_block_runs(page, tmp_path, monkeypatch, capsys):
    bundle = make_bundle(tmp_path / "dist/soft_dim20-int8", n_items=700)
    for name, ids in (("users.txt", "user-{:04}"), ("items.txt", "item-{:05}")):
        count = bundle.contract.n_users if name == "users.txt" else bundle.contract.n_items
        (bundle.folder / name).write_text("".join(ids.format(n) + "\n" for n in range(count)))
    write_manifest(bundle.folder, bundle.name, bundle.contract, bundle.provenance, bundle.quality)
    (block,) = re.findall(r"```python\n(.*?)```", (ROOT / page).read_text(), re.S)
    monkeypatch.chdir(tmp_path)
    exec(compile(block, page, "exec"), {})
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 5
    assert all(re.fullmatch(r"item-\d{5} -?[\d.e+-]+", line) for line in lines)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_of_the_page_is_understood(page):
    """Options and commands that are shown exist; what they do is tested elsewhere."""
    from device_bench.__main__ import build_parser as bench
    from recpress_edge.cli import build_parser as edge

    parsers = {"recpress-edge": edge(), "device_bench": bench()}
    for block in re.findall(r"```(?:text|sh)?\n(.*?)```", page.read_text(), re.S):
        for line in block.replace("\\\n", " ").splitlines():
            program = line.split(" ", 1)[0]
            if program in parsers and "…" not in line:
                words = shlex.split(line, comments=True)[1:]
                parsers[program].parse_args(words)
