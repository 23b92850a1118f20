"""The table of file formats: one row says all that depends on one; code is named as ``module:attribute``.

Nothing that a row names is imported before it is used, so that a board reads this table with numpy alone.
An installed package adds a format by the entry point group ``recpress_edge.formats``: its name is the
format's, and it names a :class:`Format`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from recpress_edge.artifacts.recipes import RECIPES, Recipe
from recpress_edge.core.errors import ConfigError, unknown_name
from recpress_edge.core.registry import named

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """A file format of models."""

    name: str
    label: str
    """As people write it."""
    suffix: str
    """Of a bundle's name; empty for the default format."""
    model_name: str = ""
    """Name of the model file in a bundle; empty for ``model.NAME``."""
    model_of: str = ""
    """The format whose model file its bundles hold beside files of their own; empty where it has one."""
    recipes: tuple[str, ...]
    """What its writer honours."""
    seen_capacity: int = 0
    """Entries of the ``seen`` input where its length is fixed; 0 where any length is taken."""
    index_type: str
    """Type of the indices that it returns."""
    extra: str
    """The extra that brings its runtime to a device; empty for the base install."""
    device_packages: tuple[str, ...]
    """What an emulated device installs."""
    device_modules: tuple[str, ...]
    """Modules of which a device needs one."""
    made_by: tuple[str, ...]
    """Packages whose versions a bundle records."""
    delegates: tuple[str, ...] = ()
    writer: str
    """``(Graph, metadata) -> bytes``"""
    check: str
    """``(memoryview) -> None``: raises where a file must not be opened."""
    runtime: str
    """A class: ``(path, contract, threads, **delegate) -> Runtime``."""
    light_runtime: str = ""
    """As ``runtime``, with the standard library alone and answers in its arrays; empty: there is none."""
    board_engine: str = ""
    """``(model file, core, folder, fetched gcc) -> Path``: what boards load that have no compiler, if any."""
    load_library: str
    """``() -> Any``: imports the runtime's library; MissingExtraError where it is not installed."""
    tables: str
    """``(bytes, Contract) -> Tables``; of a damaged file an error that ``read_tables`` catches."""
    listing: str
    """``(path, bytes) -> Contents``: what the file holds, without running it, with the writer's metadata."""
    same: str
    """``(bytes, bytes) -> bool``: whether two files compute the same with the same tables."""
    plan: str = ""
    """``(Encoding, StudentData) -> FilePlan``: how a file stores its tables; empty where there is one way."""
    files: str = ""
    """``(model bytes, Contract, SelfTest, FileOptions) -> Mapping[str, bytes]``: what else a bundle holds."""
    lean_files: tuple[str, ...] | None = None
    """Of those the ones that a lean bundle keeps, as patterns; None: all, since their use is unknown."""
    options: tuple[str, ...] = ()
    """Fields of recpress_export.options.FileOptions that it honours."""
    warnings: str = ""
    """``(memoryview) -> list[str]``: what makes a file slow on some cores; empty where nothing is."""
    hint: str = ""
    """``(Contract) -> str``: what might be better for a file like this one; empty where nothing is known."""
    shown_by: str = ""
    """The command that shows a bundle to a person; empty where none does."""
    tried_by: str = ""
    """``(Bundle) -> list[str]``: commands that try a bundle before it is benched; empty where none do."""
    click_recipes: tuple[str, ...] = ()
    """Of click models, what its file of them stores; empty where they are not available."""
    click_writer: str = ""
    """``(ClickContract, tensors, metadata) -> bytes``"""
    click_runtime: str = ""
    """A class with ``name`` and ``version``: ``(path, ClickContract, threads) -> ClickRuntime``."""
    click_tables: str = ""
    """``(bytes) -> Mapping[str, NDArray]``: the constants of a click model's file."""
    stages_writer: str = ""
    stages_runtime: str = ""
    stages_apart: str = ""
    """Of two stages: what writes a file, as two_stages_onnx; a NamedStages; a StagesApart. Else empty."""
    trace: str = ""
    """``(NetworkStudent) -> bytes``: a network as a file; empty where networks are not available."""
    trace_int8: str = ""
    """``(bytes) -> bytes``: a traced network with int8-dynamic constants."""
    trace_packages: tuple[str, ...] = ()
    """What traces networks."""
    trace_facts: str = ""
    """``Mapping[str, int]``: the versions that a traced file declares."""
    trace_extra: str = ""
    trace_advice: str = ""
    """What else a user may do where the tracer is missing."""


