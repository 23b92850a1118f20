"""Public data sets by name: who publishes them, what their files must hash to, how they become data sets."""

from collections.abc import Mapping
from typing import Final

from recpress_edge.core.errors import unknown_name
from recpress_edge.data.filter import Filters
from recpress_edge.data.prepare import Preparation
from recpress_edge.data.public.clicks import CLICK_SETS
from recpress_edge.data.public.convert import as_sequences, held_out, with_header
from recpress_edge.data.public.kinds import MOVIELENS, Made, PublicFile, PublicSet
from recpress_edge.data.readers.columns import ColumnChoice


def _github(repository: str, commit: str, path: str) -> str:
    return f"https://raw.githubusercontent.com/{repository}/{commit}/{path}"


_NO_LICENCE: Final = "no licence stated by its authors; for research"
_USERS_DAT: Final = PublicFile(
    "citeulike/users.dat",
    "sha256:02d5d429b2c0362e0ed79f6ef204666b4092563d21493abf4dfb521e8a7078bf",
    _github("changun/CollMetric", "5e0604d50ddaf2f0f338bde1ce5e4cade51ac144", "citeulike-t/users.dat"),
)
_GOWALLA: Final = ("geon0325/LightGCNpp", "a18af1e1f65dc4b6a432ce5aeaae5bbe75ac1c2e")

