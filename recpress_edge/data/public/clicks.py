"""Public data sets with labels: who was shown what, where and when, and whether it was taken."""

from collections.abc import Mapping
from typing import Final

from recpress_edge.data.features.encode import parse_specs
from recpress_edge.data.features.labels import LabelRule
from recpress_edge.data.prepare import Preparation
from recpress_edge.data.public.kinds import MOVIELENS, PublicFile, PublicSet, PublicTable

_FRAPPE: Final = ",".join(
    f"{name}:categorical"
    for name in ("daytime", "weekday", "isweekend", "homework", "cost", "weather", "country", "city")
)


def _movielens(split: str, about: str, digest: str, labels_digest: str, features_digest: str) -> PublicSet:
    """MovieLens 100K, of which ratings of 4 and 5 are clicks, split so."""
    return PublicSet(
        about=f"MovieLens 100K, ratings of 4 and 5 as clicks, with users' and films' features, {about}",
        published="grouplens.org; as RecBole's atomic files: github.com/RUCAIBox/RecBole, dataset/ml-100k",
        lines="a rating, a film or a user after a typed header",
        files=(
            PublicFile(
                "ml-100k/ml-100k.inter",
                "sha256:4edb74e2a81178c2ba9ff381495f754f996c4aea351b1272ca36b43da0935eff",
            ),
        ),
        tables=(
            PublicTable(
                PublicFile(
                    "ml-100k/ml-100k.item",
                    "sha256:51d7cdf777ce5c0f5b32c1d947a4a81fe07d75e78abbe761e0cd4d0756064532",
                ),
                "item",
                "year=release_year:categorical,genres=class:many",
            ),
            PublicTable(
                PublicFile(
                    "ml-100k/ml-100k.user",
                    "sha256:4f670007d9cfbeb9807e757209af1555b9bcc186bde25e767f67cb67c6dd5972",
                ),
                "user",
                "age:categorical,gender,occupation,zip_code:categorical",
            ),
        ),
        how=Preparation(
            fmt="inter",
            split=split,
            label=LabelRule(least=4.0),
            time_features=("hour", "weekday"),
            licence=MOVIELENS,
        ),
        digest=digest,
        labels_digest=labels_digest,
        features_digest=features_digest,
        used=("results/clicks.md",),
    )


CLICK_SETS: Final[Mapping[str, PublicSet]] = {
    "frappe": PublicSet(
        about="Frappe app usage in context, the benchmark split Frappe_x1, train negatives drawn again by "
        "its rule (two a log, same context, apps that the user never used)",
        published="Baltrunas et al. 2015; the split: BARS, Frappe_x1 of huggingface.co/datasets/reczoo",
        lines="user, item, eight fields of context and a label",
        files=tuple(
            PublicFile(f"frappe/{part}.parquet", f"sha256:{digest}")
            for part, digest in (
                ("train", "a07b337c74da3b54ee01990e4a8d8a76d90b973eb4e4ac1e83d435995053c201"),
                ("valid", "3d6a038aba8ab4c48292156e2d0e8fbaa37df86d94e60153fccff3552a72ab31"),
                ("test", "f9b5a620839b3413912c9654fd299b0fce324b9cdc07366319e79e1257f71d94"),
            )
        ),
        how=Preparation(
            split="given",
            label=LabelRule(column="label"),
            context=parse_specs("--context", _FRAPPE),
            licence="Frappe's own terms: not for commercial use, no redistribution",
        ),
        digest="2240b8a72372b4412f8140b49021e7ae2b7cdd76b1a0d4c3d4a17e23ba129530",
        labels_digest="4d6b00156d805b4cd8a412923c78b9ef3f12fdf32af17c199e20a0261436faa4",
        features_digest="c8fed0391b3f2a7542686ae7c2279112d2c5ecac077470fb5332e74a34274b01",
        used=("results/clicks.md",),
    ),
    "ml-100k-ctr": _movielens(
        "rows:80/10/10",
        "rows drawn at random",
        "a6666217b30de5d1bfa23683977d6e70d6cc8a8a49d7b29cc8223f75b7049c5a",
        "3ba28ed5fae6e9f2984d467fb225e1ac172820089e37d2775cd737750458b1d3",
        "53d26035fda1b0194796277c74710e6d61c4122ba21cee20d2c6f449756afddd",
    ),
    "ml-100k-ctr-time": _movielens(
        "time:80/10/10",
        "one cut in time",
        "84ae581c14b6d12bb44f7410902e0fb6f4ad20ef5b8306a9aabfa0c25d8d73ae",
        "880b3059e4408c4c3a4a735e9987c644ff95ada547c1326058828ea97d4a2474",
        "0cf8abc2eaa6c0c72ba66b7a15ccbb1a4cbdaa0db0b42fd7df97c7f8b9a006e8",
    ),
}
