"""Wrong engines: a text of the C sources and what a mutant has in its place."""

from dataclasses import dataclass
from typing import Final

from _engine_mutants import kernels
from _engine_mutants.asking import ASKING
from _engine_mutants.orders import ORDERS

ENGINE, PLAIN, NEON, X86 = "recpress.c", "kernel_plain.h", "kernel_neon.h", "kernel_x86.h"


@dataclass(frozen=True, slots=True)
class Mutant:
    """``new`` takes the place of ``old`` in the file."""

    file: str
    what: str
    old: str
    new: str
    equivalent: str = ""
    """Why no answer can differ; empty: the tests must notice."""


_TEXTS: Final = (
    (ENGINE, ASKING),
    (ENGINE, ORDERS),
    (PLAIN, kernels.PLAIN),
    (NEON, kernels.NEON),
    (X86, kernels.X86),
)
MUTANTS: Final = tuple(Mutant(file, *row) for file, rows in _TEXTS for row in rows)
