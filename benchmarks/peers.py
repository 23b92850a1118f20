"""One bundle, and other ways to answer its queries: naive fp32 ONNX, faiss's flat index, numpy.

    python benchmarks/peers.py dist/soft_dim20-int8 dist/soft_dim20-fp32 --out benchmarks/results/peers.json

One process, one thread, the same queries, blocks in turn (A B C D D C B A). faiss (pip install faiss-cpu)
cannot leave out seen items, so it fetches k + seen and they are filtered; numpy masks, partitions and sorts.
Both search the tables of the fp32 bundle. Before anything is timed, every answer of these two is compared
with the fp32 bundle's, and each bundle with its self-test.
"""

import argparse
import ctypes
import dataclasses
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import _bench
import numpy as np
import onnx
from onnx import numpy_helper

from device_bench.measure import BlockTimer
from recpress_edge.artifacts.bundle import Bundle, open_bundle
from recpress_edge.core.arrays import F32
from recpress_edge.core.errors import ArtifactError, ConfigError
from recpress_edge.core.metrics import overlap_by_user
from recpress_edge.core.stats import percentile
from recpress_edge.core.units import format_ns
from recpress_edge.device.onnx_runtime import Feed, import_onnxruntime
from recpress_edge.device.query import Answer

SCHEMA: Final = "recpress.peers/1"
Peer = Callable[[Feed], Answer]

