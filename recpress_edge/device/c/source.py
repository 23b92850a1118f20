"""The engine's C source in one piece, and the compiler's flags that fix what a model's header says."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from recpress_edge.device.c.model_bin import Header

FOLDER: Final = Path(__file__).parent
INTERFACE: Final = "recpress.h"
SOURCE: Final = "recpress.c"
POPULAR: Final = "recpress_popular.h"
"""Popular items for unknown users: of bundles that carry a list of them."""
TRUST: Final = ("recpress_trust.h", "recpress_trust.c")
"""Signatures and digests: no part of the engine."""
_OWN: Final = re.compile(r'^[ \t]*#[ \t]*include[ \t]*"([a-z0-9_]+\.h)"[^\n]*\n', re.MULTILINE)


def amalgamated(*, with_interface: bool = False) -> str:
    """recpress.c with its kernels in it, each in the place of its ``#include``.

    ``recpress.h`` stays an ``#include``; ``with_interface`` it is in the text, which is then complete.
    """
    return _inlined((FOLDER / SOURCE).read_text(), with_interface)


def _inlined(text: str, with_interface: bool) -> str:
    def content(found: re.Match[str]) -> str:
        if found[1] == INTERFACE and not with_interface:
            return found[0]
        kernel = FOLDER / found[1]
        return _inlined(kernel.read_text(), with_interface) if kernel.is_file() else found[0]

    return _OWN.sub(content, text)


def flags_for(header: "Header") -> list[str]:
    """What makes the engine one for models like this one alone: smaller and faster, and it refuses others."""
    facts = {
        "DIM": header.dim,
        "RECIPE": header.recipe,
        "ORDER": header.order,
        "LAYOUT": header.layout,
        "FLAGS": header.flags,
        "PROFILE": header.profile,
    }
    return [f"-DRP_{name}={value}" for name, value in facts.items()]
