"""Terminals that are not UTF-8, and narrow ones: every command's words arrive, whole."""

import io
import json
import os
import subprocess
import sys

import pytest
from bundles import make_bundle

import device_bench.__main__ as bench
from device_bench import commands
from recpress_edge import cli
from recpress_edge.core.layout import columns, wrap_command, wrap_lines
from recpress_edge.core.printable import json_text
from recpress_edge.core.terminal import STAND_INS, any_encoding, stand_in

BENCH_COMMANDS = ("run", "compare", "check", "self-test", "state")
CODECS = ("ascii", "latin-1", "cp437", "utf-8")


@pytest.fixture(params=CODECS)
def open_terminal(request, monkeypatch):
    """Called in the test, when pytest's own streams are in place: stdout and stderr of one encoding."""

    def start():
        streams = [io.TextIOWrapper(io.BytesIO(), encoding=request.param) for _ in range(2)]
        monkeypatch.setattr(sys, "stdout", streams[0])
        monkeypatch.setattr(sys, "stderr", streams[1])

        def arrived():
            for stream in streams:
                stream.flush()
            return streams[0].buffer.getvalue().decode(request.param)

        arrived.codec = request.param
        return arrived

    return start


@pytest.mark.parametrize("command", ["", *cli.COMMANDS])
def test_every_help_arrives(open_terminal, command):
    terminal = open_terminal()
    with pytest.raises(SystemExit) as ended:
        cli.main([*command.split(), "--help"])
    assert ended.value.code == 0
    assert "--help" in terminal()


@pytest.mark.parametrize("command", ["", *BENCH_COMMANDS])
def test_every_help_of_device_bench_arrives(open_terminal, command):
    terminal = open_terminal()
    with pytest.raises(SystemExit) as ended:
        bench.main([*command.split(), "--help"])
    assert ended.value.code == 0
    assert "--help" in terminal()


def test_stand_ins_by_hand(open_terminal):
    terminal = open_terminal()
    any_encoding()
    print("2 × 3 → 6 – done… ≥ 5 µs, Zoë, \udcff, 日")
    if terminal.codec == "ascii":
        assert terminal() == "2 x 3 -> 6 - done... >= 5 us, Zoe, ?, ?\n"
    elif terminal.codec == "latin-1":
        assert terminal() == "2 × 3 -> 6 - done... >= 5 µs, Zoë, ?, ?\n"
    else:
        assert "×" in terminal() or terminal.codec == "cp437"
    assert all(stand_in(char).isascii() for char in STAND_INS)


def test_json_keeps_what_the_terminal_cannot_show():
    for codec in CODECS:
        text = json_text({"name": "Zoë – 日"}, encoding=codec)
        assert json.loads(text.encode(codec).decode(codec)) == {"name": "Zoë – 日"}


def ascii_environment():
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("LC_", "LANG", "COLUMNS"))}
    return kept | {"LANG": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}


@pytest.mark.parametrize(
    ("command", "code", "said"),
    [
        ("recpress_edge doctor", 0, "----"),
        ("recpress_edge data list", 0, "synthetic"),
        ("recpress_edge inspect {bundle}", 0, "int8"),
        ("recpress_edge train --teacher pop --seed -1", 2, "must not be negative"),
        ("recpress_edge train --teacher pop --threads 99999999", 2, "must be at most 1024"),
        ("recpress_edge train --teacher pop", 0, "trained    pop"),
        ("recpress_edge train --teacher als_dim8 --dry-run", 0, "on one thread"),
        ("recpress_edge distill --student bpr_dim4 --epochs 1", 0, "next"),
        ("recpress_edge export --student bpr_dim4 --int8 --set training.epochs=1 --force", 0, "device_bench"),
        ("device_bench run {bundle} --dry-run", 0, "would run"),
        ("device_bench ask {bundle} --user u0 --seen a,b,c,d,e,f,g,h,i,j,k,l,m,n", 0, "left out"),
        ("recpress_edge data stats synthetic", 0, "users"),
        ("device_bench self-test {bundle}", 0, "answers as expected"),
        ("device_bench state", 0, "device"),
    ],
)
def test_what_is_piped_arrives_in_ascii_and_within_80_columns(tmp_path, command, code, said):
    bundle = make_bundle(tmp_path / "tiny-int8").folder
    words = command.format(bundle=bundle.name).split()
    done = subprocess.run(
        [sys.executable, "-m", *words],
        cwd=tmp_path,
        env=ascii_environment(),
        capture_output=True,
        check=False,
    )
    text = (done.stdout + done.stderr).decode("ascii")
    assert done.returncode == code, text
    assert said in text
    assert "Traceback" not in text
    if words[1] not in ("state",):  # JSON is not for reading
        lines = [line for line in text.splitlines() if not line.startswith("error: ")]  # one line, for logs
        assert not [line for line in lines if len(line) > 80 and " " in line.strip()]


