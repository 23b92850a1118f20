"""onnxruntime reads the format that was checked, whatever the file is called and begins with."""

import onnxruntime as ort
import pytest
from bundles import make_tables, write_model

from recpress_edge.artifacts.model_file import RefusedFileError, check_onnx
from recpress_edge.core.errors import ArtifactError
from recpress_edge.device.onnx_runtime import open_session
from recpress_export.networks.outside import open_onnx


def test_a_file_of_onnxruntimes_own_format_is_not_opened(tmp_path):
    write_model(tmp_path / "model.onnx", make_tables(4, 9, 3), "fp32")
    options = ort.SessionOptions()
    options.log_severity_level = 3
    options.optimized_model_filepath = str(tmp_path / "model.ort")
    options.add_session_config_entry("session.save_model_format", "ORT")
    ort.InferenceSession(str(tmp_path / "model.onnx"), options, providers=["CPUExecutionProvider"])
    ort.InferenceSession(str(tmp_path / "model.ort"), providers=["CPUExecutionProvider"])  # it would
    assert open_session(tmp_path / "model.onnx", 1).get_inputs()
    with pytest.raises(ArtifactError, match="cannot load"):
        open_session(tmp_path / "model.ort", 1)
    data = (tmp_path / "model.ort").read_bytes()
    with pytest.raises(RefusedFileError, match="onnxruntime's own format"):
        check_onnx(memoryview(data))
    with pytest.raises(ArtifactError, match="cannot load"):
        open_session(tmp_path / "model.onnx", 1, data)
    with pytest.raises(ArtifactError, match="cannot load"):
        open_onnx(data, "scores")
