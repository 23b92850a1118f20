"""Shops: reviews, purchases, clicks and sessions."""

import gzip
import json
from typing import Final

from zoo import CHOICE, COLUMNS, Event, PublicFormat, events, lines, stars

_REVIEWS: Final = events(lambda n: f"A2IBPI20UZIR{n}U", lambda n: f"B00004Y{n}XZ", rated=stars)
_NEW_REVIEWS: Final = events(
    lambda n: f"AFKZENTNBQ7A7V7UXW5JJI6U{n}RYQ", lambda n: f"B07SJFBX{n}Z", rated=stars
)
_YELP: Final = events(
    lambda n: f"mh_-eMZ6K5RLWhZyISBhw{n}", lambda n: f"XQfwVwDr-v0ZS3_CbbE5X{n}", rated=stars
)
_SHOP: Final = events("25759{}", "35565{}")
_CLOTHES: Final = events(lambda n: f"{n}00058a12d5b43e67d225668fa1f8d618c13dc232df0cad8ffe7ad4a1091e318",
                         "066371300{}", by_day=True)  # fmt: skip
_BUYERS: Final = events("{}", "226831{}")
_TMALL: Final = events("32886{}", "32329{}", timed=False)
_ADS: Final = events("58173{}", "{}")
_SESSIONS: Final = events("{}", "21453685{}")
_BRIEF: Final = events("{}", "8176{}", by_day=True)
_JOBS: Final = events("117{}", "208{}")
_RETAIL: Final = events("1785{}", "8512{}A")
_HOTELS: Final = events("00RL8Z82B2Z{}", "315{}")
_OTTO: Final = events("{}", "5962{}")


def _kind(row: Event, *kinds: str) -> str:
    return kinds[row.n % len(kinds)]


def _amazon(row: Event) -> dict[str, object]:
    return {
        "reviewerID": row.user,
        "asin": row.item,
        "reviewerName": 'J. "Jim" McDonald',
        "helpful": [0, row.n],
        "reviewText": "I bought this for my husband, who plays the piano.\nHe likes it",
        "overall": row.rating,
        "unixReviewTime": int(row.time or 0),
        "reviewTime": f"{row.date:%m %d, %Y}",
    }


def _amazon_2023(row: Event) -> str:
    return json.dumps(
        {"rating": row.rating, "title": "Such a lovely scent", "text": "Light", "images": []}
        | {"asin": f"V{row.n}", "parent_asin": row.item, "user_id": row.user}
        | {"timestamp": int(row.time or 0) * 1000 + 923, "helpful_vote": 0, "verified_purchase": True}
    )


def _with_milliseconds(rows: list[Event], more: float) -> list[Event]:
    return [Event(row.user, row.item, row.rating, (row.time or 0) + more, row.n) for row in rows]


def _otto() -> bytes:
    text = ""
    for user in sorted({row.user for row in _OTTO}):
        seen = sorted((row for row in _OTTO if row.user == user), key=lambda row: row.time or 0)
        clicks = [{"aid": int(r.item), "ts": int(r.time or 0) * 1000, "type": "clicks"} for r in seen]
        text += json.dumps({"session": int(user), "events": clicks}) + "\n"
    return text.encode()


