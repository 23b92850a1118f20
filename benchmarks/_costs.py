"""What an epoch or a pass takes, for the constants of forecasts."""

import time
from collections.abc import Callable
from typing import Any, Final

from recpress_edge.distill.methods import METHODS
from recpress_edge.distill.students import parse_name
from recpress_edge.models.method import Method
from recpress_edge.training.loop import train_epoch
from recpress_edge.training.plan import TrainOptions, settings_of

TEACHER_DIM: Final = 64


def second_s(make: Callable[[], Any]) -> float:
    """CPU seconds of the second epoch or pass; of what is computed at once, of the second model."""
    method = make()
    if isinstance(method, Method):
        train_epoch(method, 0)
        begun = time.process_time()
        train_epoch(method, 1)
        return time.process_time() - begun
    passes = method.stages()
    next(passes)
    if method.passes == 1:
        method = make()
        passes = method.stages()
    begun = time.process_time()
    next(passes)
    return time.process_time() - begun


def usual_config(method: str, dim: int) -> Any:
    """The usual settings of a method."""
    entry = METHODS[method]
    role = entry.roles[-1]
    model = parse_name(f"{method}_dim{dim}" if entry.has_dim else method, role)
    return settings_of(model, role, TrainOptions())[0]
