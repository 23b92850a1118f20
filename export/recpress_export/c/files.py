"""What a bundle of format c holds beside its model: the engine, its self-test, how to build them."""

import struct
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from recpress_edge.artifacts.contract import ALL_USERS, Contract
from recpress_edge.artifacts.selftest import SelfTest
from recpress_edge.device.c.model_bin import read_header
from recpress_edge.device.c.source import FOLDER, INTERFACE, POPULAR, SOURCE, TRUST, amalgamated, flags_for
from recpress_export.c.build import programs
from recpress_export.options import FileOptions

MODEL_H: Final = "model.h"
_SELFTEST: Final = Path(__file__).with_name("selftest.c")
_A_LINE: Final = 100
"""Characters of a line of numbers."""

_MAKEFILE: Final = """\
# make: builds the self-test beside this folder and runs it. Another core: make CFLAGS="-O3 -mcpu=cortex-a53"
# Nothing is built in here: Python opens a bundle only where nothing else lies in it.
OUT ?= $(CURDIR)-build
CFLAGS ?= -O3 -march=native
# The kind of this model: an engine so compiled is smaller and faster, and refuses other kinds.
MODEL = {flags}
COMPILE = mkdir -p "$(OUT)" && $(CC) -std=c99 -ffp-contract=off $(CFLAGS) $(MODEL)
check:
	$(COMPILE) -o "$(OUT)/selftest" recpress.c selftest.c
	"$(OUT)/selftest" {model}
librecpress.so:
	$(COMPILE) -DRP_AUDIT -shared -fPIC -o "$(OUT)/$@" recpress.c
clean:
	rm -f "$(OUT)/selftest" "$(OUT)/librecpress.so" && rmdir "$(OUT)"
.PHONY: check librecpress.so clean
"""
_CMAKE: Final = """\
cmake_minimum_required(VERSION 3.13)
project(recpress C)
if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release)
endif()
add_library(recpress STATIC recpress.c)
set_target_properties(recpress PROPERTIES C_STANDARD 99 POSITION_INDEPENDENT_CODE ON)
target_include_directories(recpress PUBLIC ${{CMAKE_CURRENT_SOURCE_DIR}})
# The kind of this model: an engine so compiled is smaller and faster, and refuses other kinds.
target_compile_options(recpress PRIVATE -O3 -ffp-contract=off {flags})
add_executable(selftest selftest.c)
target_link_libraries(selftest recpress)
add_library(recpress_trust STATIC EXCLUDE_FROM_ALL recpress_trust.c)
target_include_directories(recpress_trust PUBLIC ${{CMAKE_CURRENT_SOURCE_DIR}})
enable_testing()
add_test(NAME selftest COMMAND selftest ${{CMAKE_CURRENT_SOURCE_DIR}}/{model})
"""


def bundle_files(
    model: bytes, contract: Contract, test: SelfTest, options: FileOptions
) -> Mapping[str, bytes]:
    """Files by name; they depend on the model, its self-test and the options only."""
    flags = " ".join(flags_for(read_header(model)))
    files = {
        INTERFACE: (FOLDER / INTERFACE).read_text(),
        SOURCE: amalgamated(),
        **{name: (FOLDER / name).read_text() for name in TRUST},
        _SELFTEST.name: _SELFTEST.read_text(),
        "selftest.h": selftest_h(test, contract),
        "Makefile": _MAKEFILE.format(flags=flags, model=contract.model_file),
        "CMakeLists.txt": _CMAKE.format(flags=flags, model=contract.model_file),
    }
    if contract.profile == ALL_USERS:
        files[POPULAR] = (FOLDER / POPULAR).read_text()
    if options.model_h:
        files[MODEL_H] = model_h(model)
    found = {name: text.encode() for name, text in files.items()}
    if options.build:
        made = programs(options.build, {**found, contract.model_file: model}, flags_for(read_header(model)))
        return {**found, **made}
    return found


def selftest_h(test: SelfTest, contract: Contract) -> str:
    """The questions of a self-test and their answers as one array of C."""
    numbers: list[int] = []
    for user, seen, items, scores in zip(test.users, test.seen, test.items, test.scores, strict=True):
        bits = struct.unpack(f"<{len(scores)}I", struct.pack(f"<{len(scores)}f", *scores))
        numbers += [user or 0, len(seen), len(items), *seen, *items, *bits]
    return (
        "/* The questions of this bundle's self-test and their answers. */\n"
        "#include <stdint.h>\n\n"
        f"#define SELFTEST_QUERIES {len(test.users)}\n"
        f"#define SELFTEST_K {test.k}\n"
        "/* How far a score may be off; 0: not a bit. */\n"
        f"#define SELFTEST_TOLERANCE {contract.score_tolerance!r}f\n\n"
        "/* Of each: user, how many seen, how many answers; seen items; answers; bits of their scores. */\n"
        f"static const uint32_t selftest[] = {{\n{_lines(_as_text(numbers))}\n}};\n"
    )


def _as_text(numbers: Sequence[int]) -> list[str]:
    return [str(number) if number < 2**31 else f"{number}u" for number in numbers]


def model_h(model: bytes) -> str:
    """The file as an array of C, for programs without a file system."""
    return (
        "/* model.bin as an array: rp_open(&model, recpress_model, sizeof recpress_model) */\n"
        "#include <stdint.h>\n\n"
        "#if defined(__GNUC__)\n"
        "__attribute__((aligned(16)))\n"
        "#elif __STDC_VERSION__ >= 201112L\n"
        "_Alignas(16)\n"
        "#endif\n"
        f"static const uint8_t recpress_model[{len(model)}] = {{\n{_lines(list(map(str, model)))}\n}};\n"
    )


def _lines(words: Sequence[str]) -> str:
    """Words with commas between them, in lines of bounded length."""
    return ",\n".join(",".join(line) for line in _cut(words))


def _cut(words: Sequence[str]) -> Iterator[list[str]]:
    line: list[str] = []
    length = 0
    for word in words:
        if length + len(word) > _A_LINE:
            yield line
            line, length = [], 0
        line.append(word)
        length += len(word) + 1
    yield line
