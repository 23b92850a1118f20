"""Every writer of the table of formats, in every recipe, keeps the contract of recpress_edge.testing."""

import pytest
from exports import levels

from recpress_edge.artifacts.formats import FORMATS, MODEL_FORMATS
from recpress_edge.testing import WriterCase, WriterContract

TWO_LEVELS = {"one level": 10**9, "two levels": 1}


class TestWriters(WriterContract):
    @pytest.fixture(
        params=[
            pytest.param((name, recipe, level), id=f"{name}-{recipe}-{level}")
            for name in MODEL_FORMATS
            for recipe in FORMATS[name].recipes
            for level in TWO_LEVELS
        ]
    )
    def case(self, request):
        file_format, recipe, level = request.param
        return WriterCase(file_format, recipe, levels(file_format, TWO_LEVELS[level]))
