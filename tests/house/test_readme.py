"""What the README and the documentation show is what runs."""

import re
import shlex
from pathlib import Path

import pytest
from bundles import make_bundle

from device_bench.__main__ import build_parser as bench_parser
from device_bench.__main__ import main as bench
from recpress_edge.artifacts.bundle import write_manifest
from recpress_edge.cli import build_parser
from recpress_edge.cli import main as edge
from recpress_edge.core.rng import stream
from recpress_edge.data import resolve
from recpress_edge.data.synthetic import synthetic

ROOT = Path(__file__).parents[2]
FOLDERS = ("start", "guide", "results")
PAGES = [
    ROOT / "README.md",
    ROOT / "docs/data.md",
    *(path for name in FOLDERS for path in sorted((ROOT / "docs" / name).glob("*.md"))),
]


@pytest.mark.parametrize("page", ["README.md", "docs/start/in-python.md"])
def test_the_python_block_runs(page, tmp_path, monkeypatch, capsys):
    bundle = make_bundle(tmp_path / "dist/soft_dim20-int8", n_items=700)
    for name, ids in (("users.txt", "user-{:04}"), ("items.txt", "item-{:05}")):
        count = bundle.contract.n_users if name == "users.txt" else bundle.contract.n_items
        (bundle.folder / name).write_text("".join(ids.format(n) + "\n" for n in range(count)))
    write_manifest(bundle.folder, bundle.name, bundle.contract, bundle.provenance, bundle.quality)
    (block,) = blocks(page, "python")
    monkeypatch.chdir(tmp_path)
    exec(compile(block, page, "exec"), {})
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 5
    assert all(re.fullmatch(r"item-\d{5} -?[\d.e+-]+", line) for line in lines)


def blocks(page, *languages):
    """The code blocks of a page in these languages; plain ones by default."""
    found = re.findall(r"^```([\w{}-]*)\n(.*?)^```$", (ROOT / page).read_text(), re.MULTILINE | re.DOTALL)
    return [text for language, text in found if language in (languages or ("",))]


def run_line(line):
    """A line of a page, as it stands there."""
    program, *words = shlex.split(line, comments=True)
    assert {"recpress-edge": edge, "device_bench": bench}[program](words) == 0


def test_the_page_of_an_own_model_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(resolve, "synthetic", lambda: synthetic(n_users=500, n_items=600))
    known = {}
    for block in blocks("docs/start/your-own-model.md", "python"):
        exec(compile(block, "your-own-model.md", "exec"), known)
    first, then, *_ = blocks("docs/start/your-own-model.md")
    (brought,), (export, measure, _) = first.splitlines(), then.splitlines()
    run_line(brought)
    (folder,) = (tmp_path / "models").glob("svd_dim8-*")
    assert (folder / "model.safetensors").read_bytes() == known["brought"].model.folder.joinpath(
        "model.safetensors"
    ).read_bytes()
    run_line(re.sub(r"models/\S+", f"models/{folder.name}", export))
    assert (tmp_path / measure.split()[2] / "bundle.json").exists()


@pytest.mark.slow
def test_the_page_of_an_own_network_runs(tmp_path, monkeypatch, capsys):
    page = "docs/start/your-own-network.md"
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    rng = stream(0, "sequences")
    rows = [
        f"u{user},i{(start + day) % 80},{86_400 * day}"
        for user, start in enumerate(rng.integers(0, 80, 60).tolist())
        for day in range(12)
    ]
    Path("ratings.csv").write_text("\n".join(["user,item,timestamp", *rows]) + "\n")
    (brought,), (module,), (file,), then = (text.splitlines() for text in blocks(page))
    module_code, training = blocks(page, "python")
    Path("my_network.py").write_text(module_code)
    run_line(brought)
    exec(compile(training, page, "exec"), {})
    for line in (module, file):
        run_line(line)
    folders = sorted((tmp_path / "models").iterdir())
    assert len(folders) == 2  # one of the module, one of the file
    export, measure, ask = then
    run_line(re.sub(r"models/\S+", f"models/{folders[0].name}", export))
    assert (tmp_path / measure.split()[2] / "bundle.json").exists()
    capsys.readouterr()
    run_line(ask)
    assert "i18" in capsys.readouterr().out  # after i17


def test_the_page_of_an_own_log_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    rng = stream(0, "ratings")
    rows = [
        (user, item, 4 + day % 2, 86_400 * day)
        for user in range(60)
        for day, item in enumerate(rng.permutation(80)[:9].tolist())
    ]
    lines = ["user,item,rating,timestamp", *(",".join(map(str, row)) for row in rows)]
    Path("ratings.csv").write_text("\n".join(lines) + "\n")
    Path("items.csv").write_text(
        "item_id,title,genres,year\n" + "".join(f"{n},Film {n},a|b,19{n + 10}\n" for n in range(80))
    )
    Path("users.csv").write_text("user_id,country\n" + "".join(f"{n},{'abc'[n % 3]}\n" for n in range(60)))
    first, titled = blocks("docs/start/your-own-log.md")
    for line in (first + titled).replace("\\\n", " ").splitlines():
        if " export " not in line:  # which trains for minutes
            run_line(line)
    out = capsys.readouterr().out
    assert "60" in out
    assert "80 of 80 items have one" in out


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_of_the_page_is_understood(page):
    """Options and commands that are shown exist; what they do is tested elsewhere."""
    parsers = {"recpress-edge": build_parser(), "device_bench": bench_parser()}
    for block in blocks(page, "", "text", "sh"):
        for line in block.replace("\\\n", " ").splitlines():
            program = line.split(" ", 1)[0]
            if program in parsers and "…" not in line:
                words = shlex.split(line, comments=True)[1:]
                parsers[program].parse_args(words)
