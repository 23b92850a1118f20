"""Kinds of fault that logs from the field have had: for each the case that was met, and others of its kind.

The first case of a kind is that of the field, in small; a test wants three others at least. Each is read
right, or refused with what to say.
"""

import bz2
import gzip
import io
import json
import lzma
import tarfile
import zipfile
from collections.abc import Set
from dataclasses import dataclass
from typing import Final

from zoo import CHOICE, COLUMNS, events, lines, stars

ROWS: Final = events("u{}", "i{}", rated=stars)
PAIRS: Final = frozenset((row.user, row.item) for row in ROWS)
HEAD: Final = "user_id,item_id"


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A file and what is right for it."""

    kind: str
    content: bytes
    flags: tuple[str, ...] = ()
    name: str = "log.csv"
    pairs: Set[tuple[str, str]] | None = None
    """What is read; None where the file must be refused."""
    asks: str = ""
    """A pattern of the error; with ``pairs`` too, either is right."""
    says: str = ""
    """A pattern of the notes where it is read."""
    waits: str = ""
    """What the reader lacks to do this."""


def plain(form: str, head: str = "") -> bytes:
    """A line for each of ROWS."""
    return lines(ROWS, form, head)


def _read(kind: str, *contents: bytes | str, **how: object) -> list[Case]:
    return [
        Case(kind=kind, content=one.encode() if isinstance(one, str) else one, **({"pairs": PAIRS} | how))  # type: ignore[arg-type]
        for one in contents
    ]


def _asked(kind: str, asks: str, *contents: bytes | str, **how: object) -> list[Case]:
    return _read(kind, *contents, **({"asks": asks, "pairs": None} | how))


def titled(form: str) -> frozenset[tuple[str, str]]:
    """PAIRS with the item in a longer form."""
    return frozenset((user, form.format(i=item)) for user, item in PAIRS)


CSV: Final = plain("{u},{i}", HEAD)
BARE: Final = plain("{u},{i}")
TEXT: Final = CSV.decode()


def _json(**more: object) -> str:
    return "".join(
        json.dumps({"user_id": user, "item_id": item} | more) + "\n" for user, item in sorted(PAIRS)
    )


def _zip(*members: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file:
        for member in members:
            file.writestr(member, CSV)
    return buffer.getvalue()


def _tar() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as file:
        info = tarfile.TarInfo("log.csv")
        info.size = len(CSV)
        file.addfile(info, io.BytesIO(CSV))
    return buffer.getvalue()


_HEADERS: Final = ("Benutzer,Film", "usuario,película", "пользователь,фильм", "ユーザー,映画")
TEXTS: Final = (
    # separator
    *_read("separator", plain("{u};Item {i}"), pairs=titled("Item {i}")),
    *_read("separator", plain("{u}\tItem; {i}, a"), pairs=titled("Item; {i}, a")),
    *_read("separator", plain("{u}::Item: {i}::{r}::{t}"), pairs=titled("Item: {i}")),
    *_read("separator", plain("{u}|Item, {i}|{r}"), pairs=titled("Item, {i}"), asks="--separator"),
    *_read("separator", plain("{u};{i};4,5"), asks="--separator"),
    *_read("separator", plain("{u}||{i}||{r}"), asks=COLUMNS),
    *_asked("separator", "format|no tab", plain("{u}\x01{i}"), plain("{u}^{i}")),
    # separator-refused
    *_read("separator-refused", plain('"{u}";"{i}";"{r}"', '"User-ID";"ISBN";"Book-Rating"')),
    *_read("separator-refused", plain("{u};{i}", "user;item"), flags=("--separator", ";")),
    *_read("separator-refused", plain("{u}|{i}", "user|item"), flags=("--separator", "pipe")),
    *_read("separator-refused", b"sep=;\n" + plain("{u};{i}", "user;item")),
    *_read(
        "separator-refused", plain('{u} "the {i}"'), flags=("--separator", "space"), pairs=titled("the {i}")
    ),
    *_asked("separator-refused", "--separator", CSV, flags=("--separator", ";")),
    # header-as-row
    *_read("header-as-row", plain("{u},{i}", "user_id,business_id")),
    *_read("header-as-row", b"\n" + plain("{u},{i}", "User Id,Movie-ID")),
    *_asked("header-as-row", "--header", plain("{u},{i}", "account,sku"), plain("{u};{i}", "Kunde;Artikel")),
    *_asked("header-as-row", "--header", plain("{u},{i}", "\u7528\u6237,\u5546\u54c1")),
    *_asked("header-as-row", "--header", plain('"{u}","{i}"', '"customer name","dish"')),
    *_asked("header-as-row", COLUMNS, plain("{u},{i},{r}", "USER,FILM,SCORE")),
    *_asked("header-as-row", "header among the rows", CSV + CSV),
    *_asked("header-as-row", "--header", *(f"{head}\nanna,Alien\nbob,Heat\n" for head in _HEADERS)),
    *_asked("header-as-row", "line 2: a header", plain("{u},{i}", HEAD + "\nvarchar,varchar")),
    *_read(
        "header-as-row",
        "Gast,Gericht\nanna,Pilze\nbert,Nudeln\nanna,Nudeln\nanna,Reis\n",
        pairs={
            ("Gast", "Gericht"),
            ("anna", "Pilze"),
            ("bert", "Nudeln"),
            ("anna", "Nudeln"),
            ("anna", "Reis"),
        },
        says="if it names the columns: --header yes",
    ),
    *_asked("header-as-row", "above it", "Our shop 2020\nAll rights reserved\n" + BARE.decode()),
    # column-guess
    *_asked("column-guess", COLUMNS, plain("7{n},2023-11-16T20:03:57.000Z,21{n},0"), name="clicks.dat"),
    *_asked("column-guess", COLUMNS, plain("7{n},{t}000,21{n},0"), plain("{t},{u},{i}")),
    *_asked("column-guess", COLUMNS, plain("B00{n}XZ,A2IBPI{n}U,{r}.0,{t}"), plain("{i},{u},{r}")),
    *_asked("column-guess", COLUMNS, plain("{u},{i},{t},{r}"), plain("{n},{u},{i}")),
    *_asked("column-guess", COLUMNS, plain("{u},{r},1064{n}"), plain("{u},{i},a word")),
    *_asked("column-guess", "--item", plain("{u},A{n}", HEAD), plain("{u},A{n},{r}", HEAD + ",rating")),
    *_asked("column-guess", "--user", plain("A{n},{i}", HEAD), flags=("--split", "ratio:60/20/20")),
    *_read(
        "column-guess",
        "".join(f"u{n % 4},A{n}\n" for n in range(20)),
        flags=("--columns", "user=1,item=2"),
        pairs={(f"u{n % 4}", f"A{n}") for n in range(20)},
    ),
    *_asked("column-guess", "user=1,item=2;", plain("{u},{i},{r},"), plain("{u},{i},1,0")),
    *_asked("column-guess", "user=2,item=3", "".join(f"{n + 5},{n % 4},{n % 3},1\n" for n in range(20))),
    *_asked("column-guess", "user=user,item=2,rating", plain("{u},{i},{r}", "user,,rating")),
    # two-candidates
    *_asked("two-candidates", "may be the user", plain("{n},{u},{i},{r}", "uid,user,item,rating")),
    *_asked("two-candidates", "may be the user", plain("{u},{u},{i}", "user,user,item")),
    *_asked("two-candidates", "may be the item", plain("{u},{i},P{n}", "user_id,asin,parent_asin")),
    *_asked("two-candidates", "may be the time", plain("{u},{i},{t},{n}", "user,item,timestamp,time")),
    *_asked("two-candidates", "may be the user", _json(user="x"), name="log.jsonl"),
    *_read(
        "two-candidates",
        plain("{n},{u},{i}", "uid,user,item"),
        flags=("--columns", "user=user,item=item"),
    ),
    # json-lines
    *_read("json-lines", _json(), _json(tags=["a", {"b": 1}]), "\ufeff" + _json(), name="log.jsonl"),
    *_read("json-lines", _json().replace("\n", "\r\n\r\n"), name="log.jsonl"),
    *_read("json-lines", json.dumps([json.loads(line) for line in _json().splitlines()]), name="log.json"),
    *_read("json-lines", json.dumps([json.loads(line) for line in _json().splitlines()], indent=2), name="x"),
    *_read("json-lines", _json().replace('"u', r'"\u0075'), name="log.jsonl"),
    *_asked("json-lines", "line 21", _json() + '{"user_id": "u1"\n', name="log.jsonl"),
    *_asked("json-lines", "line 21", _json() + '{"user_id": "u1"}\n', name="log.jsonl"),
    # json-refusal-unclear
    *_read(
        "json-refusal-unclear",
        "".join(f'{{"reviewerID": "{u}", "asin": "{i}", "helpful": [0, 0]}}\n' for u, i in sorted(PAIRS)),
        name="reviews.json",
    ),
    *_asked(
        "json-refusal-unclear", "JSON", '{"u1": ["i1", "i2"], "u2": ["i1"]}\n', '{"user": 1}, {"user": 2}\n'
    ),
    *_asked("json-refusal-unclear", "Python", plain("{{'user_id': '{u}', 'item_id': '{i}'}}")),
    *_asked("json-refusal-unclear", "JSON", "[\n" + _json() + "]\n", '[{"a": 1}, 2]\n'),
    *_asked("json-refusal-unclear", "list|JSON", plain('{{"user": {{"id": "{u}"}}, "item": "{i}"}}')),
    # quotes
    *_read("quotes", plain('"{u}"\t"{i}"', '"user_id"\t"item_id"'), plain('"{u}"::"{i}"::{r}')),
    *_read("quotes", plain('"{u}" "{i}" {r}', '"user" "item" "rating"'), plain('"{u}"|"{i}"|"{r}"')),
    *_read("quotes", plain('{u}\t{i}\t7" single', "user\titem\tkind"), plain('"{u}", "{i}"')),
    *_read("quotes", plain('"{u}","a ""{i}"""'), pairs=titled('a "{i}"')),
    *_asked("quotes", "--ids", plain("'{u}','{i}'"), plain("\u201c{u}\u201d,\u201c{i}\u201d")),
    # missing-as-word
    *_asked(
        "missing-as-word", "--missing", *(TEXT + f"{word},i1\n" for word in ("NULL", "nan", "None", r"\N"))
    ),
    *_asked("missing-as-word", "--missing", *(TEXT + f"u1,{word}\n" for word in ("N/A", "-", "undefined"))),
    *_read("missing-as-word", TEXT + "NULL,i1\nNULL,i2\n", flags=("--missing", "NULL"), says="header"),
    *_asked("missing-as-word", "line 21", _json() + '{"user_id": null, "item_id": "i1"}\n', name="log.jsonl"),
    *_asked("missing-as-word", "--missing=-1", plain("7{n},{i}", HEAD) + b"-1,i1\n-1,i2\n"),
    *_asked("missing-as-word", "--missing anonymous", TEXT + "anonymous,i1\n"),
    # line-ends
    *_read("line-ends", CSV.replace(b"\n", b"\r"), CSV.replace(b"\n", b"\r\n"), CSV[:-1]),
    *_read("line-ends", CSV.replace(b"\n", b"\r\n", 9), gzip.compress(CSV.replace(b"\n", b"\r"), mtime=0)),
    *_read("line-ends", CSV + b"\x1a", CSV.replace(b"\n", b"\n\n")),
    *_read("line-ends", plain("{u},{i}\u2028x"), pairs=titled("{i}\u2028x")),
    *_asked("line-ends", "line end|carriage|fields", TEXT + "u1,i\r9\n"),
    # csv-quoting
    *_read("csv-quoting", plain('{u},{i},"Great.\nCooked, on ""high"""', "user_id,recipe_id,review")),
    *_read("csv-quoting", plain('"two\nlines",{u},{i}', '"a\nb",user_id,item_id'), asks="--format"),
    *_read("csv-quoting", plain('{u},{i},"{n};\n\n,"', "user_id,item_id,text").replace(b"\n", b"\r\n")),
    *_read("csv-quoting", plain('{u};"{i}; the film"'), pairs=titled("{i}; the film")),
    *_asked("csv-quoting", "quote|closed", TEXT + 'u9,"i9\n', plain('{u},{i},"x', "user_id,item_id,text")),
    *_asked("csv-quoting", "line end", TEXT + 'u1,"i\n9"\n'),
    # comment-lines
    *_read("comment-lines", b"% bip weighted\n% 20 4 6\n" + plain("{u} {i} {r} {t}")),
    *_read("comment-lines", b"# Nodes: 3\n# From\tTo\n" + plain("{u}\t{i}"), plain("{u},{i}", "# user,item")),
    *_read("comment-lines", b"%% made by x\n\n" + plain("{u}\t{i}"), pairs=PAIRS, asks="line|--"),
    *_read("comment-lines", plain("{u},#{i}"), pairs=titled("#{i}")),
    *_read("comment-lines", BARE + b"# the end\n", asks="line 21"),
    # block-format
    *_asked(
        "block-format", "blocks", plain("product/productId: {i}\nreview/userId: {u}\nreview/score: 5.0\n")
    ),
    *_asked("block-format", "blocks", plain("- user: {u}\n  item: {i}"), plain("User: {u}\nItem: {i}\n")),
    *_asked("block-format", "libsvm", plain("1 7:1 {n}:1")),
    *_asked("block-format", "XML", plain("<row user='{u}' item='{i}'/>", "<rows>")),
    *_asked("block-format", "SQL", plain("INSERT INTO log VALUES ('{u}','{i}');")),
    *_asked("block-format", "ARFF", plain("{u},{i}", "@relation log\n@attribute user string\n@data")),
    *_asked("block-format", "MatrixMarket", plain("{n} 1 5", "%%MatrixMarket matrix coordinate\n20 1 20")),
    *_asked("block-format", "Git LFS", "version https://git-lfs.github.com/spec/v1\nsize 12\n"),
    # ambiguity
    *_read(
        "ambiguity",
        "".join(f"{user} {user * 7 % 5}\n" for user in range(1200)) + "7 3\n7 1\n",
        pairs={(str(user), str(user * 7 % 5)) for user in range(1200)} | {("7", "3"), ("7", "1")},
    ),
    *_asked("ambiguity", "--format", "2 8 9\n3 1 2 4\n", "1 2 3\n3 4 5\n", "1 2\n2 3 4\n3 4 5 6\n"),
    *_asked("ambiguity", "rating=3", "1,2,5\n1,3,1600000000\n2,3,4\n"),
    *_read(
        "ambiguity",
        "2 8 9\n3 1 2 4\n",
        flags=("--format", "adjacency"),
        pairs={("2", "8"), ("2", "9"), ("3", "1"), ("3", "2"), ("3", "4")},
    ),
    *_asked(
        "ambiguity",
        "--format",
        "A1 B001 3 1613792929\nA2 B002 1 1565360535\nA3 B003 4 1443645392\n1329976181 B\n",
    ),
    *_asked(
        "ambiguity",
        "--separator|line 1|fields",
        b"user_id\titem_id\trating\ttimestamp" + plain("{u}\tItem, the {i}\t{r}\t{t}"),
    ),
    # sequence-lists
    *_asked(
        "sequence-lists",
        COLUMNS,
        plain("{u}\ta b\t{i}", "user_id:token\titem_id_list:token_seq\titem_id:token"),
        name="x.inter",
    ),
    *_asked("sequence-lists", "list", plain("{u},{i} i2 i3", HEAD), plain('{u},"{i},i2,i3"', HEAD)),
    *_asked("sequence-lists", "list", plain("{u},{i}|i2|i3", HEAD), _json(item_id=["i1", "i2"])),
    *_asked("sequence-lists", "list", plain("{u},\"['{i}', 'i2']\"", HEAD)),
)

