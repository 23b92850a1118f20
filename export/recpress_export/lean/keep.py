"""What each file of a bundle is for: which an application reads, and which the proof alone needs."""

import fnmatch
from collections.abc import Iterable, Mapping
from typing import Any, Final

from recpress_edge.artifacts.clicks.contract import vocabulary_file
from recpress_edge.artifacts.formats import FORMATS
from recpress_edge.artifacts.ids import ITEMS_FILE, POPULAR_FILE, USERS_FILE
from recpress_edge.artifacts.item_features import FEATURES_FILE
from recpress_edge.artifacts.manifest import EVALUATION_FILE
from recpress_edge.artifacts.scales import SCALES_FILE
from recpress_edge.artifacts.selftest import SELFTEST_FILE
from recpress_edge.artifacts.titles import TITLES_FILE
from recpress_export.card import CARD_FILE

READ: Final = (USERS_FILE, ITEMS_FILE, POPULAR_FILE, TITLES_FILE, FEATURES_FILE)
"""What turns ids into indices and back, what unknown users get, what is shown with answers."""
SHORTENED: Final = (SELFTEST_FILE,)
"""Kept with fewer questions: whoever loads the file asks them, since a runtime may be wrong on a device."""
PROOF: Final = (EVALUATION_FILE, SCALES_FILE, CARD_FILE)
"""The rows that quality is measured on; the scales that an update stores new items by; the card."""


def kept_files(files: Iterable[str], contract: Mapping[str, Any]) -> tuple[str, ...]:
    """The files of a bundle that go into the lean one as they are, in order.

    ``contract``: as bundle.json states it. Of a format that brings files of its own its row says which.
    """
    own = {contract["model_file"], *READ}
    own |= {vocabulary_file(place) for place in range(len(contract.get("features", ())))}
    row = FORMATS[contract["format"]]
    patterns = ("*",) if row.lean_files is None else row.lean_files
    never = (*PROOF, *SHORTENED)
    return tuple(
        name
        for name in sorted(files)
        if name not in never and (name in own or any(fnmatch.fnmatchcase(name, one) for one in patterns))
    )
