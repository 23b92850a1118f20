"""torch.onnx.export (dynamo) and, for int8-dynamic, onnxruntime's dynamic quantisation."""

import tempfile
from pathlib import Path
from typing import Any

import torch
from onnxruntime.quantization import QuantType, quantize_dynamic
from torch import Tensor

from recpress_export.networks.modules import FoldedNeuMF, SASRecOfLength
from recpress_export.networks.quiet import quiet
from recpress_export.networks.student import NetworkStudent
from recpress_export.onnx.network import NETWORK_INPUT, NETWORK_OPSET, NETWORK_OUTPUT, tables_in_bytes


def onnx_network(student: NetworkStudent) -> bytes:
    """The traced network as a model of its own: user or tokens -> scores (I,)."""
    if student.kind == "neumf":
        return traced(FoldedNeuMF(student, student.n_items), torch.zeros(1, dtype=torch.int64))
    example = torch.zeros(1, min(7, student.history_length), dtype=torch.int64)
    any_length = {1: torch.export.Dim("n", min=2, max=student.history_length)}
    return traced(SASRecOfLength(student), example, any_length)


def traced(module: torch.nn.Module, example: Tensor, dims: dict[int, Any] | None = None) -> bytes:
    """A module of one input as an ONNX model; ``dims`` are the input's lengths that may differ."""
    with quiet(), torch.no_grad():
        program = torch.onnx.export(
            module.eval(),
            (example,),
            dynamo=True,
            opset_version=NETWORK_OPSET,
            input_names=[NETWORK_INPUT],
            output_names=[NETWORK_OUTPUT],
            dynamic_shapes=(dims,) if dims else None,
            verbose=False,
        )
    assert program is not None
    return bytes(program.model_proto.SerializeToString())


def int8_dynamic(network: bytes) -> bytes:
    """Factors in uint8, one scale a tensor; tables that are added, one a column; activations as they come.

    Unsigned times unsigned: signed weights saturate on AVX2 without VNNI, signed activations have no fast
    kernel on x86.
    """
    with tempfile.TemporaryDirectory(prefix="recpress-") as folder, quiet():
        before, after = Path(folder) / "float.onnx", Path(folder) / "int8.onnx"
        before.write_bytes(network)
        quantize_dynamic(before, after, weight_type=QuantType.QUInt8)
        return tables_in_bytes(after.read_bytes())
