"""Settings refuse a value outside the bound that its annotation states, and name table, key and value."""

import math
import typing

import pytest

from recpress_edge.core.errors import ConfigError
from recpress_edge.distill.methods import METHODS
from recpress_edge.distill.settings import FoldInConfig, SoftConfig
from recpress_edge.models.sequences.settings import SASRecConfig
from recpress_edge.training.settings import TrainingConfig

HTDConfig, RRDNeuMFConfig = METHODS["htd"].config, METHODS["rrd-neumf"].config
CLASSES = [*dict.fromkeys(entry.config for entry in METHODS.values()), FoldInConfig]


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_every_number_of_every_method_has_a_bound(cls: type) -> None:
    free = {
        name for name, hint in typing.get_type_hints(cls, include_extras=True).items() if hint in (int, float)
    }
    assert not free - {"offset", "scale"}


@pytest.mark.parametrize(
    ("cls", "values", "message"),
    [
        (HTDConfig, {"gamma": 1.1}, r"method\.gamma must be between 0 and 1, got 1\.1"),
        (HTDConfig, {"learning_rate": 0.0}, r"method\.learning_rate must be above 0, got 0\.0"),
        (HTDConfig, {"learning_rate": math.inf}, r"method\.learning_rate must be finite, got inf"),
        (HTDConfig, {"weight_decay": math.nan}, r"method\.weight_decay must be at least 0, got nan"),
        (SoftConfig, {"temperature": 0.01}, r"method\.temperature must be at least 0\.02, got 0\.01"),
        (SASRecConfig, {"dropout": 1.0}, r"method\.dropout must be at least 0 and below 1, got 1\.0"),
        (RRDNeuMFConfig, {"learning_rate": -1.0}, r"method\.learning_rate must be above 0"),
        (FoldInConfig, {"epochs": 0}, r"fold_in\.epochs must be above 0, got 0"),
        (TrainingConfig, {"epochs": 5, "patience": -1}, r"training\.patience must be at least 0, got -1"),
    ],
)
def test_what_is_outside_is_named(cls: type, values: dict[str, float], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        cls(**values)
