"""The tables of docs/data.md, from the table of public sets."""

from result_tables import table

from recpress_edge.data.public.kinds import PublicFile, PublicSet
from recpress_edge.data.public.table import PUBLIC_SETS


def sets() -> str:
    """Each set: what it is, how it is split, where it comes from, which pages use it."""
    rows = [
        [f"`{name}`", one.about, f"`{one.how.split}`", _how(name, one), one.published, _pages(one)]
        for name, one in PUBLIC_SETS.items()
    ]
    headers = "name", "what", "split", "how to have it", "published at", "used on"
    return table(headers, rows)


def files() -> str:
    """Each file that the data folder may hold, and its SHA-256."""
    found: dict[PublicFile, list[str]] = {}
    for name, one in PUBLIC_SETS.items():
        for file in dict.fromkeys((*one.every_file(), *one.sources())):
            found.setdefault(file, []).append(name)
    rows = [
        [
            f"`{file.path}`",
            ", ".join(f"`{name}`" for name in names),
            _lines(file, PUBLIC_SETS[names[-1]]),
            _digest(file),
        ]
        for file, names in found.items()
    ]
    return table(("file", "set", "each line", "SHA-256"), rows)


def _how(name: str, one: PublicSet) -> str:
    return f"`data fetch {name}`" if one.fetchable() else "a copy in the folder"


def _pages(one: PublicSet) -> str:
    return ", ".join(f"[{page.rpartition('/')[2].removesuffix('.md')}]({page})" for page in one.used)


def _lines(file: PublicFile, one: PublicSet) -> str:
    if file.member:
        return f"the archive; `{file.member}` is read"
    return one.lines if file in one.every_file() else "as published; the other files are made from it"


def _digest(file: PublicFile) -> str:
    return f"`{file.digest.removeprefix('sha256:')}`"
