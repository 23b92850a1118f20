"""Where jobs run: here, in order. Requests can be pickled, so that another executor can send them away."""

from collections.abc import Iterable, Iterator
from typing import Protocol, TypeVar

from recpress_edge.core.progress import OnEvent, silent

Result = TypeVar("Result", covariant=True)


class Runnable(Protocol[Result]):
    """A request of ``recpress_edge.jobs``."""

    def run(self, on_event: OnEvent = silent) -> Result: ...


class Executor(Protocol):
    """Runs requests and gives their results in the same order, each when it is there."""

    def run(self, requests: Iterable[Runnable[Result]], on_event: OnEvent = silent) -> Iterator[Result]: ...


class Local:
    """In this process, in order; an error ends the list."""

    def run(self, requests: Iterable[Runnable[Result]], on_event: OnEvent = silent) -> Iterator[Result]:
        for request in requests:
            yield request.run(on_event)
