"""torch.onnx.export (dynamo) and, for int8-dynamic, onnxruntime's dynamic quantisation."""

import tempfile
from pathlib import Path

import torch
from onnxruntime.quantization import QuantType, quantize_dynamic

from recpress_edge.core.registry import named
from recpress_export.networks.modules import Traceable
from recpress_export.networks.quiet import quiet
from recpress_export.networks.student import NetworkStudent
from recpress_export.onnx.network import NETWORK_INPUT, NETWORK_OPSET, NETWORK_OUTPUT, tables_in_bytes


def onnx_network(student: NetworkStudent) -> bytes:
    """The traced network as a model of its own: user or tokens -> scores (I,)."""
    return traced(named(student.row.module)(student, None))


def traced(network: Traceable) -> bytes:
    """A module of one input as an ONNX model."""
    with quiet(), torch.no_grad():
        program = torch.onnx.export(
            network.module.eval(),
            (network.example,),
            dynamo=True,
            opset_version=NETWORK_OPSET,
            input_names=[NETWORK_INPUT],
            output_names=[NETWORK_OUTPUT],
            dynamic_shapes=(network.dims,) if network.dims else None,
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