_RECEIPTS: Final = [Event(row.user, row.item, None, (row.time or 0) // 60 * 60, row.n) for row in _RETAIL]


SHOPS: Final = (
    PublicFormat(
        name="Amazon 2014 `ratings_Books.csv`",
        layout="commas, no header: user, item, rating, time",
        files={"ratings_Books.csv": lines(_REVIEWS, "{u},{i},{r}.0,{t}")},
        events=_REVIEWS,
    ),
    PublicFormat(
        name="Amazon 2018 `Books.csv`",
        layout="commas, no header: item, user, rating, time",
        files={"Books.csv": lines(_REVIEWS, "{i},{u},{r}.0,{t}")},
        events=_REVIEWS,
        flags=("--columns", "user=2,item=1,rating=3,time=4"),
        asks=COLUMNS,
        why="the item comes first",
    ),
    PublicFormat(
        name="Amazon 2014, 2018 `reviews_*_5.json.gz`",
        layout="JSON lines, gzip",
        files={
            "reviews_Musical_Instruments_5.json.gz": gzip.compress(
                lines(_REVIEWS, lambda row: json.dumps(_amazon(row))), mtime=0
            )
        },
        events=_REVIEWS,
    ),
    PublicFormat(
        name="Amazon 2014 `reviews_*.json.gz`, `meta_*.json.gz`",
        layout="Python dictionaries, gzip",
        files={
            "reviews_Books.json.gz": gzip.compress(lines(_REVIEWS, lambda row: repr(_amazon(row))), mtime=0)
        },
        refused="Python dictionaries",
        why="no JSON: the error has the line that converts them",
    ),
    PublicFormat(
        name="Amazon 2023 `*.jsonl.gz`",
        layout="JSON lines, gzip, two kinds of item, milliseconds",
        files={"All_Beauty.jsonl.gz": gzip.compress(lines(_NEW_REVIEWS, _amazon_2023), mtime=0)},
        events=_with_milliseconds(_NEW_REVIEWS, 0.923),
        flags=("--item", "parent_asin"),
        asks="parent_asin",
        why="`asin` or `parent_asin`",
    ),
    PublicFormat(
        name="Amazon 2023 `*.csv.gz` (rating only)",
        layout="commas, header, gzip, milliseconds",
        files={
            "All_Beauty.csv.gz": gzip.compress(
                lines(_NEW_REVIEWS, "{u},{i},{r}.0,{t}923", "user_id,parent_asin,rating,timestamp"), mtime=0
            )
        },
        events=_with_milliseconds(_NEW_REVIEWS, 0.923),
    ),
    PublicFormat(
        name="Yelp `yelp_academic_dataset_review.json`",
        layout="JSON lines, dates with a clock",
        files={
            "yelp_academic_dataset_review.json": lines(
                _YELP,
                lambda row: json.dumps(
                    {
                        "review_id": f"KU_O5udG6zpxOg-VcAEod{row.n}",
                        "user_id": row.user,
                        "business_id": row.item,
                    }
                    | {"stars": row.rating, "useful": row.n, "funny": 0, "cool": 0}
                    | {
                        "text": "If you decide to eat here,\n\nbe aware",
                        "date": f"{row.date:%Y-%m-%d %H:%M:%S}",
                    }
                ),
            )
        },
        events=_YELP,
    ),
    PublicFormat(
        name="Yelp (Kaggle) `yelp_review.csv`",
        layout="commas, every field in quotes, line ends inside",
        files={
            "yelp_review.csv": lines(
                _YELP,
                lambda row: (
                    f'"v{row.n}","{row.user}","{row.item}","{row.rating:.0f}","{row.date:%Y-%m-%d}",'
                    '"Super simple,\n\namazing ""pie""\n","0","0","0"'
                ),
                '"review_id","user_id","business_id","stars","date","text","useful","funny","cool"',
            )
        },
        events=[Event(r.user, r.item, r.rating, (r.time or 0) // 86_400 * 86_400, r.n) for r in _YELP],
    ),
    PublicFormat(
        name="Retailrocket `events.csv`",
        layout="commas, header, events, milliseconds",
        files={
            "events.csv": lines(
                _SHOP,
                lambda row: (
                    f"{row.time:.0f}117,{row.user},{_kind(row, 'view', 'addtocart', 'transaction')},"
                    f"{row.item},{row.n if row.n % 3 == 2 else ''}"
                ),
                "timestamp,visitorid,event,itemid,transactionid",
            )
        },
        events=[row for row in _with_milliseconds(_SHOP, 0.117) if row.n % 3],
        flags=("--only", "event=addtocart,transaction"),
        asks=CHOICE,
        why="which events count",
    ),
    PublicFormat(
        name="Yoochoose `yoochoose-clicks.dat`",
        layout="commas, no header: session, time, item, category",
        files={
            "yoochoose-clicks.dat": lines(
                _SESSIONS, lambda row: f"{row.user},{row.date:%Y-%m-%dT%H:%M:%S}.000Z,{row.item},0"
            )
        },
        events=_SESSIONS,
        flags=("--columns", "user=1,item=3,time=2"),
        asks=COLUMNS,
        why="the time comes second",
    ),
    PublicFormat(
        name="Yoochoose `yoochoose-buys.dat`",
        layout="commas, no header: session, time, item, price, quantity",
        files={
            "yoochoose-buys.dat": lines(
                _SESSIONS, lambda row: f"{row.user},{row.date:%Y-%m-%dT%H:%M:%S}.806Z,{row.item},12462,1"
            )
        },
        events=_with_milliseconds(_SESSIONS, 0.806),
        flags=("--columns", "user=1,item=3,time=2"),
        asks=COLUMNS,
        why="five columns without names",
    ),
    PublicFormat(
        name="Diginetica `train-item-views.csv`",
        layout="semicolons, header, users mostly `NA`",
        files={
            "train-item-views.csv": lines(
                _BRIEF,
                lambda row: f"{row.user};NA;{row.item};{52630 + row.n};{row.date:%Y-%m-%d}",
                "sessionId;userId;itemId;timeframe;eventdate",
            )
        },
        events=_BRIEF,
        flags=("--user", "sessionId", "--time", "eventdate"),
        asks=r"--missing|--columns|--user",
        why="the session stands for the user",
    ),
    PublicFormat(
        name="XING (RecSys 2016) `interactions.csv`",
        layout="tabs, header, kinds as numbers",
        files={
            "interactions.csv": lines(
                _JOBS,
                lambda row: f"{row.user}\t{row.item}\t{1 + row.n % 4}\t{row.time:.0f}",
                "user_id\titem_id\tinteraction_type\tcreated_at",
            )
        },
        events=[row for row in _JOBS if row.n % 4 != 3],
        flags=("--only", "interaction_type=1,2,3", "--time", "created_at"),
        asks=CHOICE,
        why="which kinds count (4 is a removal)",
    ),
    PublicFormat(
        name="Trivago (RecSys 2019) `train.csv`",
        layout="commas, header, actions",
        files={
            "train.csv": lines(
                _HOTELS,
                lambda row: (
                    f"{row.user},aff3928535f4{row.n},{row.time:.0f},{row.n},"
                    f"{_kind(row, 'clickout item', 'interaction item image')},{row.item},AU,"
                    '"Sydney, Australia",mobile,,3400638|1253714,95|66'
                ),
                "user_id,session_id,timestamp,step,action_type,reference,platform,city,device,"
                "current_filters,impressions,prices",
            )
        },
        events=[row for row in _HOTELS if row.n % 2 == 0],
        flags=("--item", "reference", "--where", "action_type = 'clickout item'"),
        asks=COLUMNS,
        why="`reference` is the item; which actions count",
    ),
    PublicFormat(
        name="Dressipi (RecSys 2022) `train_sessions.csv`",
        layout="commas, header, dates with milliseconds",
        files={
            "train_sessions.csv": lines(
                _SESSIONS,
                lambda row: f"{row.user},{row.item},{row.date:%Y-%m-%d %H:%M:%S}.589",
                "session_id,item_id,date",
            )
        },
        events=_with_milliseconds(_SESSIONS, 0.589),
        flags=("--user", "session_id"),
        asks=COLUMNS,
        why="the session stands for the user",
    ),
    PublicFormat(
        name="OTTO `otto-recsys-train.jsonl`",
        layout="JSON lines, a session's events in a list",
        files={"otto-recsys-train.jsonl": _otto()},
        events=_OTTO,
        flags=(
            "--query",
            "SELECT session AS user, e.aid AS item, e.ts AS time "
            "FROM (SELECT session, unnest(events) AS e FROM 'otto-recsys-train.jsonl')",
        ),
        asks=r"--query|--columns|--user",
        why="a list in each line",
    ),
    PublicFormat(
        name="Taobao `UserBehavior.csv`",
        layout="commas, no header: user, item, category, behaviour, time",
        files={
            "UserBehavior.csv": lines(
                _BUYERS, lambda row: f"{row.user},{row.item},2520377,{_kind(row, 'pv', 'buy')},{row.time:.0f}"
            )
        },
        events=[row for row in _BUYERS if row.n % 2],
        flags=("--columns", "user=1,item=2,time=5", "--only", "4=buy"),
        asks=COLUMNS,
        why="five columns without names; which behaviours count",
    ),
    PublicFormat(
        name="Tmall (IJCAI 2015) `user_log_format1.csv`",
        layout="commas, header, times as month and day",
        files={
            "user_log_format1.csv": lines(
                _TMALL,
                lambda row: f"{row.user},{row.item},833,2882,2661,829,{_kind(row, '0', '2', '3')}",
                "user_id,item_id,cat_id,seller_id,brand_id,time_stamp,action_type",
            )
        },
        events=[row for row in _TMALL if row.n % 3],
        flags=("--only", "action_type=2,3", "--columns", "user=user_id,item=item_id"),
        asks=CHOICE,
        why="which actions count",
    ),
    PublicFormat(
        name="Taobao ads `raw_sample.csv`",
        layout="commas, header, clicked or not",
        files={
            "raw_sample.csv": lines(
                _ADS,
                lambda row: f"{row.user},{row.time:.0f},{row.item},430548_1007,{row.n % 2},{1 - row.n % 2}",
                "user,time_stamp,adgroup_id,pid,nonclk,clk",
            )
        },
        events=[row for row in _ADS if row.n % 2 == 0],
        flags=("--item", "adgroup_id", "--only", "clk=1"),
        asks=COLUMNS,
        why="`adgroup_id` is the item; clicks count",
    ),
    PublicFormat(
        name="H&M `transactions_train.csv`",
        layout="commas, header, ids with leading zeros",
        files={
            "transactions_train.csv": lines(
                _CLOTHES,
                lambda row: f"{row.date:%Y-%m-%d},{row.user},{row.item},0.050830508474576264,2",
                "t_dat,customer_id,article_id,price,sales_channel_id",
            )
        },
        events=_CLOTHES,
        flags=("--time", "t_dat"),
        at_once=True,
        why="`t_dat` is the time",
    ),
    PublicFormat(
        name="Instacart `order_products__prior.csv`, `orders.csv`",
        layout="commas, two tables that share an order",
        files={
            "order_products__prior.csv": b"order_id,product_id,add_to_cart_order,reordered\n"
            + b"".join(b"%d,%s,1,%d\n" % (row.n, row.item.encode(), row.n % 2) for row in _SHOP),
            "orders.csv": b"order_id,user_id,eval_set,order_number,order_dow,order_hour_of_day\n"
            + b"".join(b"%d,%s,prior,%d,2,8\n" % (row.n, row.user.encode(), row.n) for row in _SHOP),
        },
        events=[Event(row.user, row.item, None, None, row.n) for row in _SHOP],
        flags=(
            "--query",
            "SELECT user_id AS user, product_id AS item FROM 'order_products__prior.csv' JOIN 'orders.csv' "
            "USING (order_id)",
        ),
        asks=COLUMNS,
        why="two tables to join",
    ),
    PublicFormat(
        name="UCI Online Retail (Kaggle) `data.csv`",
        layout="commas, header, Latin-1, month first, ids as 17850.0, returns below zero",
        files={
            "data.csv": lines(
                _RECEIPTS,
                lambda row: (
                    f'53636{row.n},{row.item},"HEART, \u00a3{row.n}",6,'
                    f"{row.date.month}/{row.date.day}/{row.date:%Y} {row.date.hour}:{row.date:%M},2.55,"
                    f"{row.user}.0,United Kingdom"
                ),
                "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country",
            )
            .decode()
            .encode("latin1")
            + b"C536379,D,Discount,-1,12/1/2010 9:41,27.5,17850.0,United Kingdom\n"
        },
        events=_RECEIPTS,
        flags=(
            *("--encoding", "latin1", "--columns", "user=CustomerID,item=StockCode,time=InvoiceDate"),
            *("--ids", "cleaned", "--where", "TRY_CAST(Quantity AS DOUBLE) > 0"),
        ),
        asks="--encoding",
        why="the encoding, the columns, what pandas made of the ids, no returns",
    ),
    PublicFormat(
        name="Criteo (Kaggle) `train.txt`",
        layout="tabs, no header, 40 hashed features",
        files={
            "train.txt": b"".join(
                b"%d\t%s\n" % (n % 2, b"\t".join([b"1", b"", b"68fd1e64"] * 13)) for n in range(9)
            )
        },
        refused="columns",
        why="names no user and no item",
    ),
)