class _FormatTable(dict[str, Format]):
    """Rows by name; one that is not built in is looked for among the installed packages."""

    def __missing__(self, name: str) -> Format:
        for point in named(_INSTALLED)(group=ENTRY_POINTS, name=name):
            self[name] = _installed(point)
            return self[name]
        raise KeyError(name)

    def __contains__(self, name: object) -> bool:
        try:
            return isinstance(name, str) and bool(self[name])
        except KeyError:
            return False


def _installed(point: "EntryPoint") -> Format:
    """The row that an installed package names; ConfigError where it cannot be loaded or is another."""
    where = f"format {point.name!r} of an installed package, {point.value},"
    try:
        row = point.load()
    except Exception as error:  # another's code may raise anything
        raise ConfigError(
            f"{where} cannot be loaded: {type(error).__name__}: {error}. Correct that package or remove it."
        ) from error
    if not isinstance(row, Format) or row.name != point.name:
        found = f"a format of the name {row.name!r}" if isinstance(row, Format) else repr(type(row).__name__)
        raise ConfigError(
            f"{where} is {found}, not a Format of that name. Correct that package or remove it."
        )
    return row


ENTRY_POINTS: Final = "recpress_edge.formats"
_INSTALLED: Final = "importlib.metadata:entry_points"  # named: importing it costs as much as Python's start
_C: Final = Format(
    name="c",
    label="C",
    suffix="-c",
    model_name="model.bin",
    recipes=("fp32", "int8-dim", "score16", "int8-item", "int4-item"),
    index_type="uint32",
    extra="",
    device_packages=(),
    device_modules=(),
    made_by=("numpy",),
    writer="recpress_export.c.writer:to_c",
    check="recpress_edge.device.c.model_bin:check_c",
    runtime="recpress_edge.device.c.runtime:CRuntime",
    light_runtime="recpress_edge.device.c.light:LightRuntime",
    board_engine="recpress_edge.device.c.cross:engine_for",
    load_library="recpress_edge.device.c.library:import_engine",
    tables="recpress_edge.device.c.tables:tables_of_c",
    listing="recpress_export.c.listing:read_bin",
    same="operator:eq",
    files="recpress_export.c.files:bundle_files",
    lean_files=("recpress-*.so", "recpress-*.wasm"),  # sources are for who builds the application
    options=("order", "model_h", "build"),
    plan="recpress_export.c.plan:plan_file",
    hint="recpress_export.c.advice:hint",
    tried_by="recpress_edge.cli.export.of_format:commands_of_c",
)
FORMATS: Final = _FormatTable(
    (one.name, one)
    for one in (
        Format(
            name="onnx",
            label="ONNX",
            suffix="",
            recipes=tuple(RECIPES),
            index_type="int64",
            extra="",
            device_packages=("onnxruntime",),
            device_modules=("onnxruntime",),
            made_by=("numpy", "onnx", "onnxruntime"),
            writer="recpress_export.onnx.writer:to_onnx",
            check="recpress_edge.artifacts.model_file:check_onnx",
            runtime="recpress_edge.device.onnx_runtime:OnnxRuntime",
            load_library="recpress_edge.device.onnx_runtime:import_onnxruntime",
            tables="recpress_edge.device.tables:tables_of_onnx",
            listing="recpress_export.onnx.listing:read_onnx",
            same="recpress_export.onnx.writer:same_onnx",
            warnings="recpress_edge.device.onnx_kernels:slow_products",
            click_recipes=("fp32", "int8", "int8-fields", "int4-fields"),
            click_writer="recpress_export.clicks.graph:clicks_onnx",
            click_runtime="recpress_edge.device.clicks.runtimes:OnnxClicks",
            click_tables="recpress_edge.device.onnx_file:onnx_tensors",
            stages_writer="recpress_export.two_stages.graph:two_stages_onnx",
            stages_runtime="recpress_edge.device.two_stages.runtimes:OnnxTwoStages",
            stages_apart="recpress_edge.device.two_stages.onnx_apart:OnnxApart",
            trace="recpress_export.networks.to_onnx:onnx_network",
            trace_int8="recpress_export.networks.to_onnx:int8_dynamic",
            trace_packages=("torch", "onnxscript"),
            trace_facts="recpress_export.onnx.network:TRACED",
            trace_extra="neural",
        ),
        Format(
            name="tflite",
            label="TFLite",
            suffix="-tflite",
            recipes=tuple(RECIPES),
            # Each 128 more cost 1.5 us, 4 % of a request at dim 20 (XNNPACK).
            seen_capacity=128,
            index_type="int32",
            extra="tflite",
            device_packages=("ai-edge-litert",),
            device_modules=("ai_edge_litert", "tflite_runtime"),
            made_by=("numpy", "ai-edge-litert", "flatbuffers"),
            delegates=("xnnpack",),
            writer="recpress_export.tflite.writer:to_tflite",
            check="recpress_edge.device.tflite_check:check_tflite",
            runtime="recpress_edge.device.litert:LiteRT",
            load_library="recpress_edge.device.litert:import_litert",
            tables="recpress_edge.device.tables:tables_of_tflite",
            listing="recpress_export.inspect:read_tflite",
            same="operator:eq",
            click_recipes=("fp32", "int8"),  # nothing is computed once, when a file is opened
            click_writer="recpress_export.clicks.tflite_graph:clicks_tflite",
            click_runtime="recpress_edge.device.clicks.litert:LiteRTClicks",
            click_tables="recpress_edge.device.tflite_file:tflite_constants",
            stages_writer="recpress_export.two_stages.tflite_graph:two_stages_tflite",
            stages_runtime="recpress_edge.device.two_stages.litert:LiteRTStages",
            stages_apart="recpress_edge.device.two_stages.litert:LiteRTApart",
            trace="recpress_export.networks.to_litert:tflite_network",
            trace_int8="recpress_export.networks.to_litert:int8_dynamic",
            trace_packages=("torch", "ai-edge-quantizer", "litert-torch"),
            trace_extra="litert",
            trace_advice="some 1.3 GB, for x86-64 Linux only (litert-converter has no aarch64 wheel), "
            "best in an environment of its own. Or write ONNX: --format onnx",
        ),
        _C,
        # The same model, with an engine for browsers and a page beside it.
        replace(
            _C,
            name="web",
            label="web",
            suffix="-web",
            model_of="c",
            made_by=("numpy", "ziglang"),
            files="recpress_export.web.files:web_files",
            lean_files=("recpress.js", "recpress*.wasm"),  # the page is the demonstration
            options=("order",),
            hint="",
            tried_by="",
            shown_by="recpress-edge web",
        ),
    )
)
DEFAULT: Final = next(iter(FORMATS))
"""The format of an export that names none."""
OF_GRAPHS: Final = ("onnx", "tflite")
"""Whose files are graphs of operators; the others hold tables that an engine of ours reads."""
MODEL_FORMATS: Final = tuple(name for name, row in FORMATS.items() if not row.model_of)
"""Those that have a model file of their own."""


