"""What a traced network needs in our own TFLite file: the tokens it reads, at a fixed shape."""

from typing import Any

import numpy as np

from recpress_export.flatbuffer import FlatModel


def add_tokens(model: FlatModel, seen: int, n_items: int, length: int) -> int:
    """Operators from ``seen``, with n_items in unused places, to tokens (1, length): see graph.ReadTokens."""
    items = length - 1

    def op(name: str, inputs: list[int], shape: list[int], dtype: Any = np.int32, **options: Any) -> int:
        output = model.tensor(
            f"tokens_{name.lower()}_{len(inputs)}", shape, dtype, any_length=options.pop("any", None)
        )
        model.operator(name, inputs, [output], **options)
        return output

    # The item before the first unused place is the last one consumed.
    n_unused = model.constant("no_item", np.array(n_items, np.int32))
    used = op(
        "CAST", [op("LESS", [seen, n_unused], [1], np.bool_, any=0)], [1], any=0, inDataType=6, outDataType=2
    )
    axis = model.constant("seen_axis", np.array([0], np.int32))
    count = op("SUM", [used, axis], [1], keepDims=True)
    excess = op("SUB", [count, model.constant("readable", np.array([items], np.int32))], [1])
    start = op("MAXIMUM", [excess, model.constant("none", np.array([0], np.int32))], [1])
    places = op("ADD", [start, model.constant("places_read", np.arange(items, dtype=np.int32))], [items])
    filler = model.constant("no_items", np.full(items, n_items, np.int32))
    padded = op("CONCATENATION", [seen, filler], [items + 1], any=0, axis=0)
    read = op("GATHER", [padded, places], [items])
    first = model.constant("start_token", np.array([n_items], np.int32))
    tokens = op("CONCATENATION", [first, read], [length], axis=0)
    return op(
        "RESHAPE",
        [tokens, model.constant("token_shape", np.array([1, length], np.int32))],
        [1, length],
        newShape=[1, length],
    )
