"""Music, games, news, short films, places, and the files of the research that uses them."""

import gzip
import json
from typing import Final

from zoo import CHOICE, COLUMNS, Event, PublicFormat, events, lines

_PLAYS: Final = events(
    lambda n: f"{n}0000c289a1829a808ac09c00daf10bc3c4e223b",
    lambda n: f"3bd73256-3905-4f3a-97e2-8b341527f80{n}",
    rated=lambda r: r * 211,
    timed=False,
)
_LISTENS: Final = events("user_00000{}", lambda n: f"f1b1cf71-bd35-4e99-8624-24a6e15f133{n}")
_ARTISTS: Final = events("{}", "5{}", timed=False)
_TAGGED: Final = events("{}", "5{}")
_SONGS: Final = events(lambda n: f"b80344d063b5ccb3212f76538f3d9e43d87dca9{n}", "SOAKIMP12A8C13099{}",
                       rated=lambda r: r, timed=False)  # fmt: skip
_GAMES: Final = events("15160371{}", "The Elder Scrolls, Part {}", rated=lambda r: r * 7.5, timed=False)
_NEWS: Final = events("U1374{}", "N5568{}")
_CLIPS: Final = events("1{}", "14{}")
_PLACES: Final = events("{}", "2284{}")
_HASHED: Final = events("{}", "ee8b88dea2241{}")
_VENUES: Final = events("47{}", lambda n: f"49bbd6c0f964a520f4531fe{n}")
_LISTS: Final = events("{}", "10{}", timed=False)
_APPS: Final = events("{}", "95{}", timed=False)
_CLICKED: Final = events("7{}", "45{}", timed=False)
_GRAPH: Final = events("{}", "1{}", rated=lambda r: r)
_TRACKS: Final = events("{}", "spotify:track:0UaMYEvWZi0ZqiDOoHU3Y{}", timed=False)
_PAIRS: Final = events("{}", "{}", timed=False)