ONE_THREAD: Final = {name: "1" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")}
# Set on some build machines for an old numpy; with a current one they choose a slow kernel.
NOT_SET: Final = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")
SCORE_TOLERANCE: Final = 1e-5  # of the largest score: float32 sums in another order


def numpy_peer(user_emb: F32, item_emb: F32) -> Peer:
    """Matrix times vector, mask, partition, sort. user_emb (U, D), item_emb (I, D)."""
    by_dimension = np.ascontiguousarray(item_emb.T)  # (D, I): the faster of the two layouts

    def answer(feed: Feed) -> Answer:
        k = int(feed["k"][0])
        scores = user_emb[feed["user"][0]] @ by_dimension  # (I,)
        scores[feed["seen"]] = -np.inf
        best = np.argpartition(scores, scores.size - k)[scores.size - k :]
        items = best[np.lexsort((best, -scores[best]))]
        return items, scores[items]

    return answer


def faiss_peer(user_emb: F32, item_emb: F32) -> Peer:
    """IndexFlatIP on one thread, over-fetched by the seen items, which are then left out."""
    faiss = import_faiss()
    faiss.omp_set_num_threads(1)
    index = faiss.IndexFlatIP(item_emb.shape[1])
    index.add(np.ascontiguousarray(item_emb))
    is_seen = np.zeros(len(item_emb), np.bool_)

    def answer(feed: Feed) -> Answer:
        user, seen, k = int(feed["user"][0]), feed["seen"], int(feed["k"][0])
        scores, items = index.search(user_emb[user : user + 1], min(k + seen.size, len(is_seen)))
        is_seen[seen] = True
        kept = np.flatnonzero(~is_seen[items[0]])[:k]
        is_seen[seen] = False
        return items[0][kept], scores[0][kept]

    return answer


def import_faiss() -> Any:
    """The faiss module, or one line that says how to get it."""
    try:
        import faiss
    except ImportError as error:
        raise ConfigError(f"faiss cannot be imported ({error}). Run: pip install faiss-cpu") from None
    return faiss


def tables_of(bundle: Bundle) -> tuple[F32, F32]:
    """user_emb (U, D) and item_emb (I, D) of an fp32 bundle."""
    if bundle.contract.recipe != "fp32":
        raise ConfigError(f"{bundle.folder} is {bundle.contract.recipe}; the second bundle must be fp32")
    tensors = {t.name: numpy_helper.to_array(t) for t in onnx.load(bundle.model_path).graph.initializer}
    return tensors["user_emb"], tensors["item_emb"].T[: bundle.contract.n_items]


def check_same(name: str, peer: Peer, reference: Peer, feeds: Sequence[Feed]) -> dict[str, float]:
    """ArtifactError unless the k best scores of every query are the reference's, up to float32 rounding."""
    identical = 0
    for feed in feeds:
        (items, scores), (wanted, best) = peer(feed), reference(feed)
        if items.size != wanted.size or np.abs(scores - best).max() > SCORE_TOLERANCE * np.abs(best).max():
            raise ArtifactError(f"{name} gives user {feed['user'][0]} other scores than the fp32 bundle")
        identical += bool((items == wanted).all())
    return {"queries": len(feeds), "identical_lists": identical / len(feeds)}


def overlap(found: Peer, reference: Peer, feeds: Sequence[Feed]) -> float:
    """Mean share of the reference's items that are found too."""
    shares = [overlap_by_user(found(feed)[0][None], reference(feed)[0][None])[0] for feed in feeds]
    return float(np.mean(shares))


def parser() -> argparse.ArgumentParser:
    made = _bench.options(__doc__)
    made.add_argument("int8", type=Path)
    made.add_argument("fp32", type=Path)
    _bench.add_rounds(made, "rounds", "block", "k", "seed")
    return made


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """Check all four, time them in turn, and put an interval on each one's ratio to the int8 bundle."""
    rounds, bundles = _bench.Rounds.of(args), [open_bundle(args.int8), open_bundle(args.fp32)]
    _bench.check_same_users(bundles)
    runtimes = [_bench.opened(bundle, rounds.threads) for bundle in bundles]
    feeds, tables = _bench.queries(runtimes[0], bundles[0], rounds), tables_of(bundles[1])
    peers: dict[str, Peer] = {
        bundles[0].contract.recipe: runtimes[0].run,
        "naive fp32 ONNX": runtimes[1].run,
        "faiss IndexFlatIP": faiss_peer(*tables),
        "numpy fp32": numpy_peer(*tables),
    }
    first, reference, *others = peers
    checked = {name: check_same(name, peers[name], peers[reference], feeds) for name in others}
    shared = overlap(peers[first], peers[reference], feeds)
    checked[first] = {"queries": len(feeds), "overlap_with_fp32": shared}
    samples, wait_share = _bench.time_in_turn([BlockTimer(peer, feeds) for peer in peers.values()], rounds)
    return {
        "schema": SCHEMA,
        "basis": "measured",
        "bundles": [{"name": b.name, "sha256": b.digest, "file_bytes": b.model_bytes} for b in bundles],
        "dim": bundles[0].contract.dim,
        "n_items": bundles[0].contract.n_items,
        "ratio_to": first,
        "peers": [
            {
                "name": name,
                "p50_ns": percentile(samples[at].ravel(), 50),
                **_bench.ratio_interval(samples[[at, 0]], rounds.seed),
                "checked": checked.get(name),
                **_bench.kept(samples[at]),
            }
            for at, name in enumerate(peers)
        ],
        "wait_share": wait_share,
        "protocol": dataclasses.asdict(rounds),
        **_bench.machine("onnxruntime", import_onnxruntime().__version__, **blas_facts()),
    }


def blas_facts() -> dict[str, str]:
    """Which code faiss and numpy run: their build, and the kernel that numpy's OpenBLAS chose."""
    faiss = import_faiss()
    facts = {"faiss": faiss.__version__, "faiss_build": faiss.get_compile_options().strip()}
    mapped = {
        line.split()[-1] for line in Path("/proc/self/maps").read_text().splitlines() if "openblas" in line
    }
    for path in sorted(name for name in mapped if "numpy" in name):
        library = ctypes.CDLL(path)
        for symbol in ("scipy_openblas_get_corename64_", "openblas_get_corename64_", "openblas_get_corename"):
            if hasattr(library, symbol):
                function = getattr(library, symbol)
                function.restype = ctypes.c_char_p
                facts["numpy_openblas_kernel"] = function().decode()
    return facts


def clean_environment() -> None:
    """Start again with one thread and the kernels that the libraries choose: they look when they load."""
    wanted = {k: v for k, v in os.environ.items() if k not in NOT_SET} | ONE_THREAD
    if wanted != dict(os.environ):
        os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], wanted)


def show(record: dict[str, Any]) -> str:
    """Each peer's median and its ratio to the int8 bundle."""
    rows = [
        [p["name"], format_ns(p["p50_ns"]), f"{p['ratio']:.2f}×", f"{p['low']:.2f} – {p['high']:.2f}"]
        for p in record["peers"]
    ]
    return _bench.table([f"dim {record['dim']}, {record['n_items']:,} items", "p50", "time", "95 %"], rows)


if __name__ == "__main__":
    parser().parse_args()  # flags are checked before the process starts again
    clean_environment()
    sys.exit(_bench.run(parser(), measure, show))
