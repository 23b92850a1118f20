"""Another machine in this process: what runs there has only what it was sent."""

import contextlib
from collections import Counter
from multiprocessing.reduction import ForkingPickler
from pathlib import Path

from recpress_edge.core.errors import RecPressError
from recpress_edge.jobs.executor import Executor, Finished, Local, attempt
from recpress_edge.jobs.executor.parcels import Journey, pack, receive


class Elsewhere(Executor):
    """Two lanes that hand each request to a machine with a folder of its own."""

    here = Local()
    slots = 2

    def __init__(self, machine: Path, *, fails: str = "") -> None:
        self.machine, self.fails = machine, fails
        self.ran, self.fetched = [], Counter()

    @contextlib.contextmanager
    def open(self, on_event):
        self._on_event, self._waiting, self._started = on_event, [], 0
        yield self

    @property
    def free(self):
        return 2 - len(self._waiting)

    def start(self, request):
        self._waiting.append((self._started, request))
        self._started += 1
        return self._started - 1

    def next(self):
        ticket, job = self._waiting.pop()  # the last: results come in any order
        self.ran.append(str(job))
        if self.fails and self.fails in str(job):
            return Finished(ticket, error=RecPressError("the machine burns"))
        journey = Journey.of(job, lambda folder, work: pack(folder, work, lambda data: (folder.name, data)))
        journey = ForkingPickler.loads(ForkingPickler.dumps(journey))
        there = attempt(ticket, self._there(journey), self._on_event)
        if there.error:
            return there
        result, parcel = there.result
        receive(parcel, job.made(result), bytes)
        return Finished(ticket, result)

    def _there(self, journey):
        def get(content):
            name, data = content
            self.fetched[name] += 1
            return data

        class Request:
            def run(_, on_event):
                return journey.run(self.machine, get, on_event)

        return Request()
