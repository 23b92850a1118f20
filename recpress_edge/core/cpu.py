"""Instructions for int8 arithmetic: which processors have which, by the kernel's names."""

import re
from collections.abc import Iterable
from typing import Final

INT8_FLAGS: Final = {
    # as /proc/cpuinfo names it -> whether it multiplies and adds int8 in one step
    "avx2": False,
    "avx_vnni": True,
    "avx512_vnni": True,
    "avx_vnni_int8": True,
    "amx_int8": True,
    "asimddp": True,
    "i8mm": True,
    "svei8mm": True,
}
"""Without a dot product int8 saves memory, hardly time."""


def cpu_flags(cpuinfo: str) -> frozenset[str]:
    """What the first processor of /proc/cpuinfo can do, x86's or Arm's."""
    found = re.search(r"^(?:Features|flags)\s*:(.*)$", cpuinfo, re.MULTILINE)
    return frozenset(found[1].split()) if found else frozenset()


def int8_flags(flags: Iterable[str]) -> list[str]:
    """Those of the flags that int8 arithmetic uses, sorted."""
    return sorted(INT8_FLAGS.keys() & set(flags))


def dot_product_flags(flags: Iterable[str]) -> list[str]:
    """Those of the flags that are int8 dot products, sorted."""
    return [flag for flag in int8_flags(flags) if INT8_FLAGS[flag]]
