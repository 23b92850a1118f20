"""What the stub's tests share: tools, compiled classes, and bundles that are exported in the same run."""

import os
import sys
from pathlib import Path

import pytest

# A test file may import onnxruntime before any of our packages, which set it too.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

MODELS = 400
"""Files model.bin with numpy's answers."""
STUB = Path(__file__).parents[1]
ROOT = STUB.parents[1]
sys.path[:0] = [str(STUB / "tools"), str(ROOT / "tests"), str(ROOT / "benchmarks")]

from click_answers import write_clicks  # noqa: E402  (needs the path above)
from corruptions import write_corruptions  # noqa: E402
from jvm import Jvm  # noqa: E402
from model_bins import write_models  # noqa: E402
from newcomers import write_newcomers  # noqa: E402
from patch_cases import write_patches  # noqa: E402
from python_answers import export_bundles, write_answers  # noqa: E402
from stage_answers import write_stages  # noqa: E402
from toolchain import Toolchain, ToolError, ensure_toolchain  # noqa: E402


@pytest.fixture(scope="session")
def tools() -> Toolchain:
    """Fails, never skips, where a tool cannot be had; only android.jar and dx may be missing."""
    try:
        return ensure_toolchain()
    except ToolError as error:
        pytest.fail(str(error))


@pytest.fixture(scope="session")
def jvm(tools, tmp_path_factory) -> Jvm:
    """The library and its tests, compiled."""
    jvm = Jvm(tools, tmp_path_factory.mktemp("classes"))
    jvm.compile(STUB / "core/src/main/java", "core")
    jvm.compile(STUB / "core/src/test/java", "test")
    return jvm


@pytest.fixture(scope="session")
def fixtures(tmp_path_factory) -> Path:
    """Bundles, models, clicks, two stages, patches and newcomers: what Python wrote, answered and refused."""
    folder = tmp_path_factory.mktemp("fixtures")
    for bundle in export_bundles(folder):
        write_answers(bundle, folder / "answers" / f"{bundle.name}.json")
    write_corruptions(folder / "bundles", folder / "corrupt")
    write_models(folder / "models", MODELS)
    write_clicks(folder / "clicks")
    write_stages(folder / "stages")
    write_newcomers(folder / "bundles", folder / "newcomers.json")
    write_patches(folder, folder / "patches")
    return folder
