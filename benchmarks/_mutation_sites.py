"""Where mutants can be made in a module, and which test files judge them."""

import ast
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from recpress_edge.core.rng import stream

TARGETS: Final = ("recpress_edge/core/*.py", "device_bench/**/*.py", "export/recpress_export/*.py")
LEFT_OUT: Final = re.compile(r"device_bench/(emulation/|lanes/(arm|emulated))|/__init__\.py$")
"""Emulators take minutes a query."""
UNREAL: Final = re.compile(r"_(Is|IsNot)$|_Is_Eq$|_IsNot_NotEq$")
"""Identity in place of equality and back: the same for small numbers and None, and nobody's mistake."""


@dataclass(frozen=True, slots=True)
class Mutant:
    """One change of one module."""

    module: str
    operator: str
    occurrence: int
    line: int
    before: str
    """The changed lines as they are, without indentation."""
    after: str
    source: str
    """The whole mutated module."""


def modules_of(root: Path) -> list[str]:
    """The modules that are mutated, as paths below ``root``."""
    found = {path.relative_to(root).as_posix() for target in TARGETS for path in root.glob(target)}
    return sorted(path for path in found if not LEFT_OUT.search(path))


def mutants_of(root: Path, module: str, seed: int) -> Iterator[Mutant]:
    """The module's mutants in a seeded order: places are drawn evenly, one replacement for each place.

    Annotations, decorators and zip's ``strict`` are no places: they guard against our own mistakes, and a
    running program does not read them. What does not compile is passed over.
    """
    from cosmic_ray.mutating import mutate_code
    from cosmic_ray.plugins import get_operator

    source = (root / module).read_text()
    places = _places(source)
    draw = stream(seed, f"mutants of {module}")
    order = sorted(places)
    for position in draw.permutation(len(order)).tolist():
        place = order[position]
        operator, occurrence = places[place][int(draw.integers(len(places[place])))]
        changed = mutate_code(source, get_operator(operator)(), occurrence)
        if changed is not None and _compiles(changed):
            before, after = _difference(source, changed)
            if before != after:
                yield Mutant(module, operator, occurrence, place[0], before, after, changed)


def in_turn(per_module: Sequence[Iterator[Mutant]]) -> Iterator[Mutant]:
    """One of each module, then the next of each."""
    waiting = list(per_module)
    while waiting:
        for mutants in list(waiting):
            mutant = next(mutants, None)
            if mutant is None:
                waiting.remove(mutants)
            else:
                yield mutant


def _places(source: str) -> dict[tuple[int, int], list[tuple[str, int]]]:
    """(line, column) → operators with the occurrence that is there."""
    from cosmic_ray.ast import ast_nodes, get_ast
    from cosmic_ray.plugins import get_operator, operator_names

    tree, declared = get_ast(source), _declarations(source)
    places: dict[tuple[int, int], list[tuple[str, int]]] = {}
    for name in operator_names():
        operator = get_operator(name)
        if operator.arguments() or UNREAL.search(name):
            continue
        spots = (start for node in ast_nodes(tree) for start, _ in operator().mutation_positions(node))
        for occurrence, start in enumerate(spots):
            if not any(low <= start < high for low, high in declared):
                places.setdefault(start, []).append((name, occurrence))
    return places


def _declarations(source: str) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    """Where annotations, decorators and zip's ``strict`` start and end."""
    found: list[ast.expr | None] = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            found += [node.returns, *node.decorator_list]
        elif isinstance(node, ast.ClassDef):
            found += node.decorator_list
        elif isinstance(node, ast.arg | ast.AnnAssign):
            found.append(node.annotation)
        elif isinstance(node, ast.keyword) and node.arg == "strict":
            found.append(node.value)
    return [
        ((node.lineno, node.col_offset), (node.end_lineno or 0, node.end_col_offset or 0))
        for node in found
        if node is not None
    ]


def _compiles(source: str) -> bool:
    try:
        compile(source, "mutant", "exec")
    except (SyntaxError, ValueError):
        return False
    return True


def _difference(before: str, after: str) -> tuple[str, str]:
    """The lines that differ."""
    old, new = before.splitlines(), after.splitlines()
    top = next((n for n, pair in enumerate(zip(old, new, strict=False)) if pair[0] != pair[1]), len(old))
    end = next((n for n, pair in enumerate(zip(old[::-1], new[::-1], strict=False)) if pair[0] != pair[1]), 0)
    cut = (slice(top, max(len(lines) - end, top)) for lines in (old, new))
    left, right = (
        "\n".join(line.strip() for line in lines[part]) for lines, part in zip((old, new), cut, strict=True)
    )
    return left, right


def judges(root: Path, modules: Sequence[str]) -> dict[str, list[str]]:
    """Of each module the test files that import it, the nearest first: by itself or through others.

    Files named after the module come first, then those that speak of its subject (its first word), then by
    distance and length.
    """
    tests = {path.relative_to(root).as_posix() for path in root.glob("tests/**/*.py")}
    sources = {
        path.relative_to(root).as_posix() for name in _PACKAGES for path in root.glob(f"{name}/**/*.py")
    }
    by_name = {_dotted(path): path for path in (*sorted(sources), *sorted(tests))}
    importers: dict[str, set[str]] = {}
    for path in sources | tests:
        for name in _imports((root / path).read_text()):
            if name in by_name:
                importers.setdefault(by_name[name], set()).add(path)
    return {module: _nearest(root, module, importers) for module in modules}


_PACKAGES: Final = ("recpress_edge", "device_bench", "export/recpress_export")
MAX_DISTANCE: Final = 4


def _nearest(root: Path, module: str, importers: Mapping[str, set[str]]) -> list[str]:
    distance, edge = {module: 0}, [module]
    for step in range(1, MAX_DISTANCE + 1):
        edge = [p for q in edge for p in importers.get(q, ()) if distance.setdefault(p, step) == step]
    files = [path for path in distance if re.search(r"(^|/)test_[^/]*\.py$", path)]
    stem = Path(module).stem
    subject = stem.split("_")[0]

    def order(path: str) -> tuple[bool, bool, int, int, str]:
        text = (root / path).read_text()
        return stem not in Path(path).name, subject not in text, distance[path], len(text), path

    return sorted(files, key=order)


def _dotted(path: str) -> str:
    """The name under which a file is imported; helpers of the tests by their bare name."""
    plain = path.removeprefix("export/").removesuffix(".py").removesuffix("/__init__")
    return Path(plain).name if path.startswith("tests/") else plain.replace("/", ".")


def _imports(source: str) -> Iterator[str]:
    """Names that may be modules: imported ones, and texts, for what is run by ``python -m``."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield from re.findall(r"\w+(?:\.\w+)+", node.value)
