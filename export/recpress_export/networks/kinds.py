"""The table of network kinds: one row says all that depends on one; code is named as ``module:attribute``.

Nothing that a row names is imported before it is used, so that only what traces a network loads torch.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from recpress_edge.artifacts.contract import ALL_USERS, HISTORY

Shapes = Mapping[str, tuple[str, ...]]
"""Parameters by name; the same letter stands for the same length in all of them.

U users, I items, L tokens of a history, the start token included.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkKind:
    """A kind of network."""

    profile: str
    """Whose vectors its file holds."""
    shapes: Shapes
    layer_shapes: Shapes = field(default_factory=dict)
    """Of each transformer layer n, under ``layers.n.``."""
    attention: bool = False
    """Whether ``heads`` of its architecture must divide d."""
    reference: str
    """``(NetworkStudent) -> Reference``: the answer in numpy and float64, without any folding."""
    module: str
    """``(NetworkStudent, rows | None) -> Traceable``: with ``rows`` of fixed shapes."""


KINDS: Final[Mapping[str, NetworkKind]] = {
    "neumf": NetworkKind(
        profile=ALL_USERS,
        shapes={
            "user_gmf": ("U", "d"),
            "item_gmf": ("I", "d"),
            "user_mlp": ("U", "h"),
            "item_mlp": ("I", "h"),
            "hidden1_weight": ("h", "2h"),
            "hidden1_bias": ("h",),
            "hidden2_weight": ("d", "h"),
            "hidden2_bias": ("d",),
            "output_weight": ("h",),
            "output_bias": ("1",),
        },
        reference="recpress_export.networks.neumf:neumf_reference",
        module="recpress_export.networks.modules:neumf_module",
    ),
    "sasrec": NetworkKind(
        profile=HISTORY,
        shapes={
            "item_emb": ("I + 1", "d"),
            "position_emb": ("L", "d"),
            "final_gain": ("d",),
            "final_shift": ("d",),
        },
        layer_shapes={
            "qkv_weight": ("3d", "d"),
            "qkv_bias": ("3d",),
            "mix_weight": ("d", "d"),
            "mix_bias": ("d",),
            "up_weight": ("w", "d"),
            "up_bias": ("w",),
            "down_weight": ("d", "w"),
            "down_bias": ("d",),
            "attention_gain": ("d",),
            "attention_shift": ("d",),
            "forward_gain": ("d",),
            "forward_shift": ("d",),
        },
        attention=True,
        reference="recpress_export.networks.sasrec:sasrec_reference",
        module="recpress_export.networks.modules:sasrec_module",
    ),
}
