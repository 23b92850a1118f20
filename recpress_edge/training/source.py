"""Digests of what a model depends on beside its settings: code that no release has, the order of a log."""

import ast
import importlib.util
from collections.abc import Iterator
from pathlib import Path

from recpress_edge.core.errors import ConfigError
from recpress_edge.core.files import digest_of, sha256_bytes
from recpress_edge.data.interactions import Dataset


def source_digest(where: str) -> str:
    """Of the module in "module:attribute" and of all that it imports from its own top-level package."""
    module = where.partition(":")[0]
    package = module.partition(".")[0]
    seen: dict[str, str] = {}
    waiting = [module]
    while waiting:
        name = waiting.pop()
        path = _file_of(name)
        if name in seen or path is None:
            continue
        content = path.read_bytes()
        seen[name] = sha256_bytes(content)
        if path.suffix == ".py":
            waiting += [
                found for found in _imports(content, name, path) if found.partition(".")[0] == package
            ]
    if module not in seen:
        raise ConfigError(
            f"the source of {module} cannot be found, so it cannot be told whether a model was made by it. "
            "Put it into a file that Python can import."
        )
    return digest_of(seen)


def _file_of(module: str) -> Path | None:
    """The file of a module; None where the name is no module but an attribute, or has no file."""
    try:
        spec = importlib.util.find_spec(module)
    except (ImportError, ValueError):
        return None
    path = Path(spec.origin) if spec and spec.origin else None
    return path if path and path.is_file() else None


def _imports(content: bytes, module: str, path: Path) -> Iterator[str]:
    """Names that the module imports, wherever in it; of ``from a import b`` a.b too: it may be a module."""
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    for node in ast.walk(ast.parse(content)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            base = ".".join([*above, node.module] if node.module else above)
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)


def order_digest(model: str, data: Dataset) -> str:
    """Of the order that a model learns from; ConfigError for a data set without."""
    digest = data.order_digest()
    if digest is None:
        raise ConfigError(
            f"{model} learns from the order in which users consumed their items, and data set {data.name!r} "
            "has none. Import its log with times (--split loo-time), or with --split loo-order where its "
            "lines are in the order of time; a set imported before orders were kept: again, with --force."
        )
    return digest
