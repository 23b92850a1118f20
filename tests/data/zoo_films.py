"""Films, books, jokes, dishes: things that people rate."""

import gzip
import json
from typing import Final

from zoo import CHOICE, COLUMNS, Event, PublicFormat, events, lines, stars


def _ml(end_of_ids: str = "{}") -> list[Event]:
    return events("{}", end_of_ids, rated=stars)


_ML: Final = _ml("10{}")
_HALVES: Final = events("{}", "11{}", rated=lambda r: r - 0.5)
_TWEETED: Final = events("{}", "011450{}", rated=lambda r: r + 5)
_NETFLIX: Final = sorted(
    events("148884{}", "{}", rated=stars, by_day=True), key=lambda row: (row.item, row.n)
)
_BOOKS: Final = events("27672{}", "034545104{}", rated=lambda r: r * 2, timed=False)
_GOODREADS: Final = events("{}", "94{}", rated=stars, timed=False)
_READER: Final = events(lambda n: f"{n}842281e1d1347389f2ab93d60773d4d", "13058{}", rated=stars)
_DISHES: Final = events("3809{}", "4089{}", rated=stars, by_day=True)
_JOKES: Final = events("{}", "{}", rated=lambda r: round(r * 2 - 5.406, 3), timed=False)
_ANIME: Final = events("{}", "20{}", rated=lambda r: -1 if r == 1 else r + 5, timed=False)
_WATCHED: Final = events("karthiga{}", "2{}", rated=lambda r: r + 4)
_TRUST: Final = events("2260{}", "4291{}", rated=stars, timed=False)
_DOUBAN: Final = events(lambda n: f"{n}ab7e3efacd56983f16503572d2b9915", "567740{}", rated=stars)
_RECIPES: Final = events("24{}", "82{}", rated=stars, timed=False)
_FILMS: Final = events("1{}", "39{}", rated=stars, timed=False)


def _netflix() -> bytes:
    text, film = "", ""
    for row in _NETFLIX:
        text += "" if row.item == film else f"{row.item}:\n"
        film = row.item
        text += f"{row.user},{int(row.rating or 0)},{row.date:%Y-%m-%d}\n"
    return text.encode()


def _review(row: Event) -> str:
    """A dish's review, which may have line ends and quotes inside."""
    text = 'So good!\nWe ""loved"" it, twice' if row.n % 3 else "Fine"
    return f'{row.user},{row.item},{row.date:%Y-%m-%d},{int(row.rating or 0)},"{text}"'


def _read(row: Event) -> str:
    return json.dumps(
        {"user_id": row.user, "book_id": row.item, "review_id": f"{row.n}a", "is_read": row.n % 4 != 0}
        | {"rating": int(row.rating or 0), "review_text_incomplete": "", "read_at": "", "started_at": ""}
        | {"date_added": f"{row.date:%a %b %d %H:%M:%S} +0000 {row.date:%Y}", "date_updated": ""}
    )