def _by_user(rows: list[Event]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for row in rows:
        found.setdefault(row.user, []).append(row.item)
    return found


def _grouped(rows: list[Event]) -> list[Event]:
    return sorted(rows, key=lambda row: int(row.user))


_LISTED: Final = _grouped(_LISTS)


def _clock(row: Event) -> str:
    """11/11/2019 9:05:58 AM, as MIND has it."""
    return f"{row.date.month}/{row.date.day}/{row.date:%Y} {row.date.hour % 12 or 12}:{row.date:%M:%S %p}"


def _mpd() -> bytes:
    lists = [
        {"name": "Throwbacks", "pid": int(user), "num_tracks": len(tracks)}
        | {"tracks": [{"pos": at, "track_uri": uri, "artist_name": "x"} for at, uri in enumerate(tracks)]}
        for user, tracks in _by_user(_TRACKS).items()
    ]
    return json.dumps({"info": {"slice": "0-999", "version": "v1"}, "playlists": lists}, indent=4).encode()


def _steam(user: str, items: list[str]) -> str:
    return repr(
        {"user_id": user, "items_count": len(items)}
        | {"items": [{"item_id": item, "playtime_forever": 6, "playtime_2weeks": 0} for item in items]}
    )


MEDIA: Final = (
    PublicFormat(
        name="Last.fm 360K `usersha1-artmbid-artname-plays.tsv`",
        layout="tabs, no header, artists without an id",
        files={
            "usersha1-artmbid-artname-plays.tsv": lines(
                [*_PLAYS, Event("00004c289a1829a808ac09c00daf10bc3c4e223b", "", 3.0, None, 20)],
                '{u}\t{i}\tthe "most"\t{r}',
            )
        },
        events=_PLAYS,
        flags=("--columns", "user=1,item=2,rating=4", "--skip-bad-lines", "1"),
        asks=COLUMNS,
        why="the artist's name comes third; rows without an id",
    ),
    PublicFormat(
        name="Last.fm 1K `userid-timestamp-artid-…tsv`",
        layout="tabs, no header: user, time, artist, name, track, name",
        files={
            "userid-timestamp-artid-artname-traid-traname.tsv": lines(
                _LISTENS,
                lambda row: (
                    f"{row.user}\t{row.date:%Y-%m-%dT%H:%M:%SZ}\t{row.item}\tDeep Dish\t\tFuck {row.n}"
                ),
            )
        },
        events=_LISTENS,
        flags=("--columns", "user=1,item=3,time=2"),
        asks=COLUMNS,
        why="six columns without names",
    ),
    PublicFormat(
        name="HetRec Last.fm `user_artists.dat`",
        layout="tabs, header, Windows line ends",
        files={"user_artists.dat": lines(_ARTISTS, "{u}\t{i}\t13883", "userID\tartistID\tweight", "\r\n")},
        events=_ARTISTS,
    ),
    PublicFormat(
        name="HetRec `user_taggedartists-timestamps.dat`",
        layout="tabs, header, milliseconds",
        files={
            "user_taggedartists-timestamps.dat": lines(
                _TAGGED, "{u}\t{i}\t13\t{t}000", "userID\tartistID\ttagID\ttimestamp", "\r\n"
            )
        },
        events=_TAGGED,
    ),
    PublicFormat(
        name="HetRec Delicious `user_taggedbookmarks-timestamps.dat`",
        layout="tabs, header, milliseconds",
        files={
            "user_taggedbookmarks-timestamps.dat": lines(
                _TAGGED, "{u}\t{i}\t1\t{t}000", "userID\tbookmarkID\ttagID\ttimestamp", "\r\n"
            )
        },
        events=_TAGGED,
        flags=("--item", "bookmarkID"),
        asks=COLUMNS,
        why="`bookmarkID` is no known name",
    ),
    PublicFormat(
        name="Million Songs `train_triplets.txt`",
        layout="tabs, no header: user, song, plays",
        files={"train_triplets.txt": lines(_SONGS, "{u}\t{i}\t{r}")},
        events=_SONGS,
    ),
    PublicFormat(
        name="Spotify million playlists `mpd.slice.0-999.json`",
        layout="one JSON object, lists in lists",
        files={"mpd.slice.0-999.json": _mpd()},
        events=_TRACKS,
        flags=(
            "--query",
            "SELECT p.pid AS user, t.track_uri AS item FROM (SELECT p, unnest(p.tracks) AS t FROM "
            "(SELECT unnest(playlists) AS p FROM 'mpd.slice.0-999.json'))",
        ),
        asks="JSON|--query",
        why="lists in lists",
    ),
    PublicFormat(
        name="Steam `australian_users_items.json.gz`",
        layout="Python dictionaries, gzip, a user's games in a list",
        files={
            "australian_users_items.json.gz": gzip.compress(
                "".join(f"{_steam(user, items)}\n" for user, items in _by_user(_GAMES).items()).encode(),
                mtime=0,
            )
        },
        refused="Python dictionaries",
        why="no JSON: the error has the line that converts them",
    ),
    PublicFormat(
        name="Steam 200K (Kaggle) `steam-200k.csv`",
        layout="commas, no header: user, game, behaviour, hours, 0",
        files={
            "steam-200k.csv": lines(
                _GAMES,
                lambda row: (
                    f'{row.user},"{row.item}",purchase,1.0,0\n{row.user},"{row.item}",play,{row.rating},0'
                ),
            )
        },
        events=_GAMES,
        flags=("--columns", "user=1,item=2,rating=4", "--only", "3=play"),
        asks=COLUMNS,
        why="five columns without names; which behaviours count",
    ),
    PublicFormat(
        name="MIND `behaviors.tsv`",
        layout="tabs, no header, lists of news with 1 for a click",
        files={
            "behaviors.tsv": lines(
                _NEWS, lambda row: f"{row.n + 1}\t{row.user}\t{_clock(row)}\tN1 N2\t{row.item}-1 N9-0"
            )
        },
        events=_NEWS,
        flags=(
            "--query",
            "SELECT column1 AS user, split_part(shown, '-', 1) AS item, "
            "epoch(strptime(column2, '%-m/%-d/%Y %-I:%M:%S %p')) AS time "
            "FROM (SELECT column1, column2, unnest(string_split(column4, ' ')) AS shown "
            "FROM read_csv('behaviors.tsv', delim='\\t', header=false, all_varchar=true)) "
            "WHERE shown LIKE '%-1'",
        ),
        asks=COLUMNS,
        why="lists of what was shown",
    ),
    PublicFormat(
        name="MIND `news.tsv`",
        layout="tabs, no header, a row for each article",
        files={
            "news.tsv": b"".join(
                b'N5552%d\tlifestyle\tlifestyleroyals\tThe "Brands" Queen\tShop\thttps://x/a.html\t[]\t[]\n'
                % n
                for n in range(9)
            )
        },
        refused="columns",
        why="articles, no interactions",
    ),
    PublicFormat(
        name="KuaiRec `small_matrix.csv`",
        layout="commas, header, a date and a number for the time",
        files={
            "small_matrix.csv": lines(
                _CLIPS,
                lambda row: (
                    f"{row.user},{row.item},4381,6067,{row.date:%Y-%m-%d %H:%M:%S}.378,"
                    f"{row.date:%Y%m%d},{row.time:.0f}.378,0.722"
                ),
                "user_id,video_id,play_duration,video_duration,time,date,timestamp,watch_ratio",
            )
        },
        events=[Event(row.user, row.item, None, (row.time or 0) + 0.378, row.n) for row in _CLIPS],
        flags=("--time", "timestamp"),
        asks=r"2 columns may be the time",
        why="`time` or `timestamp`",
    ),
    PublicFormat(
        name="KuaiRand `log_standard_*_pure.csv`",
        layout="commas, header, eight kinds of feedback",
        files={
            "log_standard_4_08_to_4_21_pure.csv": lines(
                _CLIPS,
                lambda row: (
                    f"{row.user},{row.item},{row.date:%Y%m%d},{row.date:%H%M},{row.time:.0f}000,"
                    f"{int(row.n % 5 > 0)},{row.n // 2 % 2},0,0,0,{int(row.n == 7)},0,3000,9000,0,0,0,0,1"
                ),
                "user_id,video_id,date,hourmin,time_ms,is_click,is_like,is_follow,is_comment,is_forward,"
                "is_hate,long_view,play_time_ms,duration_ms,profile_stay_time,comment_stay_time,"
                "is_profile_enter,is_rand,tab",
            )
        },
        events=[row for row in _CLIPS if row.n % 5 and row.n != 7],
        flags=(
            *("--columns", "user=user_id,item=video_id,time=time_ms"),
            *("--only", "is_click=1", "--only", "is_hate=0", "--only", "is_like=*"),
        ),
        asks=CHOICE,
        why="which feedback counts",
    ),
    PublicFormat(
        name="Tenrec `QB-article.csv`",
        layout="commas, header, kinds of feedback",
        files={
            "QB-article.csv": lines(
                _CLICKED,
                lambda row: f"{row.user},{row.item},{row.n % 2},0,{row.n // 2 % 2},0,2,1,0,0",
                "user_id,item_id,click,follow,like,share,category_second,watching_times,gender,age",
            )
        },
        events=[row for row in _CLICKED if row.n % 2],
        flags=("--only", "click=1", "--only", "like=*"),
        asks=CHOICE,
        why="which feedback counts",
    ),
    PublicFormat(
        name="Frappe `frappe.csv`",
        layout="tabs, header, context",
        files={
            "frappe.csv": lines(
                _APPS,
                "{u}\t{i}\t1\tmorning\tsunday\tweekend\tunknown\tfree\tsunny\tUnited States\t0",
                "user\titem\tcnt\tdaytime\tweekday\tisweekend\thomework\tcost\tweather\tcountry\tcity",
            )
        },
        events=_APPS,
    ),
    PublicFormat(
        name="Frappe, MovieLens tags for FMs `*.libfm`",
        layout="a label and `feature:value`",
        files={"frappe.train.libfm": lines(_APPS, "1 {u}:1 {i}:1 4082:1 4092:1")},
        refused="libsvm",
        why="features without user and item",
    ),
    PublicFormat(
        name="Gowalla, Brightkite (SNAP) `*_totalCheckins.txt`",
        layout="tabs, no header: user, time, place in degrees, place",
        files={
            "Gowalla_totalCheckins.txt": lines(
                _PLACES, lambda row: f"{row.user}\t{row.date:%Y-%m-%dT%H:%M:%SZ}\t30.235\t-97.795\t{row.item}"
            )
        },
        events=_PLACES,
        flags=("--columns", "user=1,item=5,time=2"),
        asks=COLUMNS,
        why="five columns without names",
    ),
    PublicFormat(
        name="Brightkite (SNAP), with its empty rows",
        layout="tabs, no header, some rows without a time",
        files={
            "Brightkite_totalCheckins.txt": lines(
                _HASHED,
                lambda row: f"{row.user}\t{row.date:%Y-%m-%dT%H:%M:%SZ}\t39.74\t-104.98\t{row.item}",
            )
            + b"57\t\t\t\t\n57\t\t0.0\t0.0\t00000000000000000000000000000000\n"
        },
        events=_HASHED,
        flags=("--columns", "user=1,item=5,time=2", "--skip-bad-lines", "2"),
        asks=COLUMNS,
        why="five columns without names; rows without time or place",
    ),
    PublicFormat(
        name="Foursquare `dataset_TSMC2014_NYC.txt`",
        layout="tabs, no header, Latin-1, dates of Twitter",
        files={
            "dataset_TSMC2014_NYC.txt": lines(
                _VENUES,
                lambda row: (
                    f"{row.user}\t{row.item}\t4bf58dd8d48988d127951735\tCaf\u00e9\t40.71981\t-74.00258\t"
                    f"-240\t{row.date:%a %b %d %H:%M:%S} +0000 {row.date:%Y}"
                ),
            )
            .decode()
            .encode("latin1")
        },
        events=_VENUES,
        flags=("--encoding", "latin1", "--columns", "user=1,item=2,time=8"),
        asks="--encoding",
        why="the encoding; eight columns without names",
    ),
    PublicFormat(
        name="CiteULike, Foursquare `users.dat`",
        layout="a line for each user: count, items",
        files={
            "users.dat": "".join(
                f"{len(items)} {' '.join(items)}\n" for items in [["101", "102"], ["103", "101"], ["104"], []]
            ).encode()
            + "".join(f"{len(items)} {' '.join(items)}\n" for items in _by_user(_LISTED).values()).encode()
        },
        events=[
            Event(user, item, None, None, 0)
            for user, items in enumerate(
                [["101", "102"], ["103", "101"], ["104"], [], *_by_user(_LISTED).values()]
            )
            for item in items
            for user in [str(user)]
        ],
    ),
    PublicFormat(
        name="LightGCN, NGCF `train.txt`",
        layout="a line for each user: user, items",
        files={
            "train.txt": "".join(
                f"{user} {' '.join(items)}\n" for user, items in _by_user(_LISTED).items()
            ).encode()
            + b"9 101\n"
        },
        events=[*_LISTED, Event("9", "101", None, None, 20)],
    ),
    PublicFormat(
        name="NCF `ml-1m.train.rating`",
        layout="tabs, no header: user, item, rating, time",
        files={"ml-1m.train.rating": lines(_GRAPH, "{u}\t{i}\t{r}\t{t}")},
        events=_GRAPH,
    ),
    PublicFormat(
        name="NCF `ml-1m.test.negative`",
        layout="`(user,item)`, then items that were not consumed",
        files={
            "ml-1m.test.negative": "".join(
                f"({n},25)\t{chr(9).join(str(1064 + at) for at in range(99))}\n" for n in range(9)
            ).encode()
        },
        refused="columns|tuples",
        why="lists of what was not consumed",
    ),
    PublicFormat(
        name="BERT4Rec `beauty.txt`",
        layout="blanks, no header, in order of time",
        files={"beauty.txt": lines(_grouped(_PAIRS), "{u} {i}")},
        events=_grouped(_PAIRS),
    ),
    PublicFormat(
        name="RecBole benchmark `*.train.inter` with histories",
        layout="tabs, typed header, a list of items in each row",
        files={
            "Amazon_Beauty.train.inter": lines(
                _grouped(_PAIRS), "{u}\t101 102\t{i}", "user_id:token\titem_id_list:token_seq\titem_id:token"
            )
        },
        events=_grouped(_PAIRS),
        flags=("--columns", "user=user_id,item=item_id"),
        asks=COLUMNS,
        why="the list repeats rows that are there",
    ),
    PublicFormat(
        name="Konect `out.movielens-10m_rating`",
        layout="lines led by %, blanks or tabs",
        files={"out.movielens-10m_rating": lines(_GRAPH, "{u} {i} {r} {t}", "% bip weighted\n% 20 4 6")},
        events=_GRAPH,
    ),
)