VALUES: Final = (
    # skip-lines
    *_asked("skip-lines", "--skip-bad-lines 1", plain("{u}\t{i}\tx", "user\titem\tname") + b"u1\t\tx\n"),
    *_asked("skip-lines", "--skip-bad-lines 2", TEXT + "u4,\n,i4\n"),
    *_read("skip-lines", TEXT + "u4,\n,i4\n", flags=("--skip-bad-lines", "2"), says="2 bad lines skipped"),
    *_read("skip-lines", TEXT + "u4\nu4,i4,x\n", flags=("--skip-bad-lines", "10%"), says="2 bad lines"),
    *_read("skip-lines", _json() + "{\n", name="x.jsonl", flags=("--skip-bad-lines", "1"), says="1 bad line"),
    *_asked("skip-lines", "allows", TEXT + "u4,\n,i4\n", flags=("--skip-bad-lines", "1")),
    *_read(
        "skip-lines",
        plain("{u},{i},{r}", "user,item,rating") + b"u1,i9,good\n",
        flags=("--skip-bad-lines", "1"),
        says="1 bad line",
    ),
    # negatives-as-positives
    *_asked("negatives-as-positives", CHOICE, plain("{u},{i},view", "user,item,event") + b"u1,i9,remove\n"),
    *_asked("negatives-as-positives", CHOICE, plain("{u},{i},1", "user,item,label") + b"u1,i9,0\n"),
    *_asked("negatives-as-positives", CHOICE, plain("{u},{i},True", "user,item,clicked") + b"u1,i9,False\n"),
    *_asked("negatives-as-positives", CHOICE, plain("{u},{i},1", "user,item,rating") + b"u1,i9,-1\n"),
    *_asked("negatives-as-positives", CHOICE, plain("{u},{i},buy", "user,item,kind") + b"u1,i9,refund\n"),
    *_asked(
        "negatives-as-positives",
        CHOICE,
        plain("{u},{i},1,0", "user,item,clk,nonclk") + b"u1,i9,0,1\n",
    ),
    *_asked(
        "negatives-as-positives",
        CHOICE,
        _json(liked=True) + '{"user_id": "u1", "item_id": "i9", "liked": false}',
        name="x.jsonl",
    ),
    *_read(
        "negatives-as-positives",
        plain("{u},{i},1", "user,item,label") + b"u1,i9,0\n",
        flags=("--only", "label=1"),
    ),
    *_asked("negatives-as-positives", "--where", plain("{u},{i},2", "user,item,Quantity") + b"u1,i9,-1\n"),
    *_asked("negatives-as-positives", CHOICE, plain("{u},{i},up", "user,item,mark") + b"u1,i9,down\n"),
    *_asked("negatives-as-positives", CHOICE, plain("{u},{i},", "user,item,gone") + b"u1,i9,1\n"),
    *_asked("negatives-as-positives", CHOICE, plain("{u},{i},Kauf", "user,item,Art") + b"u1,i9,Retoure\n"),
    *_read(
        "negatives-as-positives",
        plain("{u},{i},2", "user,item,Quantity") + b"u1,i9,-1\n",
        flags=("--where", "TRY_CAST(Quantity AS DOUBLE) > 0"),
    ),
    *_read(
        "negatives-as-positives",
        plain("{u},{i},{r}", "user,item,rating") + b"u1,i9,0\n",
        pairs=PAIRS | {("u1", "i9")},
        says="1 of them 0 or lower",
    ),
    # rating-name
    *_asked(
        "rating-name",
        "Book-Rating",
        plain("{u},{i},{r}", "User-ID,ISBN,Book-Rating"),
        flags=("--min-rating", "3"),
    ),
    *_asked(
        "rating-name", "my_score", plain("{u},{i},{r}", "user,item,my_score"), flags=("--min-rating", "3")
    ),
    *_asked(
        "rating-name",
        "review_stars",
        plain("{u},{i},{r}", "user,item,review_stars"),
        flags=("--min-rating", "3"),
    ),
    *_asked(
        "rating-name", "userRating", plain("{u};{i};{r}", "user;item;userRating"), flags=("--min-rating", "3")
    ),
    *_asked("rating-name", "has none", CSV, flags=("--min-rating", "3")),
    *_read(
        "rating-name",
        plain("{u},{i},{r}", "user,item,my_score"),
        pairs={(row.user, row.item) for row in ROWS if (row.rating or 0) >= 3},
        flags=("--columns", "user=user,item=item,rating=my_score", "--min-rating", "3"),
    ),
    *_asked("rating-name", "user=user,item=item takes the ids", plain("{u},{i},True", "user,item,rating")),
    # invisible
    *_asked(
        "invisible", "--ids", *(TEXT + f"u1{mark},i1\n" for mark in "\u00a0\u200b\u00ad\u200f\ufe0f\u2060")
    ),
    *_asked(
        "invisible",
        "--ids",
        TEXT + "\ufeffu1,i1\n",
        TEXT + "u1,\uff491\n",
        TEXT + "caf\u00e9,i1\ncafe\u0301,i2\n",
    ),
    *_read("invisible", TEXT.replace("u1,", "u1 ,", 1), TEXT.replace(",i1\n", ", i1 \n", 1)),
    *_read("invisible", TEXT.replace("u1,", "u1\u00a0,", 2), flags=("--ids", "cleaned")),
    *_read(
        "invisible", plain("{u}\u00a0,{i}"), pairs={(f"{u}\u00a0", i) for u, i in PAIRS}, says="invisible"
    ),
    *_read("invisible", TEXT + "U1,i1\n", pairs=PAIRS | {("U1", "i1")}, says="1 user ids differ .*capitals"),
    *_read(
        "invisible", TEXT + "u1,07\nu1,7\n", pairs=PAIRS | {("u1", "07"), ("u1", "7")}, says="1 item .*zeros"
    ),
    # float-ids
    *_asked(
        "float-ids", "--ids", plain("1785{n}.0,{i}", HEAD), plain("{u},{n}.0", HEAD), TEXT + "7.0,i1\n7,i2\n"
    ),
    *_asked(
        "float-ids",
        "--ids",
        TEXT + "1.23457E+11,i1\n",
        "".join(json.dumps({"user_id": 17850.0 + n, "item_id": n % 5}) + "\n" for n in range(20)),
    ),
    *_read(
        "float-ids", TEXT.replace("\nu", "\n1."), pairs={(user.replace("u", "1."), i) for user, i in PAIRS}
    ),
    *_read(
        "float-ids", TEXT.replace("\nu", "\n00"), pairs={(user.replace("u", "00"), i) for user, i in PAIRS}
    ),
    *_read(
        "float-ids",
        plain("{u}.0,{i}", HEAD).replace(b"\nu", b"\n7"),
        flags=("--ids", "cleaned"),
        pairs={(user.replace("u", "7"), i) for user, i in PAIRS},
    ),
    # encoding
    *_read("encoding", CSV.decode().encode("utf-16"), CSV.decode().encode("utf-32"), b"\xef\xbb\xbf" + CSV),
    *_read("encoding", b"\xfe\xff" + CSV.decode().encode("utf-16-be")),
    *_asked("encoding", "--encoding", CSV.decode().encode("utf-16-le"), CSV + b"u1,caf\xe9\n"),
    *_asked("encoding", "--encoding", plain("{u},\u5546{i}").decode().encode("gbk")),
    *_read(
        "encoding",
        plain("{u},\u5546{i}").decode().encode("gbk"),
        flags=("--encoding", "gbk"),
        pairs=titled("\u5546{i}"),
    ),
    *_asked("encoding", "not UTF-8|--encoding", CSV + "u1,caf\u00e9\n".encode() + b"u2,caf\xe9\n"),
    # container
    *_read("container", gzip.compress(CSV, mtime=0), gzip.compress(gzip.compress(CSV, mtime=0), mtime=0)),
    *_read("container", gzip.compress(CSV, mtime=0), name="log.txt"),
    *_read("container", bz2.compress(CSV), name="log.csv.bz2", asks="bzip2 -dc"),
    *_read("container", lzma.compress(CSV), name="log.csv.xz", asks="xz -dc"),
    *_read("container", _zip("log.csv"), name="log.zip", asks="unzip -p"),
    *_asked("container", "zip|members", _zip("a.csv", "b.csv"), name="log.zip"),
    *_asked("container", "tar", _tar(), name="log.tar.gz"),
    *_asked("container", "cut short", gzip.compress(CSV, mtime=0)[:-20], name="log.csv.gz"),
    *_asked("container", "SQLite|database", b"SQLite format 3\0" + bytes(200), name="log.db"),
    *_asked("container", "pickle", b"\x80\x04\x95" + bytes(20), name="log.pkl"),
)
