"""onnxruntime on the CPU: explicit threads, no spinning, no telemetry (see device_bench/__init__.py)."""

import platform
import sys
from pathlib import Path
from types import ModuleType
from typing import Any, SupportsIndex

import numpy as np

from recpress_edge.artifacts.contract import Contract
from recpress_edge.core.errors import ArtifactError, MissingExtraError
from recpress_edge.device.query import Answer, Catalogue, SeenItems, check_query, checked, no_items

Feed = dict[str, Any]


def import_onnxruntime() -> ModuleType:
    """The onnxruntime module, or one line that says how to get it."""
    try:
        import onnxruntime
    except ImportError as error:
        raise MissingExtraError(why_missing(platform.machine(), sys.maxsize <= 2**32, str(error))) from None
    return onnxruntime  # type: ignore[no-any-return]


def why_missing(machine: str, python_is_32_bit: bool, reason: str) -> str:
    """The one-line error when onnxruntime cannot be imported on this machine."""
    if python_is_32_bit and machine.startswith(("arm", "aarch64")):
        return (
            f"onnxruntime has no wheel for 32-bit ARM (this is {machine} with a 32-bit Python). "
            "Install 64-bit Raspberry Pi OS."
        )
    return f"onnxruntime cannot be imported ({reason}). Run: pip install onnxruntime"


def open_session(path: Path, threads: int, data: bytes | None = None) -> Any:
    """A session over a model file; ArtifactError where onnxruntime cannot load it.

    The file is opened by path: handing over its bytes costs the file's size again in memory. ``data``: what
    is opened in its place, a part of it. The arena is off, which keeps the memory figure that of the model;
    it changes no answer.
    """
    ort = import_onnxruntime()
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    options.enable_cpu_mem_arena = False
    options.log_severity_level = 3  # errors; they are raised anyway
    options.add_session_config_entry("session.load_model_format", "ONNX")  # as it was checked
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.inter_op.allow_spinning", "0")
    try:
        return ort.InferenceSession(data or str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's exceptions share no base class of their own
        raise ArtifactError(
            f"onnxruntime {ort.__version__} cannot load {path}: {error}", fault="model"
        ) from None


class OnnxRuntime:
    """One model file in one session."""

    name = "onnxruntime"

    def __init__(self, model_path: Path, contract: Contract, threads: int = 1) -> None:
        self.version: str = import_onnxruntime().__version__
        self.exact = contract.exact
        self.n_items, self.catalogue = contract.n_items, Catalogue.of(contract)
        self._user, self._seen, self._k = contract.user_input, contract.seen_input, contract.k_input
        self._outputs = [contract.items_output, contract.scores_output]
        self._session = open_session(model_path, threads)
        self._check_interface(model_path)

    def _check_interface(self, model_path: Path) -> None:
        inputs = {node.name: node.type for node in self._session.get_inputs()}
        outputs = {node.name: node.type for node in self._session.get_outputs()}
        names = [name for name in (self._user, self._seen, self._k) if name]
        wanted_in = dict.fromkeys(names, "tensor(int64)")
        wanted_out = dict(zip(self._outputs, ("tensor(int64)", "tensor(float)"), strict=True))
        if inputs != wanted_in or not wanted_out.items() <= outputs.items():
            raise ArtifactError(
                f"{model_path} does not fit its contract: it takes {inputs} and gives {outputs}, "
                f"the contract says {wanted_in} and {wanted_out}",
                fault="model",
            )

    def prepare(self, user: SupportsIndex | None, seen: SeenItems, k: SupportsIndex) -> Feed:
        """Check a request (ConfigError) and lay it out as the session's inputs."""
        query = check_query(user, seen, k, self.catalogue)
        who = {self._user: np.array([query.user], np.int64)} if self._user else {}
        return who | {
            self._seen: np.ascontiguousarray(query.seen),
            self._k: np.array([query.k], np.int64),
        }

    def run(self, feed: Feed) -> Answer:
        """session.run and nothing else: the model's own time. items (k,) int64, scores (k,) float32."""
        items, scores = self._session.run(self._outputs, feed)
        return items, scores

    def recommend(self, user: SupportsIndex | None, seen: SeenItems, k: SupportsIndex) -> Answer:
        """Best k unseen items; ConfigError on an id out of range, ArtifactError when the model fails."""
        feed = self.prepare(user, seen, k)
        wanted = int(feed[self._k][0])
        if not wanted:
            return no_items()
        try:
            answer = self.run(feed)
        except Exception as error:
            raise ArtifactError(
                f"the model failed on user {user} with k {k}: {error}", fault="model"
            ) from None
        return checked(answer, wanted, self.n_items)
