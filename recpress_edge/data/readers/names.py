"""What a column's name says, and whether a first line is one of names."""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Final

ROLES: Final = ("user", "item", "rating", "time")

HEADER_NAMES: Final[Mapping[str, frozenset[str]]] = {
    # compared in lower case without '_', '-' and spaces: userId, user_id and 'User ID' are one
    "user": frozenset({"user", "userid", "uid", "customer", "customerid", "reviewerid", "visitorid"}),
    "item": frozenset(
        {"item", "itemid", "iid", "movie", "movieid", "product", "productid", "asin", "bookid", "artistid"}
        | {"trackid", "songid", "articleid", "venueid", "locationid", "poiid", "parentasin", "isbn"}
        | {"businessid", "recipeid", "gameid", "beerid", "videoid", "newsid", "hotelid"}
    ),
    "rating": frozenset({"rating", "score", "stars", "overall"}),
    "time": frozenset({"timestamp", "time", "unixtime", "unixreviewtime", "ts", "timems"}),
}
DATE_NAMES: Final = frozenset(
    {
        "date",
        "datetime",
        "createdat",
        "datecreated",
        "dateadded",
        "addedat",
        "eventtime",
        "eventdate",
    }
)
"""Names of a time where no column has one of the HEADER_NAMES for it."""

_NAMING: Final = (
    "user users userid uid customer member client reviewer visitor session sessionid buyer account "
    "reader listener person item items itemid iid product movie book song track artist article video venue "
    "location business recipe game sku asin isbn poi news channel title name id ids rating ratings score "
    "stars label click clicks count counts plays weight value time timestamp date datetime ts event "
    "action behavior type category price quantity review text film films benutzer nutzer kunde kunden "
    "artikel produkt titel bewertung datum zeit utilisateur produit livre usuario usuário cliente "
    "producto produto película pelicula filme libro livro utente prodotto gebruiker klant boek användare "
    "bruger käyttäjä użytkownik uživatel kullanıcı пользователь пользователи клиент товар фильм книга "
    "оценка дата время 用户 用戶 商品 电影 電影 书籍 评分 时间 ユーザー 映画 사용자 상품 영화"
)
_WORDS: Final = frozenset(_NAMING.split())
"""Words that columns are named by, in any of their parts."""
_TYPES: Final = (
    "string str varchar char text object token int integer bigint int32 int64 long uint32 uint64 float "
    "float32 float64 double numeric number uuid categorical"
)
TYPES: Final = frozenset((*_TYPES.split(), *_TYPES.upper().split(), *_TYPES.title().split()))
"""Words that a line of types under the header holds."""

_IGNORED: Final = re.compile("[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180d\ufe00-\ufe0f]")
"""Characters that Unicode lets go unseen and that are no format characters, such as variation selectors."""
_SIMPLE: Final = re.compile(r"(?:[A-Za-z0-9_-]{1,256}\n)*")
_FEWEST_LINES: Final = 4
_MOST: Final = 0.9


def visible(text: str) -> str:
    """Text in one Unicode form (NFKC), without invisible characters, and with single blanks inside only."""
    form = _IGNORED.sub("", unicodedata.normalize("NFKC", text))
    kept = (c for c in form if c.isspace() or unicodedata.category(c) not in ("Cf", "Cc"))
    return " ".join("".join(kept).split())


def are_simple(texts: Sequence[str]) -> bool:
    """Whether each is 1 to 256 letters and digits of ASCII, '_' and '-', in one pass over them: such a text
    shows all that it holds.
    """
    joined = "\n".join((*texts, ""))
    return _SIMPLE.fullmatch(joined) is not None and joined.count("\n") == len(texts)


def plain(name: str) -> str:
    """A name as it is compared: 'User ID' and user_id are 'userid'."""
    return re.sub(r"[\W_]+", "", visible(name).lower())


def known_places(names: Sequence[str]) -> dict[str, list[int]]:
    """Role to the places of all columns with a name that is known for it."""
    compared = [plain(name) for name in names]
    places = {
        role: [at for at, name in enumerate(compared) if name in known]
        for role, known in HEADER_NAMES.items()
    }
    if not places["time"]:
        places["time"] = [at for at, name in enumerate(compared) if name in DATE_NAMES]
    return places


def looks_like_names(first: Sequence[str], body: Sequence[Sequence[str]]) -> bool:
    """Whether a first line that names no known user and item is a header all the same.

    It is where one of its fields is text above numbers, or made of words that columns are named by and
    unlike the fields below, or where all of its fields are unlike what is below.
    """
    if not body:
        return any(known_places(first).values())
    columns = [[row[at] for row in body if at < len(row)] for at in range(len(first))]
    texts = [
        not _is_number(name) and bool(column) and all(map(_is_number, column))
        for name, column in zip(first, columns, strict=True)
    ]
    unlike = [_is_unlike(name, column) for name, column in zip(first, columns, strict=True)]
    words = [_has_words(name) and odd for name, odd in zip(first, unlike, strict=True)]
    even = len(body) >= _FEWEST_LINES and all(
        odd and _is_even(column) for odd, column in zip(unlike, columns, strict=True)
    )
    return any(texts) or any(words) or even


def shape(text: str) -> str:
    """A field with its digits and letters counted as one each: 'u12' is 'a0', 'User_7' is 'a_0'."""
    return re.sub(r"[^\W\d_]+", "a", re.sub(r"\d+", "0", text.strip()))


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _is_unlike(name: str, column: Sequence[str]) -> bool:
    """Not one of the values below it, nor of the shape of one, where these have digits."""
    if not name.strip() or _is_number(name) or name in column:
        return False
    found = shape(name)
    return not any(shape(value) == found for value in column) or (
        _has_words(name) and not any(map(_has_words, column))
    )


def _is_even(column: Sequence[str]) -> bool:
    shapes = [shape(value) for value in column]
    return max(shapes.count(found) for found in set(shapes)) >= _MOST * len(shapes)


def _has_words(name: str) -> bool:
    parts = re.findall(r"[^\W\d_]+", re.sub(r"([a-z])([A-Z])", r"\1 \2", name).lower())
    return any(part in _WORDS for part in parts) and len(parts) <= 4
