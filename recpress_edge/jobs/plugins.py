"""Methods of one's own around a request: loaded before it, and named where one is missing."""

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from recpress_edge.artifacts.model_folder import MODEL_FACTS
from recpress_edge.core.errors import ArtifactError, ConfigError
from recpress_edge.core.files import read_json
from recpress_edge.distill.methods import METHODS
from recpress_edge.distill.plugin import load_plugins
from recpress_edge.distill.students import UnknownModelError


@contextlib.contextmanager
def with_plugins(paths: Sequence[str], work: Path) -> Iterator[None]:
    """Load the files; a method that only a missing one has is a ConfigError that names it.

    Which one it was, the models below ``work`` say that were trained by it.
    """
    load_plugins(paths)
    try:
        yield
    except UnknownModelError as error:
        for where in sorted((work / "models").glob(f"*/{MODEL_FACTS}")) if error.method else ():
            with contextlib.suppress(ArtifactError):
                facts = read_json(where)
                if facts.get("method") == error.method and (missing := missing_plugin(facts)):
                    raise ConfigError(
                        f"the method {error.method!r} was brought by {missing}, which is not loaded. Give "
                        f"--plugin {missing}, or install that package."
                    ) from None
        raise


def missing_plugin(facts: dict[str, Any]) -> str | None:
    """The file or package that a model was trained by, where its method is not there now."""
    if facts.get("method") in METHODS or not isinstance(facts.get("plugin"), dict):
        return None
    return str(facts["plugin"].get("file"))
