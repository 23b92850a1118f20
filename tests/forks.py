"""A process that ends in the middle of something: a copy of the test's own, which has imported everything."""

import os
import signal
import traceback
from collections.abc import Callable

LONGEST_S = 120


def end_of(work: Callable[[], object]) -> int:
    """Its exit code, as subprocess has it: 0 when the work is done, 1 where it raises, -9 where killed."""
    child = os.fork()
    if not child:
        signal.alarm(LONGEST_S)
        code = 1
        try:
            work()
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def killed() -> None:
    """As by a power cut."""
    os.kill(os.getpid(), signal.SIGKILL)