def format_named(name: str) -> Format:
    """The row of a format; ConfigError with a suggestion for an unknown name."""
    if name not in FORMATS:
        installed = named(_INSTALLED)(group=ENTRY_POINTS).names
        raise unknown_name("format", name, list({*FORMATS, *installed}))
    return FORMATS[name]


def model_file(file_format: str) -> str:
    """Name of the model file in a bundle."""
    own = FORMATS[file_format].model_name if file_format in FORMATS else ""
    return own or f"model.{file_format}"


def format_of_file(name: str) -> Format | None:
    """The row of a model file by the end of its name; None for any other file."""
    end = name.rpartition(".")[2]
    if end in FORMATS and not FORMATS[end].model_name:
        return FORMATS[end]
    return next((row for row in FORMATS.values() if row.model_name.rpartition(".")[2] == end), None)


def writer_of(file_format: str) -> Callable[[Any, Mapping[str, str]], bytes]:
    """The writer of a format; ImportError where what it needs is not installed."""
    writer: Callable[[Any, Mapping[str, str]], bytes] = named(FORMATS[file_format].writer)
    return writer


def files_of(file_format: str) -> Callable[..., Mapping[str, bytes]] | None:
    """What makes a bundle's further files; None where a format has none, ImportError as ``writer_of``."""
    row = FORMATS[file_format]
    return named(row.files) if row.files else None


def formats_of(recipe: Recipe) -> list[str]:
    """The formats that can honour a recipe."""
    return [row.name for row in FORMATS.values() if recipe.name in row.recipes]


def check_recipe(recipe: Recipe, file_format: str) -> None:
    """ConfigError for an unknown format, or for a recipe that it cannot honour: then it names what can."""
    row = format_named(file_format)
    if recipe.name not in row.recipes:
        raise ConfigError(
            f"format {file_format} cannot honour recipe {recipe.name}. "
            f"{recipe.name} is available as {' or '.join(formats_of(recipe)) or 'nothing'}; "
            f"{file_format} takes {', '.join(row.recipes)}."
        )
