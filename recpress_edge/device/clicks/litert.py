"""A click model's TFLite file by LiteRT on the CPU, with its built-in kernels."""

from pathlib import Path
from typing import Final

import numpy as np

from recpress_edge.artifacts.clicks.contract import (
    CANDIDATES_INPUT,
    ITEMS_OUTPUT,
    K_INPUT,
    ROWS_INPUT,
    SCORES_OUTPUT,
    ClickContract,
)
from recpress_edge.core.arrays import F32, I32, I64
from recpress_edge.core.errors import ArtifactError
from recpress_edge.device.litert import (
    PACKAGES,
    artifact_errors,
    import_litert,
    litert_module,
    module_version,
)

_TYPES: Final = {
    **dict.fromkeys((ROWS_INPUT, CANDIDATES_INPUT, K_INPUT, ITEMS_OUTPUT), "int32"),
    SCORES_OUTPUT: "float32",
}


class LiteRTClicks:
    """A model file in an interpreter, which maps the file."""

    name = "ai-edge-litert"

    def __init__(self, path: Path, contract: ClickContract, threads: int = 1) -> None:
        tflite, self.version = import_litert(), litert_version()
        kernels = tflite.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
        with artifact_errors(f"{self.name} {self.version} cannot load {path}"):
            self._interpreter = tflite.Interpreter(
                str(path), num_threads=threads, experimental_op_resolver_type=kernels
            )
            self._interpreter.allocate_tensors()
            numbers = self._check_interface(path, contract)
        self._candidates_number, self._count = numbers[CANDIDATES_INPUT], 1
        # Calls that give a view. None may live while the model runs: the interpreter would refuse.
        view = {name: self._interpreter.tensor(number) for name, number in numbers.items()}
        self._row, self._candidates, self._k = (view[n] for n in (ROWS_INPUT, CANDIDATES_INPUT, K_INPUT))
        self._items, self._scores = view[ITEMS_OUTPUT], view[SCORES_OUTPUT]

    def _check_interface(self, path: Path, contract: ClickContract) -> dict[str, int]:
        sides = (*self._interpreter.get_input_details(), *self._interpreter.get_output_details())
        found = {side["name"]: np.dtype(side["dtype"]).name for side in sides}
        shapes = {side["name"]: side["shape"].tolist() for side in sides}
        if found != _TYPES or shapes[ROWS_INPUT] != [contract.width]:
            raise ArtifactError(
                f"{path} does not fit its contract: it has {found} with {shapes.get(ROWS_INPUT)}, the "
                f"contract says {_TYPES} and rows of {contract.width} columns",
                fault="model",
            )
        return {side["name"]: side["index"] for side in sides}

    def rank(self, row: I32, candidates: I64, k: int) -> tuple[I64, F32]:
        """The best k of the candidates (n,), ascending and distinct, for a row (W,): items and logits."""
        with artifact_errors(f"the model failed on row {row.tolist()}"):
            if candidates.size != self._count:
                self._interpreter.resize_tensor_input(self._candidates_number, [candidates.size], strict=True)
                self._interpreter.allocate_tensors()
                self._count = candidates.size
            self._row()[:] = row
            self._candidates()[:] = candidates
            self._k()[0] = k
            self._interpreter.invoke()
            return self._items().astype(np.int64), self._scores().copy()


def litert_version() -> str:
    """Of the interpreter, with the package where it is the other one."""
    module = litert_module()
    version = module_version(module)
    return version if PACKAGES[module] == LiteRTClicks.name else f"{PACKAGES[module]} {version}"
