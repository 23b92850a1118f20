"""Worker processes without the process: the same work in the test's own, a quarter of a second sooner."""

import importlib
import json
from typing import Any

import pytest

from recpress_edge.device.process import NOWHERE, Enclosure, Program

ASKING = (
    "recpress_edge.device.apart",
    "recpress_edge.device.clicks.apart",
    "recpress_edge.device.two_stages.apart",
    "recpress_export.inspect_apart",
    "recpress_export.networks.source_file",
)
"""Modules that start a worker of their own and wait for it."""


def ask_here(program: Program, enclosure: Enclosure = NOWHERE) -> dict[str, Any]:
    """What :func:`recpress_edge.device.process.ask` answers, by way of JSON too; no limit is kept."""
    worker, answers = importlib.import_module(program.module), []

    def answer(work):
        answers.append(work(json.loads(json.dumps(program.request))))
        return 0

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(worker, "answer", answer)
        assert worker.main() == 0
    return json.loads(json.dumps(answers[0]))
