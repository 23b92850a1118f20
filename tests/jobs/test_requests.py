"""Requests from Python are held to what the command line holds its flags to."""

import dataclasses

import pytest

from recpress_edge.core.errors import ConfigError
from recpress_edge.jobs.data_import import ImportRequest
from recpress_edge.jobs.export import ExportRequest
from recpress_edge.jobs.sweep import SweepRequest
from recpress_edge.jobs.train import TrainRequest


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ({"seed": -3}, "seed must be at least 0, got -3"),
        ({"seeds": 0}, "seeds must be at least 1, got 0"),
        ({"seeds": -1}, "seeds must be at least 1, got -1"),
        ({"seeds": 2, "seed": 7}, "give one"),
        ({"threads": 0}, "threads must be at least 1, got 0"),
    ],
)
def test_numbers_that_no_flag_takes(words, says, tmp_path):
    request = TrainRequest(teacher="bpr_dim4", work=tmp_path, **words)
    for job in (request.plan, request.run):
        with pytest.raises(ConfigError, match=says):
            job()
    assert not (tmp_path / "models").exists()


def test_an_export_of_a_negative_seed(tmp_path):
    with pytest.raises(ConfigError, match="seed must be at least 0"):
        ExportRequest(student="bpr_dim4", seed=-3, work=tmp_path).run()


def test_a_plan_of_a_refit_says_so_and_refuses_what_a_run_refuses(tmp_path):
    request = TrainRequest(teacher="ease", refit=True, work=tmp_path)
    assert request.plan().facts()["refit"] == "ease"
    assert "refit" not in TrainRequest(teacher="ease", work=tmp_path).plan().facts()
    several = dataclasses.replace(request, teacher="ensemble:pop+ease")
    with pytest.raises(ConfigError, match="is made of several"):
        several.plan()


@pytest.mark.parametrize(
    "words", [{"header": "YES"}, {"ids": "clean"}, {"time_unit": "minutes"}, {"date_order": "ymd"}]
)
def test_words_that_no_flag_takes(words, tmp_path):
    log = tmp_path / "log.csv"
    log.write_text("user,item\n" + "".join(f"u{n % 4},i{n % 5}\n" for n in range(20)))
    assert ImportRequest(paths=(log,), name="mine", work=tmp_path).plan().facts()["n_users"] == 4
    (field,) = words
    with pytest.raises(ConfigError, match=f"unknown {field} '{words[field]}'"):
        ImportRequest(paths=(log,), name="mine", work=tmp_path, **words).plan()


def test_a_sweep_of_nothing_is_refused_and_names_count_once(tmp_path):
    for words in ({"students": ()}, {"formats": ()}, {"recipes": ()}):
        with pytest.raises(ConfigError, match="a sweep of nothing"):
            SweepRequest(work=tmp_path, **words).plan()
    twice = SweepRequest(students=("pop", "pop"), formats=("onnx", "onnx"), recipes=("fp32",), work=tmp_path)
    assert len(twice.plan().rows) == 1