FILMS: Final = (
    PublicFormat(
        name="MovieLens 100K `u.data`",
        layout="tabs, no header",
        files={"u.data": lines(_ML, "{u}\t{i}\t{r}\t{t}")},
        events=_ML,
    ),
    PublicFormat(
        name="MovieLens 1M, 10M `ratings.dat`",
        layout="`::`, no header",
        files={"ratings.dat": lines(_ML, "{u}::{i}::{r}::{t}")},
        events=_ML,
    ),
    PublicFormat(
        name="MovieLens 20M, 25M, 32M `ratings.csv`",
        layout="commas, header",
        files={
            "ratings.csv": lines(
                _HALVES,
                lambda row: f"{row.user},{row.item},{row.rating},{row.time:.0f}",
                "userId,movieId,rating,timestamp",
            )
        },
        events=_HALVES,
    ),
    PublicFormat(
        name="RecBole `ml-100k.inter`",
        layout="tabs, typed header",
        files={
            "ml-100k.inter": lines(
                _ML,
                "{u}\t{i}\t{r}\t{t}",
                "user_id:token\titem_id:token\trating:float\ttimestamp:float",
            )
        },
        events=_ML,
    ),
    PublicFormat(
        name="MovieTweetings `ratings.dat`",
        layout="`::`, ids with leading zeros",
        files={"ratings.dat": lines(_TWEETED, "{u}::{i}::{r}::{t}")},
        events=_TWEETED,
    ),
    PublicFormat(
        name="Netflix prize `mv_*.txt`, `combined_data_1.txt`",
        layout="blocks `film:`, then `user,rating,date`",
        files={"combined_data_1.txt": _netflix()},
        events=_NETFLIX,
    ),
    PublicFormat(
        name="Book-Crossing `BX-Book-Ratings.csv`",
        layout="semicolons, every field in quotes, Latin-1",
        files={
            "BX-Book-Ratings.csv": lines(
                [*_BOOKS, Event("276799", "\u00e9ditions7", 7.0, None, 20)],
                '"{u}";"{i}";"{r}"',
                '"User-ID";"ISBN";"Book-Rating"',
                "\r\n",
            )
            .decode()
            .encode("latin1")
        },
        events=[*_BOOKS, Event("276799", "\u00e9ditions7", 7.0, None, 20)],
        flags=("--encoding", "latin1", "--rating", "Book-Rating"),
        asks="--encoding",
        why="the encoding; ratings, of which 0 is 'not rated'",
    ),
    PublicFormat(
        name="Goodreads `goodreads_interactions.csv`",
        layout="commas, header, a row for each book on a shelf",
        files={
            "goodreads_interactions.csv": lines(
                _GOODREADS,
                lambda row: f"{row.user},{row.item},{int(row.n % 4 != 0)},{row.rating:.0f},{row.n % 2}",
                "user_id,book_id,is_read,rating,is_reviewed",
            )
        },
        events=[row for row in _GOODREADS if row.n % 4],
        flags=("--only", "is_read=1"),
        asks=CHOICE,
        why="which rows count",
    ),
    PublicFormat(
        name="Goodreads `goodreads_interactions_*.json.gz`",
        layout="JSON lines, gzip, dates with a zone",
        files={"goodreads_interactions_poetry.json.gz": gzip.compress(lines(_READER, _read), mtime=0)},
        events=[row for row in _READER if row.n % 4],
        flags=("--only", "is_read=true", "--time", "date_added"),
        asks=CHOICE,
        why="which rows count; which of four times",
    ),
    PublicFormat(
        name="Food.com `RAW_interactions.csv`",
        layout="commas, header, line ends inside quotes",
        files={"RAW_interactions.csv": lines(_DISHES, _review, "user_id,recipe_id,date,rating,review")},
        events=_DISHES,
    ),
    PublicFormat(
        name="Jester 2 `jester_ratings.dat`",
        layout="two tabs between fields, ratings from -10 to 10",
        files={
            "jester_ratings.dat": lines(_JOKES, lambda row: f"{row.user}\t\t{row.item}\t\t{row.rating:.3f}")
        },
        events=_JOKES,
        flags=("--columns", "user=1,item=3,rating=5"),
        asks=COLUMNS,
        why="five columns, two of them empty",
    ),
    PublicFormat(
        name="Jester 1, 3 as CSV",
        layout="a row for each user, a column for each joke, 99 is none",
        files={
            "jester-data-1.csv": "".join(
                f"{74 - n},{','.join('99' if (n + at) % 3 else f'{at - 4.82:.2f}' for at in range(100))}\n"
                for n in range(9)
            ).encode()
        },
        refused="columns",
        why="a matrix: write a row for each rating",
    ),
    PublicFormat(
        name="Jester 1 `jester-data-1.xls`",
        layout="an old spreadsheet",
        files={"jester-data-1.xls": b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(504)},
        refused="spreadsheet",
        why="a spreadsheet: save it as CSV",
    ),
    PublicFormat(
        name="Anime Recommendations (Kaggle) `rating.csv`",
        layout="commas, header, -1 is 'watched, not rated'",
        files={"rating.csv": lines(_ANIME, "{u},{i},{r}", "user_id,anime_id,rating")},
        events=_ANIME,
        flags=("--item", "anime_id"),
        asks=COLUMNS,
        why="`anime_id` is no known name",
    ),
    PublicFormat(
        name="MyAnimeList `UserAnimeList.csv`",
        layout="commas, header, empty fields",
        files={
            "UserAnimeList.csv": lines(
                _WATCHED,
                "{u},{i},0,0000-00-00,0000-00-00,{r},6,,0,{t},",
                "username,anime_id,my_watched_episodes,my_start_date,my_finish_date,my_score,my_status,"
                "my_rewatching,my_rewatching_ep,my_last_updated,my_tags",
            )
        },
        events=_WATCHED,
        flags=("--columns", "user=username,item=anime_id,rating=my_score,time=my_last_updated"),
        asks=COLUMNS,
        why="no known names",
    ),
    PublicFormat(
        name="Epinions `ratings_data.txt`",
        layout="blanks, no header",
        files={"ratings_data.txt": lines(_TRUST, "{u} {i} {r}")},
        events=_TRUST,
    ),
    PublicFormat(
        name="Ciao, Epinions `rating.mat`",
        layout="MATLAB 5",
        files={
            "rating.mat": b"MATLAB 5.0 MAT-file, Platform: PCWIN64, Created on: Tue Apr 03 18:00:06 2012"
            + b" " * 48
            + b"\0\x01IM"
            + bytes(64)
        },
        refused="MATLAB",
        why="MATLAB's own format: write CSV",
    ),
    PublicFormat(
        name="Douban films (AntSpider) `ratings.csv`",
        layout="commas, header in capitals, dates with a clock",
        files={
            "ratings.csv": lines(
                _DOUBAN,
                lambda row: f"130{row.n},{row.user},{row.item},{row.rating:.0f},{row.date:%Y-%m-%d %H:%M:%S}",
                "RATING_ID,USER_MD5,MOVIE_ID,RATING,RATING_TIME",
            )
        },
        events=_DOUBAN,
        flags=("--user", "USER_MD5", "--time", "RATING_TIME"),
        asks=COLUMNS,
        why="`USER_MD5` and `RATING_TIME` are no known names",
    ),
    PublicFormat(
        name="LDOS-CoMoDa `LDOS-CoMoDa.csv`",
        layout="semicolons, header, context with -1 for none",
        files={
            "LDOS-CoMoDa.csv": lines(
                _FILMS,
                "{u};{i};{r};28;1;-1;2;3",
                "userID;itemID;rating;age;sex;city;daytype;season",
            )
        },
        events=_FILMS,
    ),
    PublicFormat(
        name="ModCloth, Rent the Runway `*.json.gz`",
        layout="JSON lines, gzip, keys with blanks",
        files={
            "renttherunway_final_data.json.gz": gzip.compress(
                lines(
                    _RECIPES,
                    lambda row: json.dumps(
                        {"fit": "fit", "user_id": row.user, "bust size": "34d", "item_id": row.item}
                        | {"weight": "137lbs", "rating": str(int(row.rating or 0)), "size": 14}
                        | {"review_date": "April 20, 2016"}
                    ),
                ),
                mtime=0,
            )
        },
        events=_RECIPES,
    ),
    PublicFormat(
        name="SNAP `movies.txt`, `finefoods.txt`",
        layout="blocks `review/userId: …`",
        files={
            "finefoods.txt": lines(
                _ML,
                "product/productId: B00{i}\nreview/userId: A{u}\nreview/profileName: x\n"
                "review/score: {r}.0\nreview/time: {t}\nreview/text: fine\n",
            )
        },
        refused="blocks",
        why="a row takes several lines",
    ),
)
