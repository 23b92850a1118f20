"""Requests in several processes: order, events, errors, and what an interrupt leaves."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from recpress_edge.core.errors import ArtifactError, ConfigError, MissingExtraError, RecPressError
from recpress_edge.core.progress import Note, silent
from recpress_edge.jobs import executor as executors
from recpress_edge.jobs.executor import Local, executor_for
from recpress_edge.jobs.executor.processes import Processes


@dataclass(frozen=True)
class Answer:
    """Tells its name, then waits for what others leave, then returns, fails or dies."""

    name: str
    waits_for: Path | None = None
    leaves: Path | None = None
    fails: Exception | None = None
    dies: bool = False
    threads: dict[str, str] = field(default_factory=dict)

    def __str__(self):
        return f"answer {self.name}"

    def run(self, on_event=silent):
        on_event(Note(self.name))
        if self.leaves:
            self.leaves.touch()
        while self.waits_for and not self.waits_for.exists():
            time.sleep(0.01)
        if self.fails:
            raise self.fails
        if self.dies:
            os.kill(os.getpid(), signal.SIGKILL)
        return os.getpid(), os.environ.get("OMP_NUM_THREADS"), os.environ.get("OPENBLAS_NUM_THREADS")


def test_two_at_a_time_give_their_results_in_order_and_tell_what_happens(tmp_path):
    told, left = [], tmp_path / "left"
    first = Answer("first", waits_for=left)  # ends only if the second runs beside it
    results = list(Processes(2, 3).run([first, Answer("second", leaves=left), Answer("third")], told.append))
    pids = [pid for pid, *_ in results]
    assert len(set(pids)) == 2
    assert os.getpid() not in pids
    assert {threads for _, *found in results for threads in found} == {"3"}
    (jobs, *notes) = [event.text for event in told]
    assert sorted(notes) == ["first", "second", "third"]
    cores = len(os.sched_getaffinity(0))
    assert jobs.startswith(f"jobs       2 processes at a time × 3 threads = 6, on {cores} core")
    assert ("more than the cores" in jobs) == (cores < 6)


def test_an_error_ends_the_list_and_names_its_request(tmp_path):
    go = tmp_path / "go"
    fails = Answer("second", waits_for=go, fails=ArtifactError("it is damaged", fault="digest"))
    others = [Answer("third", waits_for=tmp_path / "never") for _ in range(2)]
    results = Processes(2, 1).run([Answer("first"), fails, *others])
    assert next(results)
    go.touch()
    with pytest.raises(ArtifactError, match=r"it is damaged \(from: answer second\)") as told:
        next(results)
    assert told.value.fault == "digest"


def test_a_process_that_is_killed_is_an_error_of_its_request():
    with pytest.raises(RecPressError, match=r"process of answer first was ended by signal 9 \(Killed\)"):
        list(Processes(2, 1).run([Answer("first", dies=True)]))


def test_a_mistake_of_ours_is_told_with_its_traceback():
    told = []
    with pytest.raises(RecPressError, match=r"ZeroDivisionError: no \(from: answer first\)"):
        list(Processes(2, 1).run([Answer("first", fails=ZeroDivisionError("no"))], told.append))
    assert "raise self.fails" in told[-1].text


def test_ctrl_c_ends_the_processes_too(tmp_path):
    program = (
        "import signal, sys; from pathlib import Path; from test_executor import Answer;"
        "from recpress_edge.jobs.executor.processes import Processes\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # ignored below some shells
        "here = Path(sys.argv[1])\n"
        "def tell(event): print(event.text, flush=True)\n"
        "list(Processes(2, 1).run([Answer('one', here / 'never'), Answer('two', here / 'never')], tell))"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path])}
    process = subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        start_new_session=True,
    )
    said = [process.stdout.readline() for _ in range(3)]
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert [line for line in sorted(said) if "jobs" not in line] == ["one\n", "two\n"]
    assert len(children) == 2
    assert not [pid for pid in children if Path(f"/proc/{pid}").exists()]
    assert errors.count("Traceback") == 1  # this program's own: no child says anything


def test_one_job_runs_here():
    assert isinstance(executor_for(None, None, 1), Local)
    assert isinstance(executor_for(1, None, 1), Local)
    assert executor_for(3, None, 2) == Processes(3, 2)
    assert [pid for pid, *_ in Local().run([Answer("first"), Answer("second")])] == [os.getpid()] * 2


def test_processes_and_a_cluster_are_not_asked_for_together():
    with pytest.raises(ConfigError, match="Give one of the two"):
        executor_for(2, "auto", 1)


def test_without_ray_the_command_says_how_it_is_installed(monkeypatch, tmp_path, capsys):
    from recpress_edge.cli import main

    monkeypatch.setitem(sys.modules, "ray", None)
    monkeypatch.delitem(sys.modules, "recpress_edge.jobs.executor.cluster", raising=False)
    words = ["distill", "--student", "bpr_dim4", "--ray", "auto", "--work", str(tmp_path)]
    assert main(words) == MissingExtraError.exit_code
    assert "this command needs ray" in capsys.readouterr().err
    assert executors.executor_for(2, None, 1)  # nothing of it for processes
