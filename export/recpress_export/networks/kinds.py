"""The table of network kinds: one row says all that depends on one; code is named as ``module:attribute``.

Nothing that a row names is imported before it is used, so that only what traces a network loads torch.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from recpress_edge.artifacts.contract import ALL_USERS, HISTORY
from recpress_edge.artifacts.formats import DEFAULT, OF_GRAPHS

Shapes = Mapping[str, tuple[str, ...]]
"""Parameters by name; the same letter stands for the same length in all of them.

U users, I items, L tokens of a history, the start token included.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkKind:
    """A kind of network."""

    profile: str
    """Whose vectors its file holds."""
    shapes: Shapes = field(default_factory=dict)
    layer_shapes: Shapes = field(default_factory=dict)
    """Of each transformer layer n, under ``layers.n.``."""
    tokens: bool = True
    """Whether one that reads histories reads tokens, of which the first is no item."""
    parts: str = ""
    """``(architecture) -> Shapes``: of the parameters that depend on it."""
    check: str = ""
    """``(architecture, lengths) -> None``: ConfigError where it does not fit its parameters."""
    attention: bool = False
    """Whether ``heads`` of its architecture must divide d."""
    read: str = "recpress_export.networks.student:read_parameters"
    """``(folder) -> NetworkModel``"""
    reference: str = ""
    """``(NetworkModel) -> Reference``: what it answers, by other code than the file's."""
    truth: str = "numpy float64"
    """What the reference is called."""
    module: str = ""
    """``(NetworkStudent, rows | None) -> Traceable``: with ``rows`` of fixed shapes."""
    network: str = ""
    """``(NetworkModel) -> bytes``: the float32 network of one that no format has to trace."""
    formats: tuple[str, ...] = ()
    """What its files may be; empty: every format."""
    why_formats: str = ""
    """Why no other."""
    tables: str = ""
    """``(StudentData) -> Subject`` of one whose file is one of tables, in their recipes; empty: traced."""
    ordered: bool = True
    """Whether one that reads histories reads them in their order."""


_TRANSFORMER: Final[Shapes] = {
    "item_emb": ("I + 1", "d"),
    "position_emb": ("L", "d"),
    "final_gain": ("d",),
    "final_shift": ("d",),
}
_LAYER: Final[Shapes] = {
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
}
_OUTSIDE: Final = NetworkKind(
    profile=HISTORY,
    tokens=False,
    read="recpress_export.networks.outside:read_outside",
    reference="recpress_export.networks.outside:outside_reference",
    truth="the network as it was given",
    network="recpress_export.networks.wrap:wrapped",
    formats=(DEFAULT,),
    why_formats="it was brought as onnx, and there is no torch module to convert",
)
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
        shapes=_TRANSFORMER,
        layer_shapes=_LAYER,
        attention=True,
        reference="recpress_export.networks.transformer:sasrec_reference",
        module="recpress_export.networks.modules:sasrec_module",
    ),
    "bert4rec": NetworkKind(
        profile=HISTORY,
        shapes={
            **_TRANSFORMER,
            "head_weight": ("d", "d"),
            "head_bias": ("d",),
            "head_gain": ("d",),
            "head_shift": ("d",),
            "item_bias": ("I",),
        },
        layer_shapes=_LAYER,
        attention=True,
        reference="recpress_export.networks.transformer:bert4rec_reference",
        module="recpress_export.networks.modules:bert4rec_module",
    ),
    "lrh": NetworkKind(
        profile=HISTORY,
        shapes={
            "item_emb": ("I", "d"),
            "history_emb": ("I", "d"),
            "prior": ("d",),
            "decay": ("d",),
        },
        tokens=False,
        tables="recpress_export.subjects.recurrent:RecurrentHistory",
    ),
    "ae": NetworkKind(
        profile=HISTORY,
        shapes={
            "item_emb": ("I", "d"),
            "item_bias": ("I",),
            "history_emb": ("I", "d"),
            "prior": ("d",),
        },
        tokens=False,
        tables="recpress_export.subjects.autoencoder:TanhHistory",
        ordered=False,
        formats=OF_GRAPHS,
        why_formats="model.bin, which the C engine and the web page read, holds no tanh",
    ),
    "adarec": NetworkKind(
        profile=HISTORY,
        shapes={name: shape for name, shape in _TRANSFORMER.items() if name != "position_emb"},
        parts="recpress_export.networks.cells:cell_shapes",
        check="recpress_export.networks.cells:check_cell",
        reference="recpress_export.networks.cells:adarec_reference",
        module="recpress_export.networks.cell_modules:adarec_module",
    ),
    "onnx-history": _OUTSIDE,
    "onnx-user": replace(_OUTSIDE, profile=ALL_USERS),
}
