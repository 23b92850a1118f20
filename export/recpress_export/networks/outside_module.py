"""A torch module of the user's own code: built, filled with weights, asked, traced to ONNX."""

import contextlib
import importlib.util
import inspect
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from recpress_edge.core.errors import ConfigError, DataError, RecPressError
from recpress_edge.core.files import check_there
from recpress_export.networks.outside import Run
from recpress_export.networks.quiet import quiet
from recpress_export.networks.wiring import ROLES, Port, Wiring, feed
from recpress_export.onnx.network import NETWORK_OPSET

_NAME: Final = "recpress_brought_module"


def built(text: str) -> nn.Module:
    """The module that ``FILE.py:FUNCTION`` returns, in evaluation mode. The file's code is run."""
    path, colon, function = text.rpartition(":")
    if not colon or Path(path).suffix != ".py":
        raise ConfigError(f"--module {text}: write FILE.py:FUNCTION, a function that returns a torch module")
    check_there(Path(path))
    with _own_code(text, Path(path).resolve()):
        made = _function(Path(path).resolve(), function)()
    if not isinstance(made, nn.Module):
        raise ConfigError(f"--module {text}: {function} returned a {type(made).__name__}, not a torch module")
    return made.eval()


@contextlib.contextmanager
def _own_code(text: str, path: Path) -> Iterator[None]:
    """Run a user's code: its prints go to stderr, and what it raises becomes a ConfigError with the line."""
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    except RecPressError:
        raise
    except (Exception, SystemExit) as error:
        lines = [
            frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)
        ]
        line = error.lineno if isinstance(error, SyntaxError) else (lines or [None])[-1]
        place = f", line {line}" if line else ""
        raise ConfigError(
            f"--module {text} fails with {type(error).__name__}: {' '.join(str(error).split())}{place}. The "
            "function takes no arguments and returns the module."
        ) from error


def _function(path: Path, name: str) -> Callable[[], Any]:
    spec = importlib.util.spec_from_file_location(_NAME, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, str(path.parent))  # as when Python runs the file itself
    try:
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(path.parent))
    found = getattr(module, name, None)
    if not callable(found):
        raise ConfigError(f"--module {path}:{name}: {path.name} has no function {name!r}")
    return found  # type: ignore[no-any-return]


def load_weights(module: nn.Module, path: Path) -> None:
    """Fill a module from a safetensors file: every parameter, and no other."""
    check_there(path)
    if path.suffix != ".safetensors":
        raise ConfigError(
            f"--weights {path}: a .safetensors file is needed; pickled checkpoints are never opened. Where "
            "you trust one, convert it: save_file(torch.load(FILE, weights_only=True), 'weights.safetensors')"
        )
    try:
        missing, unknown = module.load_state_dict(load_file(path), strict=False)
    except (SafetensorError, RuntimeError, OSError) as error:
        raise DataError(f"--weights {path} does not fit the module: {' '.join(str(error).split())}") from None
    if missing or unknown:
        first = [f"{words} {names[0]!r}" for words, names in (("no", missing), ("also", unknown)) if names]
        raise DataError(
            f"--weights {path} does not fit the module: it holds {' and '.join(first)} "
            f"({len(missing)} missing, {len(unknown)} unknown)"
        )


def module_inputs(module: nn.Module) -> dict[str, str]:
    """Of forward's arguments those that are called as roles are."""
    return {name: name for name in inspect.signature(module.forward).parameters if name in ROLES}


def check_arguments(module: nn.Module, wiring: Wiring) -> None:
    """ConfigError where forward lacks an argument that is fed, or asks for one that is not."""
    known = inspect.signature(module.forward).parameters
    for role, name in wiring.inputs.items():
        if name not in known:
            raise ConfigError(
                f"--input {role}={name}: forward has no such argument; it has {', '.join(known)}"
            )
    for name, argument in known.items():
        needed = argument.default is argument.empty and "VAR_" not in argument.kind.name
        if needed and name not in wiring.inputs.values():
            raise ConfigError(
                f"the module's forward needs {name!r} too. Say what it takes with --input ROLE={name}, a "
                f"role of {', '.join(ROLES)}."
            )


def module_ports(wiring: Wiring) -> dict[str, Port]:
    """int64 with a batch axis: history and mask (B, T), length and user (B,)."""
    listed = {"history", "mask"}
    return {
        name: Port("int64", (None, wiring.tokens) if role in listed else (None,))
        for role, name in wiring.inputs.items()
    }


class _OneOutput(nn.Module):
    """The module with its arguments in an order and one output of it."""

    def __init__(self, module: nn.Module, wiring: Wiring) -> None:
        super().__init__()
        self.module, self.names, self.output = module, tuple(wiring.inputs.values()), wiring.output

    def forward(self, *given: Tensor) -> Tensor:
        found = self.module(**dict(zip(self.names, given, strict=True)))
        if isinstance(found, Tensor):
            return found
        if isinstance(found, Mapping) and self.output in found:
            return found[self.output]  # type: ignore[no-any-return]
        what = list(found) if isinstance(found, Mapping) else type(found).__name__
        raise ConfigError(
            f"the module returned {what}, not a tensor: name the output that is read, "
            "--output scores=NAME or vector=NAME"
        )


def run_of(module: nn.Module, wiring: Wiring) -> Run:
    """The module as it is asked: arrays in, an array out."""
    one = _OneOutput(module, wiring)

    def run(inputs: Mapping[str, Any]) -> NDArray[Any]:
        tensors = [torch.from_numpy(np.ascontiguousarray(inputs[name])) for name in wiring.inputs.values()]
        try:
            with torch.inference_mode(), contextlib.redirect_stdout(sys.stderr):
                found: NDArray[Any] = one(*tensors).float().numpy()
        except RecPressError:
            raise
        except Exception as error:  # of the user's own code
            shapes = {name: list(array.shape) for name, array in inputs.items()}
            raise DataError(f"the module fails on {shapes}: {' '.join(str(error).split())}") from error
        return found

    return run


def traced_module(module: nn.Module, wiring: Wiring) -> bytes:
    """The module as an ONNX model for one request at a time, under the names of its arguments."""
    inputs = feed(wiring, module_ports(wiring), [(0, np.zeros(1, np.int64))])
    tensors = tuple(torch.from_numpy(inputs[name]) for name in wiring.inputs.values())
    names = list(wiring.inputs.values())
    try:
        with quiet(), torch.no_grad():
            program = torch.onnx.export(
                _OneOutput(module, wiring).eval(),
                tensors,
                dynamo=True,
                opset_version=NETWORK_OPSET,
                input_names=names,
                output_names=[wiring.output],
                verbose=False,
            )
    except Exception as error:  # the exporter's exceptions share no base class
        raise ConfigError(
            f"torch cannot trace the module: {_reason(error)}. Write forward with tensor "
            "operations alone, or export it to ONNX yourself and bring that: --onnx FILE."
        ) from error
    assert program is not None
    return bytes(program.model_proto.SerializeToString())


def _reason(error: BaseException) -> str:
    """What the exporter's exception goes back to, in one line; an error of ours is raised again."""
    while error.__cause__ is not None and not isinstance(error, RecPressError):
        error = error.__cause__
    if isinstance(error, RecPressError):
        raise error
    lines = str(error).strip().splitlines() or [""]
    return f"{type(error).__name__}: {lines[0].rstrip('.')}"
