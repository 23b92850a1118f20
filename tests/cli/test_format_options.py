"""recpress-edge export: flags that only format c knows."""

import pytest

from recpress_edge.cli import main
from recpress_edge.jobs.export import ExportRequest
from recpress_export.options import NO_OPTIONS, FileOptions, plainest

NAME = ["--student", "bpr_dim4"]
C = [*NAME, "--format", "c"]


@pytest.fixture
def planned(tmp_path, monkeypatch, capsys):
    """The requests of a dry run, and its exit code and words."""
    seen = []
    real = ExportRequest.check
    monkeypatch.setattr(ExportRequest, "check", lambda self, **more: seen.append(self) or real(self, **more))

    def run(*words):
        code = main(["export", *words, "--dry-run", "--json", "--work", str(tmp_path)])
        told = capsys.readouterr()
        return code, seen, told.out + told.err

    return run


def test_flags_become_options_and_the_command_names_them(planned):
    words = ["--order", "length", "--model-h", "--recipe", "score16"]
    code, (request,), said = planned(*C, *words)
    assert code == 0, said
    assert request.options == FileOptions(order="length", model_h=True)
    assert '"format": "c"' in said
    assert request.check().command.endswith("--format c --order length --model-h")


def test_core_and_several_formats(planned):
    code, requests, said = planned(*NAME, "--format", "onnx,tflite,c", "--recipe", "int8-dim")
    assert code == 0, said
    assert {request.options for request in requests} == {NO_OPTIONS}
    assert planned(*C, "--recipe", "score16", "--core", "armv8.0")[0] == 0


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ([*NAME, "--model-h"], "--model-h goes with --format c, not with onnx"),
        ([*C, "--order", "length"], "--order length needs items that share their scales, and recipe fp32"),
        ([*C, "--build", "z80"], "unknown target of --build 'z80'"),
        ([*C, "--core", "armv8.0", "--int8"], "use --recipe score16"),
        ([*C, "--recipe", "score16", "--profile", "history"], "not available for --profile history"),
        (["--all", "--model-h"], "--model-h is for one student"),
        ([*C, "--recipe", "fp16"], "format c cannot honour recipe fp16"),
    ],
)
def test_what_does_not_go_together_is_wrong_usage(planned, words, says):
    code, _, said = planned(*words)
    assert code == 2
    assert says in said


def test_a_search_of_a_budget_keeps_the_bytes_that_it_foresaw():
    assert plainest("c") == FileOptions(order="catalogue")
    assert plainest("onnx") == NO_OPTIONS
