"""LiteRT on the CPU: built-in kernels, which are exact on int8, unless XNNPACK is asked for."""

import importlib.metadata
import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any, Final, SupportsIndex

import numpy as np
from numpy.typing import NDArray

from recpress_edge.artifacts.contract import Contract
from recpress_edge.core.errors import ArtifactError, MissingExtraError
from recpress_edge.core.install import install_command
from recpress_edge.device.query import Answer, Catalogue, SeenItems, check_query, checked, no_items

XNNPACK: Final = "xnnpack"
PACKAGES: Final = {"ai_edge_litert": "ai-edge-litert", "tflite_runtime": "tflite-runtime"}
"""Modules that bring an interpreter, the better first, and what installs them."""
_LAST_NUMPY_1: Final = "tflite_runtime"  # its last release is of 2023


def litert_module() -> str:
    """The package whose interpreter will be used; MissingExtraError where there is none that works."""
    found = next((name for name in PACKAGES if importlib.util.find_spec(name)), None)
    if found is None:
        raise MissingExtraError(
            "a .tflite file needs ai-edge-litert, which the base install leaves out. "
            f"Run in the checkout: {install_command('tflite')}"
        )
    if found == _LAST_NUMPY_1 and int(np.__version__.partition(".")[0]) >= 2:
        # It can be imported, and then its first Interpreter dies with a SystemError.
        raise MissingExtraError(
            f"tflite-runtime {module_version(found)} was built for numpy 1 and fails with numpy "
            f"{np.__version__}. Run: pip install ai-edge-litert, or pip install 'numpy<2' where that has no "
            "wheel."
        )
    return found


def import_litert() -> ModuleType:
    """The interpreter's module."""
    name = litert_module()
    try:
        return importlib.import_module(f"{name}.interpreter")
    except ImportError as error:
        raise MissingExtraError(
            f"{PACKAGES[name]} cannot be imported ({error}). Run: pip install {PACKAGES[name]}"
        ) from None


@cache
def module_version(module: str) -> str:
    """Of the package that brings it: every look parses the package's whole description."""
    try:
        return importlib.metadata.version(PACKAGES[module])
    except importlib.metadata.PackageNotFoundError:  # a distribution's own package
        return "of unknown version"


@dataclass(frozen=True, slots=True, eq=False)
class Feed:
    """A checked request in the file's types."""

    user: int
    seen: NDArray[np.int32]
    k: int


@contextmanager
def artifact_errors(what: str) -> Iterator[None]:
    """What the interpreter finds wrong with a file, as an ArtifactError that begins with ``what``.

    A tensor's name that is no text, and a tensor that has no data, are ValueErrors.
    """
    try:
        yield
    except (ValueError, RuntimeError) as error:
        raise ArtifactError(f"{what}: {error}", fault="model") from None


class SeenInput:
    """The seen items of an interpreter: an input of fixed room, whose unused places hold no item."""

    def __init__(self, interpreter: Any, number: int, capacity: int, n_items: int) -> None:
        self._interpreter, self._number, self._n_items = interpreter, number, n_items
        self._seen, self._least = interpreter.tensor(number), capacity
        self._empty(capacity)

    def _empty(self, capacity: int) -> None:
        self._capacity, self._filled = capacity, 0
        self._seen()[:] = self._n_items

    def _resize(self, capacity: int) -> None:
        """Another room for the seen list: 10 to 50 us, so back again too: room costs time in every query."""
        self._interpreter.resize_tensor_input(self._number, [capacity], strict=True)
        self._interpreter.allocate_tensors()
        self._empty(capacity)

    def fill(self, items: NDArray[np.int32]) -> None:
        """Put these items in (n,)."""
        count = items.size
        capacity = self._least if count <= self._least else 1 << (count - 1).bit_length()
        if capacity != self._capacity:
            self._resize(capacity)
        seen = self._seen()
        seen[:count] = items
        seen[count : self._filled] = self._n_items
        del seen
        self._filled = count


