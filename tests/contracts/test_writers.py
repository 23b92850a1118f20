"""Every writer of the table of formats, in every recipe, keeps the contract of recpress_edge.testing."""

import pytest
from exports import levels

from recpress_edge.artifacts.formats import FORMATS, MODEL_FORMATS
from recpress_edge.device.cores import ARRANGEMENTS
from recpress_edge.testing import WriterCase, WriterContract

TWO_LEVELS = {"one level": 10**9, "two levels": 1}


def arranged_cores(file_format, recipe):
    """The first core of each arrangement that the format has for the recipe."""
    found = {
        one.name: core
        for (name, core), one in reversed(ARRANGEMENTS.items())
        if name == file_format and recipe in one.recipes
    }
    return tuple(found.values())


class TestWriters(WriterContract):
    @pytest.fixture(
        params=[
            pytest.param((name, recipe, core, level), id=f"{name}-{recipe}{core}-{level}")
            for name in MODEL_FORMATS
            for recipe in FORMATS[name].recipes
            for core in ("", *arranged_cores(name, recipe))
            for level in TWO_LEVELS
        ]
    )
    def case(self, request):
        file_format, recipe, core, level = request.param
        return WriterCase(file_format, recipe, levels(file_format, TWO_LEVELS[level]), core)
