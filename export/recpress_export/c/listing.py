"""What a model.bin holds, for ``inspect``."""

from pathlib import Path

from recpress_edge.core.errors import ArtifactError
from recpress_edge.device.c import model_bin
from recpress_edge.device.c.model_bin import BLOCK, Header
from recpress_export.c.writer import LAYOUT_KEY, ORDER_KEY
from recpress_export.inspect import Contents, TensorFacts


def read_bin(path: Path, data: bytes) -> Contents:
    """The sections of a model.bin; its metadata are the order and the layout of its items."""
    try:
        header = model_bin.read_header(data)
        model_bin.check_c(memoryview(data))
    except ValueError as error:
        raise ArtifactError(f"{path} is not a readable model.bin: {error}") from None
    words = model_bin.codes(header)
    sizes = model_bin.section_bytes(header)
    tensors = tuple(
        TensorFacts(name.removesuffix("_at"), dtype, shape, sizes[name])
        for name, (dtype, shape) in _shapes(header).items()
        if sizes[name]
    )
    metadata = {"recpress.recipe": words["recipe"], "recpress.profile": words["profile"]}
    metadata |= {ORDER_KEY: words["order"], LAYOUT_KEY: words["layout"]}
    return Contents("C engine", f"version {header.version}", len(data), tensors, metadata=metadata)


def _shapes(header: Header) -> dict[str, tuple[str, tuple[int, ...]]]:
    number = "float32" if header.recipe == model_bin.FP32 else "int8"
    blocks = (header.n_blocks, BLOCK, header.dim)
    kind = {model_bin.FP32: "float32", model_bin.INT4_ITEM: "int4 and float16"}
    kind[model_bin.INT8_ITEM] = "int8 and float16"
    bounds = {model_bin.NEIGHBOURS: ("int8", (2 * header.n_blocks, 2 * header.dim))}
    return {
        "user_at": (number, (header.n_users, header.dim)),
        "user_scale_at": ("float32", (header.n_users,)),
        "items_at": (kind.get(header.recipe, "int8"), blocks),
        "bounds_at": bounds.get(header.order, ("uint16", (header.n_blocks,))),
        "item_of_at": ("uint32", (header.n_items,)),
        "retired_at": ("uint32", (header.n_retired,)),
        "history_at": (number, (header.n_items, header.dim)),
        "prior_at": (number, (header.dim,)),
        "ages_at": (number, (header.history_length, header.dim)),
    }
