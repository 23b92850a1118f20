"""A method of one's own: a file that is named on the command line, or an installed package.

The file is a Python module, or a folder with ``__init__.py``, that holds an :class:`OwnMethod` in a variable
of any name. It is run as it is. A package names its OwnMethod by the entry point group
``recpress_edge.methods``, under the method's name.
"""

import ast
import dataclasses
import importlib.metadata
import importlib.util
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from recpress_edge.core.errors import ConfigError
from recpress_edge.core.files import canonical_json, check_there, digest_of, sha256_file
from recpress_edge.core.install import extra_of
from recpress_edge.distill.methods import METHODS, MethodRow

PREFIX: Final = "recpress_plugin_"
"""Of the module that a file becomes."""
ENTRY_POINTS: Final = "recpress_edge.methods"
_NAME: Final = re.compile(r"[a-z]+(?:[_-][a-z]+)*")
_OURS: Final = {"", "recpress_edge", "recpress_export", "device_bench"}
_SOURCE: Final = "__recpress_source__"


@dataclass(frozen=True, slots=True)
class OwnMethod:
    """A method: the name that models begin with, and its row in the table of methods."""

    name: str
    row: MethodRow


def code(thing: Any) -> str:
    """A class or function of a plugin as a row names it: ``module:attribute``."""
    if "<" in thing.__qualname__:
        raise ConfigError(f"{thing.__qualname__} has no name of its own: define it in the module")
    return f"{thing.__module__}:{thing.__qualname__}"


def load_plugins(paths: Sequence[str]) -> None:
    """Enter the methods of each file into the table; a file that is loaded and unchanged stays as it is."""
    for path in paths:
        _load(Path(path))


def load_installed(name: str) -> None:
    """Enter the method of this name that an installed package brings, if one does and it is not there."""
    if name in METHODS:
        return
    for point in importlib.metadata.entry_points(group=ENTRY_POINTS, name=name):
        where = f"method {name!r} of an installed package, {point.value},"
        try:
            own = point.load()
        except Exception as error:  # another's code may raise anything
            raise ConfigError(f"{where} cannot be loaded: {type(error).__name__}: {error}") from error
        if not isinstance(own, OwnMethod) or own.name != name:
            raise ConfigError(f"{where} is no OwnMethod of that name. Correct that package or remove it.")
        _enter(own, point.value)


def _load(path: Path) -> None:
    check_there(path)
    path = path.resolve()
    if not path.stem.isidentifier() or (path.suffix != ".py" and not path.is_dir()):
        raise ConfigError(
            f"--plugin {path} must be a Python file such as my_method.py, or a package's folder"
        )
    sources = sorted(path.rglob("*.py")) if path.is_dir() else [path]
    digest = digest_of([str(path), *map(sha256_file, sources)])
    known = sys.modules.get(PREFIX + path.stem)
    if known and getattr(known, _SOURCE, None) == digest:
        return
    _check_alone(path, sources)
    _forget(path.stem)
    module = _run(path)
    found = [value for value in vars(module).values() if isinstance(value, OwnMethod)]
    if not found:
        raise ConfigError(f"--plugin {path} holds no OwnMethod: nothing was registered")
    for own in found:
        _enter(own, str(path))
    setattr(module, _SOURCE, digest)


def _check_alone(path: Path, sources: Sequence[Path]) -> None:
    """A module beside the file would be part of the method, and its edits would not be noticed."""
    for source in sources:
        try:
            tree = ast.parse(source.read_bytes())
        except SyntaxError as error:
            raise ConfigError(f"--plugin {source}, line {error.lineno}: {error.msg}") from None
        names = {
            alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names
        }
        names |= {
            node.module or ""
            for node in ast.walk(tree)
            if isinstance(node, ast.ImportFrom) and not node.level
        }
        for first in {name.partition(".")[0] for name in names} - _OURS:
            if any((path.parent / beside).exists() for beside in (f"{first}.py", f"{first}/__init__.py")):
                raise ConfigError(
                    f"--plugin {source} imports {first} from beside it, whose edits would not be noticed. "
                    f"Put both into a folder with an __init__.py, import {first} with a dot (from . import "
                    f"{first}), and name the folder."
                )


def _forget(stem: str) -> None:
    """Take away what an earlier state of the file, or a file of the same name, had brought."""
    name = PREFIX + stem
    for module in [known for known in sys.modules if known == name or known.startswith(f"{name}.")]:
        del sys.modules[module]
    for method in [one for one, row in METHODS.items() if row.plugin and Path(row.plugin).stem == stem]:
        del METHODS[method]


def _run(path: Path) -> ModuleType:
    package = path.is_dir()
    name, file = PREFIX + path.stem, path / "__init__.py" if package else path
    inside = [str(path)] if package else None
    spec = importlib.util.spec_from_file_location(name, file, submodule_search_locations=inside)
    if spec is None or spec.loader is None or not file.exists():
        raise ConfigError(f"--plugin {path} is no Python module")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:  # the user's code may raise anything
        _forget(path.stem)
        if isinstance(error, ConfigError) or (isinstance(error, ImportError) and extra_of(error.name or "")):
            raise
        raise ConfigError(f"--plugin {path} cannot be loaded: {type(error).__name__}: {error}") from error
    return module


def _enter(own: OwnMethod, plugin: str) -> None:
    """A row of the table; a name that is taken, or settings that no key can hold, are a ConfigError."""
    if not _NAME.fullmatch(own.name):
        raise ConfigError(
            f"{plugin}: a method is called such as my_method, in small letters, not {own.name!r}"
        )
    taken = METHODS.get(own.name)
    if taken:
        whose = f"of {taken.plugin}" if taken.plugin else "built in"
        raise ConfigError(f"{plugin}: a method {own.name!r} is {whose} already. Give it another name.")
    try:
        canonical_json(dataclasses.asdict(own.row.config()))
    except (TypeError, ValueError) as error:
        raise ConfigError(
            f"{plugin}: the settings of {own.name!r} must be a dataclass of numbers, texts and booleans with "
            f"defaults: {error}"
        ) from None
    METHODS[own.name] = dataclasses.replace(own.row, released=False, plugin=plugin)
