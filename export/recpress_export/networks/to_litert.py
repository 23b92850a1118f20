"""litert-torch and, for int8-dynamic, ai-edge-quantizer: large packages, in an extra of their own."""

import tempfile
from pathlib import Path

import torch

from recpress_edge.core.errors import ConfigError
from recpress_edge.core.registry import named
from recpress_export.networks.modules import Traceable
from recpress_export.networks.quiet import quiet
from recpress_export.networks.student import NetworkStudent
from recpress_export.tflite.network import tables_in_bytes
from recpress_export.tflite.writer import network_rows


def tflite_network(student: NetworkStudent) -> bytes:
    """The traced network as a TFLite file of its own: user or tokens (int32) -> scores (rows,)."""
    network: Traceable = named(student.row.module)(student, network_rows(student.n_items))
    with quiet():
        import litert_torch

    with tempfile.TemporaryDirectory(prefix="recpress-") as folder:
        path = Path(folder) / "network.tflite"
        try:
            with quiet(), torch.no_grad():
                litert_torch.convert(network.module.eval(), (network.example.int(),)).export(str(path))
        except Exception as error:  # the converter's exceptions share no base class
            raise ConfigError(
                f"litert-torch cannot convert this {student.kind}: {str(error).splitlines()[0]} "
                "Write ONNX instead: --format onnx."
            ) from error
        return path.read_bytes()


def int8_dynamic(network: bytes) -> bytes:
    """int8 factors, one scale a channel; tables that are added, one a column; activations as they come."""
    with quiet():
        from ai_edge_quantizer import quantizer, recipe

        quantiser = quantizer.Quantizer(bytearray(network))
        quantiser.load_quantization_recipe(recipe.dynamic_wi8_afp32())
        return tables_in_bytes(bytes(quantiser.quantize().quantized_model))
