"""The table of commands: what starts fast, what is imported when, and where a wrong flag is sent."""

import argparse
import importlib
import re
import subprocess
import sys

import pytest

from device_bench.__main__ import build_parser as bench_parser
from device_bench.__main__ import main as bench
from recpress_edge.cli import COMMANDS, build_parser, main


def loaded(*words: str) -> set[str]:
    """Modules after a command ended, whatever its exit code."""
    code = (
        "import contextlib, sys\n"
        "from recpress_edge.cli import main\n"
        "with contextlib.suppress(SystemExit), contextlib.redirect_stdout(sys.stderr):\n"
        "    main(sys.argv[1:])\n"
        "print('\\n'.join(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


@pytest.mark.parametrize("words", [["--help"], ["--version"], [], ["exprt"], ["--wrong"]])
def test_help_and_a_typing_error_import_no_command(words):
    modules = loaded(*words)
    assert [name for name in modules if name.startswith("recpress_edge.cli.")] == []
    assert not {"numpy", "recpress_edge.jobs", "recpress_edge.data", "recpress_edge.device"} & modules


@pytest.mark.parametrize(
    ("words", "lacks"),
    [
        (["doctor", "--help"], {"numpy", "recpress_edge.cli.export", "recpress_edge.jobs"}),
        (["check", "--help"], {"recpress_edge.cli.export", "recpress_edge.jobs"}),
        (["data", "list", "--help"], {"recpress_edge.cli.export", "recpress_export", "safetensors"}),
        (["train", "--help"], {"recpress_edge.cli.export", "recpress_export", "torch"}),
        (["export", "--help"], {"recpress_edge.cli.report", "torch", "onnx", "onnxruntime", "rich"}),
        (["report", "--help"], {"recpress_edge.cli.export", "matplotlib", "jinja2"}),
        (["reproduce", "--help"], {"recpress_edge.studies.topology", "recpress_edge.jobs", "torch"}),
    ],
)
def test_a_command_imports_itself_and_not_its_neighbours(words, lacks):
    modules = loaded(*words)
    assert f"recpress_edge.cli.{words[0]}" in modules
    assert lacks & modules == set()


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_a_module_that_sets_what_runs(name, capsys):
    assert importlib.import_module(f"recpress_edge.cli.{name}").add_options
    with pytest.raises(SystemExit) as ended:
        main([name, "--help"])
    assert ended.value.code == 0
    assert capsys.readouterr().out.startswith(f"usage: recpress-edge {name} ")


def parsers(parser):
    """A parser and those of all its commands and verbs."""
    text = parser.format_help()  # which adds the commands
    yield parser.prog, text
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for one in action.choices.values():
                yield from parsers(one)


def test_every_help_fits_80_columns(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    helps = {**dict(parsers(build_parser())), **dict(parsers(bench_parser()))}
    assert {"recpress-edge bundle fold-in", "recpress-edge data import", "device_bench run"} <= {*helps}
    assert [line for text in helps.values() for line in text.splitlines() if len(line) > 80] == []


def test_the_whole_help_lists_every_command():
    text = build_parser().format_help()
    assert all(re.search(rf"\n    {name}\s", text) for name in COMMANDS)


@pytest.mark.parametrize(
    ("words", "see"),
    [
        (["--wrong"], "recpress-edge --help"),
        (["train", "--teacher", "pop", "--wrong"], "recpress-edge train --help"),
        (["train"], "recpress-edge train --help"),
        (["data", "list", "--wrong", "x"], "recpress-edge data list --help"),
        (["bundle", "rollback", "b", "--wrong"], "recpress-edge bundle rollback --help"),
    ],
)
def test_wrong_usage_points_at_the_help_of_its_own_command(words, see, capsys):
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert error.endswith(f". See: {see}\n")


BUDGET = "[budget.small]\nmax_bytes = '1 MiB'\n"


@pytest.mark.parametrize(
    "words",
    [
        ["data", "import", "none", "--name", "x"],
        ["train", "--teacher", "pop", "--config", "none"],
        ["distill", "--student", "soft_dim4", "--teacher", "./none"],
        ["export", "--student", "./none"],
        ["export", "--student", "pop", "--titles", "none.tsv"],
        ["bundle", "update", "none", "--items", "none.npz"],
        ["bundle", "rollback", "none"],
        [
            "model",
            "wrap",
            "--name",
            "m",
            "--onnx",
            "none",
            "--item-ids",
            "none",
            "--input",
            "history=h",
            "--pad=left",
        ],
        ["compare", "./none", "./none"],
        ["settings", "pop", "--plugin", "none.py"],
        ["inspect", "none"],
        ["recommend", "none"],
        ["bench", "none"],
        ["report", "none"],
        ["pick", "none", "--max-bytes", "1MiB"],
        ["check", "none", "--budget", "budgets.toml"],
    ],
)
def test_a_missing_input_is_wrong_usage_everywhere(words, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "budgets.toml").write_text(BUDGET)
    assert main(words) == 2
    assert "none" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["budgets.toml"]


@pytest.mark.parametrize("words", [["run"], ["self-test"], ["ask"], ["compare", "none"]])
def test_the_bench_says_it_too(words, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert bench([*words, "none"]) == 2
    assert "no such file or folder: none" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "place"),
    [
        (["--student", "a", "b"], "b (after --student, which takes one value here)"),
        (["--student", "b", "b", "c"], "b c (after --student, which takes one value here)"),
        (["--json", "b"], "b (after --json, which takes no value)"),
        (["--nothing", "b"], "--nothing b."),
    ],
)
def test_words_too_many_are_named_with_their_place(words, place, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["export", *words])
    assert ended.value.code == 2
    assert f"unrecognized arguments: {place}" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["--quantise", ""], ["--teacher="], ["--data", ""]])
def test_a_flag_without_a_value_is_wrong_usage(words, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["distill", "--student", "soft_dim4", *words, "--dry-run"])
    assert ended.value.code == 2
    flag = words[0].rstrip("=")
    assert f"error: {flag} is empty" in capsys.readouterr().err