def test_a_table_is_parted_between_columns_and_keeps_its_first():
    rows = [["bpr_dim10", "0", ".3000", ".4000"], ["a", "1", ".1", ".2"]]
    headers = ["model", "seed", "recall", "ndcg"]
    assert columns(headers, rows, None) == columns(headers, rows, 31)
    assert columns(headers, rows, 24) == (
        "model      seed  recall\n"
        "─────────  ────  ──────\n"
        "bpr_dim10     0   .3000\n"
        "a             1      .1\n"
        "\n"
        "model       ndcg\n"
        "─────────  ─────\n"
        "bpr_dim10  .4000\n"
        "a             .2"
    )
    twice = columns(["model", "seed", "recall", "ndcg"], [["a", "0", ".1", ".3"], ["a", "1", ".2", ".4"]], 20)
    assert [line.split() for line in twice.splitlines() if line.startswith("a")] == [
        ["a", "0", ".1"], ["a", "1", ".2"], ["a", "0", ".3"], ["a", "1", ".4"],
    ]  # fmt: skip
    assert columns(["name", "why"], [["a-long-name", "words that go on"]], 22) == (
        "name  a-long-name\nwhy   words that go on"
    )
    assert columns(["one"], [["x"]], 3) == "one\n───\nx"


def test_lines_are_cut_between_words_under_what_follows_the_label():
    line = "trained    bpr_dim10 seed 0 and some more words"
    assert wrap_lines(line, 30) == "trained    bpr_dim10 seed 0\n           and some more words"
    assert wrap_lines(line, None) == wrap_lines(line, 80) == line
    long = "found      " + "x" * 40
    assert "x" * 40 in wrap_lines(long, 30)  # a path stays whole


def test_a_command_that_is_cut_is_still_one_command(tmp_path):
    command = "echo one two three 'four' five"
    cut = wrap_command(command, 24, 2)
    assert max(map(len, cut.split("\n"))) <= 24
    assert "\\\n" in cut
    done = subprocess.run(["sh", "-c", cut], capture_output=True, text=True, check=True)
    assert done.stdout == "one two three four five\n"


@pytest.mark.parametrize(("main", "module"), [(cli.main, "recpress_edge.cli.doctor"), (bench.main, None)])
@pytest.mark.parametrize(
    ("error", "said"),
    [
        (PermissionError(13, "Permission denied", "/somewhere"), "error: Permission denied: /somewhere"),
        (OSError(28, "No space left on device"), "error: No space left on device"),
        (MemoryError(), "error: memory ran out. Close other programs"),
    ],
)
def test_what_the_system_refuses_is_one_line(monkeypatch, capsys, main, module, error, said):
    def fails(*_):
        raise error

    if module:
        monkeypatch.setattr(f"{module}.run", fails)
        assert main(["doctor"]) == 1
    else:
        monkeypatch.setattr(commands, "device_facts", fails)
        assert main(["state"]) == 1
    assert capsys.readouterr().err.startswith(said)
