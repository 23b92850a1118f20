"""The C engine's time on this machine against other ways to the same lists, interleaved.

    pip install faiss-cpu usearch
    python benchmarks/engine_host.py --out benchmarks/results/engine-host.json

All answer from Python on one thread: rows of length 1, seeded; 50 best without 23 seen items. onnxruntime and
LiteRT run the exporter's files. faiss and usearch search all items and cannot leave any out, so they fetch as
many more and the seen ones are dropped; numpy masks, partitions and sorts. Integers have one scale a user,
the engine's are ``score16`` up to 32 dimensions. Blocks take turns, forwards and backwards, and a factor is
the median over the rounds of a peer's median over the engine's on the same numbers: what else the machine
does is in both.
"""

import argparse
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
from _bench import Rounds, add_rounds, in_brackets, machine, options, ratio_interval, run, table, time_in_turn

from device_bench.measure import BlockTimer
from recpress_edge.artifacts.formats import model_file, writer_of
from recpress_edge.artifacts.quantize import quantize
from recpress_edge.artifacts.recipes import RECIPES
from recpress_edge.core.arrays import F32
from recpress_edge.core.errors import GateError
from recpress_edge.core.rng import stream
from recpress_edge.device.runtime import Runtime, open_runtime
from recpress_edge.testing.writer import contract_of, graph_of

N_USERS: Final = 200
SEEN: Final = 23
ASKED: Final = 100
SCORE16_DIM: Final = 32
"""The largest dimension for which score16 is the default."""
SIZES: Final = {
    25_181: (10, 20, 32, 64, 100, 200),
    100_000: (10, 20, 32, 64, 100, 200),
    1_000_000: (10, 20, 32),
}
"""Items, and dimensions: files of a million floats of more take more memory than is here."""
ENGINE: Final = {"int8": "c int8", "fp32": "c fp32"}
Question = tuple[int, np.ndarray[Any, np.dtype[np.int64]]]
Answering = Callable[[Any], object]


def measure(args: argparse.Namespace) -> dict[str, Any]:
    rounds = Rounds.of(args)
    rows = []
    for n_items in args.items:
        for dim in SIZES[n_items]:
            if dim in args.dims:
                rows.append(_compared(n_items, dim, rounds))
                print(_line(rows[-1]), file=sys.stderr, flush=True)
    import faiss
    import usearch

    others = {"faiss": faiss.__version__, "usearch": usearch.__version__, "numpy": np.__version__}
    return {"rows": rows, "seen": SEEN} | machine("recpress-c", "1", **others)


def _compared(n_items: int, dim: int, rounds: Rounds) -> dict[str, Any]:
    """Medians of all, and factors against the engine, at one size."""
    rng = stream(rounds.seed, "engine host", n_items, dim)
    items, users = (_unit(rng.standard_normal((n, dim), np.float32)) for n in (n_items, N_USERS))
    asked = [(user, rng.choice(n_items, SEEN, replace=False)) for user in range(ASKED)]
    with tempfile.TemporaryDirectory() as folder:
        answering = _runtimes(users, items, asked, rounds.k, Path(folder))
        answering |= _peers(users, items, asked, rounds.k)
        _check(answering, rounds.k)
        timers = [BlockTimer(answer, requests) for answer, requests in answering.values()]
        samples, wait_share = time_in_turn(timers, rounds, warm_up=rounds.block)
    medians = dict(zip(answering, np.median(samples, axis=(1, 2)).tolist(), strict=True))
    factors = {}
    for place, name in enumerate(answering):
        own = ENGINE["int8" if "int8" in name else "fp32"]
        if name != own:
            pair = samples[[place, list(answering).index(own)]]
            factors[name] = ratio_interval(pair, rounds.seed) | {"against": own}
    row: dict[str, Any] = {"items": n_items, "dim": dim, "median_ns": medians, "factors": factors}
    return row | {"wait_share": wait_share}


def _unit(rows: F32) -> F32:
    lengths: F32 = np.linalg.norm(rows, axis=1, keepdims=True)
    return rows / lengths


Peers = dict[str, tuple[Answering, list[Any]]]