class LiteRT:
    """One model file in one interpreter, which maps the file.

    Without ``delegate`` the built-in kernels run and int8 is exact. With ``xnnpack`` it is faster, but
    the user's row is quantised again: ``exact`` is False and answers agree within a tolerance only.
    """

    def __init__(
        self, model_path: Path, contract: Contract, threads: int = 1, delegate: str | None = None
    ) -> None:
        tflite, module = import_litert(), litert_module()
        self.name, self.version = PACKAGES[module], module_version(module)
        self.exact = contract.exact and delegate is None
        self.n_items, self.catalogue = contract.n_items, Catalogue.of(contract)
        kinds = tflite.OpResolverType
        kernels = kinds.AUTO if delegate == XNNPACK else kinds.BUILTIN_WITHOUT_DEFAULT_DELEGATES
        with artifact_errors(f"{self.name} {self.version} cannot load {model_path}"):
            self._interpreter = tflite.Interpreter(
                str(model_path), num_threads=threads, experimental_op_resolver_type=kernels
            )
            self._interpreter.allocate_tensors()
            numbers = self._check_interface(model_path, contract)
            # Calls that give a view. None may live while the model runs: the interpreter would refuse.
            view = {name: self._interpreter.tensor(number) for name, number in numbers.items()}
            self._user = view.get(contract.user_input)
            self._k, self._items, self._scores = (
                view[name] for name in (contract.k_input, contract.items_output, contract.scores_output)
            )
            number = numbers[contract.seen_input]
            self._seen = SeenInput(self._interpreter, number, contract.seen_capacity, contract.n_items)

    def _check_interface(self, model_path: Path, contract: Contract) -> dict[str, int]:
        """Numbers of the tensors that the contract names."""
        sides = (self._interpreter.get_input_details(), self._interpreter.get_output_details())
        found = [{d["name"]: np.dtype(d["dtype"]).name for d in side} for side in sides]
        inputs = [name for name in (contract.user_input, contract.seen_input, contract.k_input) if name]
        wanted = [
            dict.fromkeys(inputs, "int32"),
            {contract.items_output: "int32", contract.scores_output: "float32"},
        ]
        shapes = {d["name"]: d["shape"].tolist() for d in sides[0]}
        if found != wanted or shapes[contract.seen_input] != [contract.seen_capacity]:
            raise ArtifactError(
                f"{model_path} does not fit its contract: it takes {found[0]} {shapes} and gives {found[1]}, "
                f"the contract says {wanted[0]}, {contract.seen_capacity} seen items, and {wanted[1]}",
                fault="model",
            )
        return {d["name"]: d["index"] for side in sides for d in side}

    def prepare(self, user: SupportsIndex | None, seen: SeenItems, k: SupportsIndex) -> Feed:
        """Check a request (ConfigError) and put it into the file's types."""
        query = check_query(user, seen, k, self.catalogue)
        return Feed(query.user, query.seen.astype(np.int32), query.k)

    def run(self, feed: Feed) -> Answer:
        """Inputs in, invoke, outputs out: the model's own time. items (k,) int64, scores (k,) float32."""
        if not feed.k:
            return no_items()
        self._seen.fill(feed.seen)
        if self._user is not None:
            self._user()[0] = feed.user
        self._k()[0] = feed.k
        self._interpreter.invoke()
        return self._items().astype(np.int64), self._scores().copy()

    def recommend(self, user: SupportsIndex | None, seen: SeenItems, k: SupportsIndex) -> Answer:
        """Best k unseen items; ConfigError on an id out of range, ArtifactError when the model fails."""
        feed = self.prepare(user, seen, k)
        with artifact_errors(f"the model failed on user {user} with k {k}"):
            answer = self.run(feed)
        return checked(answer, feed.k, self.n_items) if feed.k else answer