# SHA-256 of archives: as published in tensorflow/datasets, url_checksums/movielens.txt. Of other files:
# computed from copies that have the size, the first and the last lines of the file at its address.
PUBLIC_SETS: Final[Mapping[str, PublicSet]] = {
    "citeulike": PublicSet(
        about="CiteULike articles that people saved, the split of Topology Distillation (KDD 2021)",
        published="CiteULike-t: github.com/changun/CollMetric; the split: github.com/SeongKu-Kang/"
        "Topology_Distillation_KDD21, as pickles",
        lines="user and item with a tab between, after a header line",
        files=(
            PublicFile(
                "citeulike/train.tsv",
                "sha256:f901af94197cab9a4d1b64d1b97e6c1e92ce258b3653558cfc17ebdf9a16d4b9",
            ),
            PublicFile(
                "citeulike/valid.tsv",
                "sha256:568b8abbd95ef40e99b78b54e44f7f973b4374666f3d1d0798f669a551706b30",
            ),
            PublicFile(
                "citeulike/test.tsv",
                "sha256:338639dcbc9a2afba54da93ade853ed2d6b4cdc352ebfebaa41aa69774642b93",
            ),
        ),
        how=Preparation(fmt="delimited", split="given", licence=_NO_LICENCE),
        made=Made(_USERS_DAT, held_out),
        digest="5f7647adfbbee0a443be2716be649f1c80a3b5eefc700c2ba259d46c5445ec9e",
        used=(
            "results/citeulike.md",
            "results/runtimes.md",
            "results/history.md",
            "results/networks.md",
            "results/emulated-arm.md",
            "results/topology.md",
            "methods.md",
        ),
    ),
    "citeulike-602020": PublicSet(
        about="CiteULike, users with 5 items and more, 60/20/20 of each user's items",
        published="github.com/changun/CollMetric, citeulike-t",
        lines="a user's count and its items: n item item …",
        files=(_USERS_DAT,),
        how=Preparation(
            fmt="counted-adjacency",
            split="ratio:60/20/20",
            filters=Filters(min_user=5),
            licence=_NO_LICENCE,
        ),
        digest="f81443c2e32cc3cc6486a7fd957350e6d73e6b0584b7baca0d5280ce36362e49",
        used=("methods.md",),
    ),
    "gowalla": PublicSet(
        about="Gowalla check-ins, the LightGCN split, a tenth of its train file for validation",
        published="github.com/geon0325/LightGCNpp and github.com/kuandeng/LightGCN, data/gowalla",
        lines="a user and its items: user item item …",
        files=(
            PublicFile(
                "gowalla/train.txt",
                "sha256:d47e01d060624f389956c0b2f89a1ed8c453ea158631cd2b5320c241f3e1a073",
                _github(*_GOWALLA, "data/gowalla/train.txt"),
            ),
            PublicFile(
                "gowalla/valid.txt",
                "sha256:ddc22c1cd9a7d14fd5cd0c98b1473b614f4323038fef74ae0d28cc9c92a08ba2",
                _github(*_GOWALLA, "data/gowalla/valid.txt"),
            ),
            PublicFile(
                "gowalla/test.txt",
                "sha256:099a2a73924e4b754dc6efd730d764f492321b53c38eb93298850c83acf57be3",
                _github("kuandeng/LightGCN", "master", "Data/gowalla/test.txt"),
            ),
        ),
        how=Preparation(fmt="adjacency", split="given", licence=_NO_LICENCE),
        digest="8248f41c346e416f5f14ead82bf934edf731100470ce51a1008f59af97a23c15",
        used=("methods.md",),
    ),
    # Implicit feedback from stars: 4 and 5 count as liked, the usual threshold on MovieLens.
    "ml-100k": PublicSet(
        about="MovieLens 100K, ratings of 4 and 5",
        published="grouplens.org; as RecBole's atomic file: github.com/RUCAIBox/RecBole, dataset/ml-100k",
        lines="user, item, rating and timestamp after a typed header",
        files=(
            PublicFile(
                "ml-100k/ml-100k.inter",
                "sha256:4edb74e2a81178c2ba9ff381495f754f996c4aea351b1272ca36b43da0935eff",
            ),
        ),
        how=Preparation(fmt="inter", split="loo-time", filters=Filters(min_rating=4.0), licence=MOVIELENS),
        made=Made(
            PublicFile(
                "ml-100k/ml-100k.zip",
                "sha256:50d2a982c66986937beb9ffb3aa76efe955bf3d5c6b761f4e3a7cd717c6a3229",
                "https://files.grouplens.org/datasets/movielens/ml-100k.zip",
                member="ml-100k/u.data",
            ),
            with_header,
        ),
        digest="919b81944b14af051733438a47e0901184a391ccffb54ea20b5eedb9fefab0f7",
        used=("data.md",),
    ),
    "ml-1m": PublicSet(
        about="MovieLens 1M, ratings of 4 and 5",
        published="grouplens.org",
        lines="user::item::rating::timestamp",
        files=(
            PublicFile(
                "ml-1m/ml-1m.zip",
                "sha256:a6898adb50b9ca05aa231689da44c217cb524e7ebd39d264c56e2832f2c54e20",
                "https://files.grouplens.org/datasets/movielens/ml-1m.zip",
                member="ml-1m/ratings.dat",
            ),
        ),
        how=Preparation(
            fmt="delimited",
            columns=ColumnChoice(separator="::", header=False),
            split="loo-time",
            filters=Filters(min_rating=4.0),
            licence=MOVIELENS,
        ),
        digest=None,
        used=(),
    ),
    "ml-1m-sequences": PublicSet(
        about="MovieLens 1M in the order of time, the file and ids of the sequential literature",
        published="github.com/kang205/SASRec, data/ml-1m.txt, a line for each pair",
        lines="a user and its items in the order of time: user item item …",
        files=(
            PublicFile(
                "ml-1m/sequences.txt",
                "sha256:f939258a859d16e43055e80bf8f7d66aeae3805fa21cb1b999fbafa9c6c5694b",
            ),
        ),
        how=Preparation(fmt="adjacency", split="loo-order", licence=MOVIELENS),
        made=Made(
            PublicFile(
                "ml-1m/ml-1m.txt",
                "sha256:b725f3acb3986fe3130bffd1e77a74d182a1f51799567a236dbd60270f95b0a2",
                _github(
                    "yues-zhao/sasrec_mental", "0fbb6a6c1f2933d618e40739ccabe3697325eba9", "data/ml-1m.txt"
                ),
            ),
            as_sequences,
        ),
        digest="b187f2d99bddf61030603fde5e1f5f122891de6f3aa7ed6e2f22275b70cdf8d9",
        used=(),
    ),
    "foursquare": PublicSet(
        about="Foursquare check-ins",
        published="github.com/hieunm44/hyperkdma, Data sets/Foursquare",
        lines="a user's count and its items: n item item …",
        files=(
            PublicFile(
                "foursquare/users.dat",
                "sha256:808c42ee414bdef5990e4f61143e2e02f1d266c59b303f37b4050a99d2536c78",
                _github(
                    "hieunm44/hyperkdma",
                    "11d24f6fcb044208d4b82b757877d5d33524dc86",
                    "Data%20sets/Foursquare/users.dat",
                ),
            ),
        ),
        how=Preparation(fmt="counted-adjacency", split="loo-random", licence=_NO_LICENCE),
        digest="99775cdc0b5549339b212e366a61c8c959d0282b8b96d861553ea5f3d956243f",
        used=(),
    ),
    # The lines hold no times, but each is in the order of time.
    "beauty": PublicSet(
        about="Amazon Beauty as sequences, as S3-Rec (CIKM 2020) ships it",
        published="github.com/aHuiWang/CIKM2020-S3Rec and github.com/salesforce/ICLRec, data/Beauty.txt",
        lines="a user and its items in the order of time: user item item …",
        files=(
            PublicFile(
                "beauty/sequences.txt",
                "sha256:226cce9c3105299ca0db9615d7d3fb32b3175e90da43100ae352599f0f0107b8",
                _github("salesforce/ICLRec", "4afb54a036ebbf4166ed5858122d89c0642251a7", "data/Beauty.txt"),
            ),
        ),
        how=Preparation(fmt="adjacency", split="loo-order", licence=_NO_LICENCE),
        digest="80f543188e4923c92063c357455fa00d5e0383c02cbfc4a6d69649676ce794f1",
        used=("results/networks.md",),
    ),
    "beauty-bert4rec": PublicSet(
        about="Amazon Beauty as BERT4Rec's authors (CIKM 2019) ship it",
        published="github.com/FeiSun/BERT4Rec, data/beauty.txt",
        lines="user and item with a blank between, in the order of time",
        files=(
            PublicFile(
                "beauty-bert4rec/beauty.txt",
                "sha256:f480b7a7403852342ffd8f9809bb30697dd669be31813d0e204b698fec86ef49",
            ),
        ),
        how=Preparation(
            fmt="delimited",
            columns=ColumnChoice(separator="space", header=False),
            split="loo-order",
            licence="Apache-2.0 (FeiSun/BERT4Rec)",
        ),
        digest="70fd8cf90a430829246daf48988cfefaee04519bc086d43213953cc5eda5ed11",
        used=(),
    ),
    **CLICK_SETS,
}


def public_set(name: str) -> PublicSet:
    """The table's entry; an unknown name gets a suggestion."""
    if name not in PUBLIC_SETS:
        raise unknown_name("public data set", name, list(PUBLIC_SETS))
    return PUBLIC_SETS[name]
