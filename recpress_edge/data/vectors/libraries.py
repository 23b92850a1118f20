"""Files of other libraries, recognised by what they hold: the arrays of users, items, biases and ids."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final

from recpress_edge.core.errors import ConfigError, DataError
from recpress_edge.core.files import check_there
from recpress_edge.data.vectors.arrays import WORDS, array_named, array_names
from recpress_edge.data.vectors.sides import Vectors
from recpress_edge.data.vectors.torch_file import Called, read_torch_file
from recpress_edge.data.vectors.words import read_words

FLAG: Final = "--from"
_IDS: Final = ("user_ids", "item_ids")
"""Arrays of ids that any of the files may hold."""


@dataclass(frozen=True, slots=True)
class LibraryLayout:
    """One library's names for what an .npz or .safetensors holds."""

    library: str
    users: str
    items: str
    biases: tuple[str, str] | None = None
    """Of users and of items."""
    skipped: tuple[str, ...] = ()
    """Settings that may be objects of Python, which are never opened."""

    @property
    def arrays(self) -> set[str]:
        """What must be there."""
        return {self.users, self.items, *(self.biases or ())}


LAYOUTS: Final = (
    LibraryLayout("implicit", "user_factors", "item_factors", skipped=("random_state",)),
    LibraryLayout("LightFM", "user_embeddings", "item_embeddings", ("user_biases", "item_biases")),
    LibraryLayout("LensKit", "user_embeddings", "item_embeddings"),
)
_WEIGHTS: Final = ("state_dict.user_embedding.weight", "state_dict.item_embedding.weight")
_PROPAGATED: Final = ("other_parameter.restore_user_e", "other_parameter.restore_item_e")
RECBOLE: Final[Mapping[str, tuple[str, str]]] = MappingProxyType(
    {
        "BPR": _WEIGHTS,
        **dict.fromkeys(("LightGCN", "NGCF", "SpectralCF"), _PROPAGATED),
    }
)
"""RecBole's models whose score is a product of two stored tables, and the tensors that are these tables.

A graph model's weights are not what it ranks by: that is kept beside them, once it was evaluated.
"""


@dataclass(frozen=True, slots=True, eq=False)
class Foreign:
    """What a library's file holds."""

    library: str
    items: Vectors
    users: Vectors | None
    """None where a user is what the user consumed."""
    arrays: tuple[str, ...]
    """The names that were taken."""
    cosine: bool = False


def recognised(path: Path) -> Foreign:
    """Users and items of a library's file; ConfigError names what it holds where no library is recognised."""
    check_there(path)
    if path.suffix in WORDS:
        ids, rows = read_words(path, FLAG)
        return Foreign(
            "gensim KeyedVectors", Vectors(rows, ids, None, f"{FLAG} {path}"), None, (), cosine=True
        )
    if path.suffix in (".pth", ".pt"):
        return _recbole(path)
    if path.suffix not in (".npz", ".safetensors"):
        raise ConfigError(
            f"{FLAG} {path}: files of other libraries are .npz, .safetensors, .pth or word2vec's "
            f"{', '.join(WORDS)}. Anything else: --users FILE --items FILE"
        )
    names = array_names(path, FLAG)
    layout = next((one for one in LAYOUTS if one.arrays <= set(names)), None)
    if layout is None:
        known = "; ".join(f"{one.library}: {', '.join(sorted(one.arrays))}" for one in LAYOUTS)
        raise ConfigError(
            f"{FLAG} {path} holds {', '.join(names)}, which are no library's names ({known}). Say which they "
            f"are: --users {path}:NAME --items {path}:NAME"
        )
    _refuse_unused(path, names, layout)
    return _laid_out(path, names, layout)


def _refuse_unused(path: Path, names: Sequence[str], layout: LibraryLayout) -> None:
    """A bias that nothing adds would be a wrong score; a library's settings are single numbers."""
    for name in names:
        if name not in {*layout.arrays, *layout.skipped, *_IDS} and array_named(path, name, FLAG).ndim:
            raise ConfigError(
                f"{FLAG} {path} is laid out as {layout.library} does, but holds {name} too. Say what each "
                f"array is: --users {path}:{layout.users} --items {path}:{layout.items}, and --user-bias, "
                f"--item-bias, --user-ids, --item-ids where {name} is one of them."
            )


def _laid_out(path: Path, names: Sequence[str], layout: LibraryLayout) -> Foreign:
    def side(table: str, bias: str | None, ids: str) -> Vectors:
        rows, named, biases = (
            array_named(path, name, FLAG) if name in names else None for name in (table, ids, bias or "")
        )
        return Vectors(rows, named, biases, f"{FLAG} {path}:{table}")

    biases = layout.biases or (None, None)
    users, items = side(layout.users, biases[0], _IDS[0]), side(layout.items, biases[1], _IDS[1])
    return Foreign(layout.library, items, users, (layout.users, layout.items, *(layout.biases or ())))


def _recbole(path: Path) -> Foreign:
    found = read_torch_file(path)
    config = found.root.get("config") if isinstance(found.root, dict) else None
    state = config.state if isinstance(config, Called) and isinstance(config.state, dict) else {}
    settings = state.get("final_config_dict")
    model = settings.get("model") if isinstance(settings, dict) else None
    if not isinstance(model, str):
        raise ConfigError(
            f"{FLAG} {path} is no checkpoint of RecBole. Say which tensors are the vectors: "
            f"--users {path}:NAME --items {path}:NAME. Its names: {', '.join(found.names())}."
        )
    if model not in RECBOLE:
        raise ConfigError(
            f"{FLAG} {path} holds RecBole's {model}, whose score is not known to be the product of two "
            f"stored tables (of these it is: {', '.join(RECBOLE)}). If it is: --users {path}:NAME --items "
            f"{path}:NAME, of {', '.join(found.names())}."
        )
    names = RECBOLE[model]
    if not set(names) <= set(found.names()):
        raise DataError(
            f"{FLAG} {path} holds no {' and '.join(names)}: {model} was saved before it was evaluated. "
            "Evaluate it once and save it again."
        )
    users, items = (Vectors(found.tensor(name), None, None, f"{FLAG} {path}:{name}") for name in names)
    return Foreign(f"RecBole {model}", items, users, names)
