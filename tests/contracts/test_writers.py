"""Every writer of the table of formats, in every recipe, keeps the contract of recpress_edge.testing."""

import pytest

from recpress_edge.artifacts.formats import FORMATS
from recpress_edge.testing import WriterCase, WriterContract

TWO_LEVELS = {"one level": 10**9, "two levels": 1}


class TestWriters(WriterContract):
    @pytest.fixture(
        params=[
            pytest.param((name, recipe, levels), id=f"{name}-{recipe}-{levels}")
            for name, row in FORMATS.items()
            for recipe in row.recipes
            for levels in TWO_LEVELS
        ]
    )
    def case(self, request):
        file_format, recipe, levels = request.param
        return WriterCase(file_format, recipe, {"two_level_items": TWO_LEVELS[levels]})