def _runtimes(users: F32, items: F32, asked: list[Question], k: int, folder: Path) -> Peers:
    """The exporter's files behind the product's runtimes."""
    own = "score16" if items.shape[1] <= SCORE16_DIM else "int8-dim"
    found: Peers = {}
    for name, file_format, recipe in (
        ("c int8", "c", own),
        ("c fp32", "c", "fp32"),
        ("onnxruntime int8", "onnx", "int8-dim"),
        ("onnxruntime fp32", "onnx", "fp32"),
        ("LiteRT int8", "tflite", "int8-dim"),
        ("LiteRT fp32", "tflite", "fp32"),
    ):
        runtime = _opened(file_format, recipe, users, items, folder / name)
        found[name] = (runtime.run, [runtime.prepare(user, seen, k) for user, seen in asked])
    return found


def _opened(file_format: str, recipe: str, users: F32, items: F32, folder: Path) -> Runtime:
    folder.mkdir()
    path = folder / model_file(file_format)
    path.write_bytes(writer_of(file_format)(graph_of(recipe, users, items, file_format), {}))
    return open_runtime(path, contract_of(recipe, users, items, file_format))


def _peers(users: F32, items: F32, asked: list[Question], k: int) -> Peers:
    """Exact searches of libraries, and numpy."""
    import faiss
    from usearch.index import MetricKind, search

    faiss.omp_set_num_threads(1)
    flat = faiss.IndexFlatIP(items.shape[1])
    flat.add(items)
    by_dimension = np.ascontiguousarray(items.T)
    tables = quantize(RECIPES["int8-dim"], users, items)
    assert tables is not None
    item_q, user_q = np.ascontiguousarray(tables.item_q), tables.user_q

    def by_faiss(one: Question) -> object:
        return _without(flat.search(users[one[0]][None], k + SEEN)[1][0], one[1], k)

    def by_usearch(one: Question) -> object:
        row = user_q[one[0]]
        found = search(item_q, row, k + SEEN, metric=MetricKind.IP, exact=True, threads=1)
        return _without(np.asarray(found.keys, np.int64), one[1], k)

    def by_numpy(one: Question) -> object:
        scores = users[one[0]] @ by_dimension
        scores[one[1]] = -np.inf
        best = np.argpartition(scores, scores.size - k)[scores.size - k :]
        return best[np.lexsort((best, -scores[best]))]

    known = {"faiss flat fp32": by_faiss, "usearch exact int8": by_usearch, "numpy fp32": by_numpy}
    return {name: (answer, list(asked)) for name, answer in known.items()}


def _without(found: Any, seen: Any, k: int) -> Any:
    return found[~np.isin(found, seen)][:k]


def _check(answering: Mapping[str, tuple[Answering, list[Any]]], k: int) -> None:
    """All answer much the same: GateError for a peer that does something else. Recipes round differently."""
    for place in range(5):
        lists = {name: _items(answer(asked[place])) for name, (answer, asked) in answering.items()}
        for name, items in lists.items():
            if len(np.intersect1d(items, lists["numpy fp32"])) < 0.6 * k:
                raise GateError(f"{name} does not answer as numpy does")


def _items(answer: Any) -> Any:
    return answer[0] if isinstance(answer, tuple) else answer


def _line(row: Mapping[str, Any]) -> str:
    own = " ".join(f"{name} {row['median_ns'][name] / 1000:.1f} us" for name in ENGINE.values())
    others = " ".join(f"{name} {in_brackets(factor, 1)}" for name, factor in row["factors"].items())
    return f"{row['items']:,} x {row['dim']}: {own}; {others}"


def show(record: dict[str, Any]) -> str:
    names = list(record["rows"][0]["factors"])
    rows = [
        [
            f"{row['items']:,}",
            str(row["dim"]),
            *(f"{row['median_ns'][name] / 1000:.1f}" for name in ENGINE.values()),
        ]
        + [f"{row['factors'][name]['ratio']:.1f}" for name in names]
        for row in record["rows"]
    ]
    return table(["items", "dim", *(f"{name} us" for name in ENGINE.values()), *names], rows)


if __name__ == "__main__":
    parser = options(__doc__)
    add_rounds(parser, "rounds", "block", rounds=7, block=10)
    parser.add_argument("--items", type=int, nargs="+", default=list(SIZES), help="default: %(default)s")
    parser.add_argument(
        "--dims", type=int, nargs="+", default=list(SIZES[25_181]), help="default: %(default)s"
    )
    sys.exit(run(parser, measure, show))
