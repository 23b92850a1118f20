"""Networks of two libraries, trained a little, brought and exported: their own Recall@50 and the files'.

    python benchmarks/outside_network.py --data ml-100k --work work --out networks-outside.json

(transformers and recbole have to be installed; with RECPRESS_DATA_DIR set). A BERT4Rec of Hugging Face goes
through an ONNX file, RecBole's SASRec through its own module and a safetensors file. Both libraries' own
code computes the first figures, in batches and without any code of ours.
"""

import argparse
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
import torch.nn.functional as F
from _bench import machine, opened, options, run, table
from numpy.typing import NDArray
from safetensors.torch import save_file
from torch import Tensor, nn

from recpress_edge.core.metrics import recall_at_k
from recpress_edge.core.units import format_bytes
from recpress_edge.data.holdout import sequence_holdout
from recpress_edge.data.interactions import Dataset
from recpress_edge.data.resolve import load_dataset
from recpress_edge.jobs.export import ExportRequest, ExportResult
from recpress_edge.jobs.network import NetworkImportRequest
from recpress_export.ranking import rank

SCHEMA: Final = "recpress.outside-networks/1"
LENGTH: Final = 50
DIM: Final = 64
BATCH: Final = 64
K: Final = 50

SASREC: Final = '''"""RecBole's SASRec, as it is trained there."""

from recbole.model.sequential_recommender import SASRec

CONFIG = {{
    "n_layers": 2, "n_heads": 2, "hidden_size": {dim}, "inner_size": {wide}, "hidden_dropout_prob": 0.2,
    "attn_dropout_prob": 0.2, "hidden_act": "gelu", "layer_norm_eps": 1e-12, "initializer_range": 0.02,
    "loss_type": "CE", "MAX_ITEM_LIST_LENGTH": {length}, "device": "cpu", "USER_ID_FIELD": "user_id",
    "ITEM_ID_FIELD": "item_id", "LIST_SUFFIX": "_list", "ITEM_LIST_LENGTH_FIELD": "item_length",
    "NEG_PREFIX": "neg_",
}}


class Catalogue:
    def num(self, field):
        return {rows}


def build():
    return SASRec(CONFIG, Catalogue())
'''


@dataclass(frozen=True, slots=True)
class Trained:
    """A network of another library."""

    library: str
    request: dict[str, Any]
    """Fields of the import's request."""
    scores: Callable[[list[list[int]]], Tensor]
    """Histories of item indices -> scores (B, I), by the library's own code."""


def windows(data: Dataset, epochs: int, width: int) -> Iterator[NDArray[np.int64]]:
    """Batches (B, width) of consecutive items of each user + 1, padded with 0 to the right."""
    rng = np.random.default_rng(0)
    items, starts = data.train.in_order().astype(np.int64) + 1, data.train.indptr
    for epoch in range(epochs):
        order = rng.permutation(np.flatnonzero(data.train.counts() > 1))
        print(f"epoch {epoch + 1} of {epochs}", file=sys.stderr)
        for first in range(0, order.size, BATCH):
            users = order[first : first + BATCH].tolist()
            rows = np.zeros((len(users), width), np.int64)
            for row, user in enumerate(users):
                own = items[starts[user] : starts[user + 1]]
                end = own.size if rng.random() < 0.3 else int(rng.integers(2, own.size + 1))
                read = own[max(end - width, 0) : end]
                rows[row, : read.size] = read
            yield rows


def padded(histories: list[list[int]], end: list[int], width: int) -> tuple[Tensor, Tensor]:
    """Tokens (B, width) and their numbers (B,)."""
    read = [[item + 1 for item in history[-LENGTH:]] + end for history in histories]
    rows = torch.tensor([tokens + [0] * (width - len(tokens)) for tokens in read])
    return rows, torch.tensor([len(tokens) for tokens in read])


def hugging_face(data: Dataset, work: Path, epochs: int) -> Trained:
    """A BERT4Rec: masked items of each user's sequence, the last of them most often."""
    from transformers import BertConfig, BertForMaskedLM

    mask_token, width, rng = data.n_items + 1, LENGTH + 1, np.random.default_rng(1)
    config = BertConfig(
        vocab_size=data.n_items + 2,
        hidden_size=DIM,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=2 * DIM,
        max_position_embeddings=width,
        pad_token_id=0,
    )
    network = BertForMaskedLM(config)
    optimizer = torch.optim.AdamW(network.parameters(), 1e-3)
    for rows in windows(data, epochs, width):
        hidden = (rng.random(rows.shape) < 0.2) & (rows > 0)
        last = (rows > 0).sum(axis=1) - 1
        hidden[np.arange(len(rows)), last] |= rng.random(len(rows)) < 0.6
        labels = torch.from_numpy(np.where(hidden, rows, -100))
        tokens = torch.from_numpy(np.where(hidden, mask_token, rows))
        _step(optimizer, network(input_ids=tokens, attention_mask=(tokens > 0).long(), labels=labels).loss)
    network.eval()
    path = work / "bert4rec.onnx"
    _write_onnx(_Logits(network), path, width)

    def scores(histories: list[list[int]]) -> Tensor:
        tokens, lengths = padded(histories, [mask_token], width)
        logits = network(input_ids=tokens, attention_mask=(tokens > 0).long()).logits
        found: Tensor = logits[torch.arange(len(histories)), lengths - 1, 1 : data.n_items + 1]
        return found

    inputs = ("history=input_ids", "mask=attention_mask")
    return Trained("transformers", {"onnx": path, "input": inputs, "end_token": mask_token}, scores)


class _Logits(nn.Module):
    """A masked language model's logits as the only output."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        found: Tensor = self.network(input_ids=input_ids, attention_mask=attention_mask).logits
        return found


def _write_onnx(module: nn.Module, path: Path, width: int) -> None:
    ones = (torch.ones(2, width, dtype=torch.int64), torch.ones(2, width, dtype=torch.int64))
    batch = {0: torch.export.Dim("batch")}
    names = {"input_names": ["input_ids", "attention_mask"], "output_names": ["logits"]}
    torch.onnx.export(
        module.eval(),
        ones,
        path,
        dynamo=True,
        opset_version=18,
        dynamic_shapes=(batch, batch),
        **names,  # type: ignore[arg-type]
    )


def recbole(data: Dataset, work: Path, epochs: int) -> Trained:
    """A SASRec, trained to name the next item at every place."""
    path = work / "recbole_sasrec.py"
    path.write_text(SASREC.format(dim=DIM, wide=4 * DIM, length=LENGTH, rows=data.n_items + 1))
    code: dict[str, Any] = {}
    exec(compile(path.read_text(), str(path), "exec"), code)
    network = code["build"]()
    optimizer = torch.optim.Adam(network.parameters(), 1e-3)
    for rows in windows(data, epochs, LENGTH + 1):
        wanted = torch.from_numpy(rows[:, 1:])
        tokens = torch.from_numpy(rows[:, :-1]) * (wanted > 0)
        places = torch.arange(LENGTH).expand_as(tokens)
        embedded = network.item_embedding(tokens) + network.position_embedding(places)
        states = network.trm_encoder(
            network.dropout(network.LayerNorm(embedded)), network.get_attention_mask(tokens)
        )[-1]
        logits = states @ network.item_embedding.weight.T
        _step(optimizer, F.cross_entropy(logits[wanted > 0], wanted[wanted > 0]))
    network.eval()
    weights = work / "recbole_sasrec.safetensors"
    save_file({name: value.clone() for name, value in network.state_dict().items()}, weights)

    def scores(histories: list[list[int]]) -> Tensor:
        tokens, lengths = padded(histories, [], LENGTH)
        found: Tensor = network.full_sort_predict({"item_id_list": tokens, "item_length": lengths})[:, 1:]
        return found

    request = {
        "module": f"{path}:build",
        "weights": weights,
        "input": ("history=item_seq", "length=item_seq_len"),
        "output": "vector",
        "items": f"{weights}:item_embedding.weight",
        "history_length": LENGTH,
    }
    return Trained("recbole", request, scores)


def _step(optimizer: torch.optim.Optimizer, loss: Tensor) -> None:
    optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    optimizer.step()


LIBRARIES: Final = {"bert4rec": hugging_face, "sasrec": recbole}


def own_recall(trained: Trained, data: Dataset) -> float:
    """Test Recall@50 by the library's own scores."""
    rows = sequence_holdout(data, "test")
    lists = []
    for first in range(0, rows.users.size, BATCH):
        batch = range(first, min(first + BATCH, rows.users.size))
        with torch.inference_mode():
            scores = trained.scores([rows.seen(row).tolist() for row in batch])
            for at, row in enumerate(batch):
                scores[at, torch.from_numpy(rows.seen(row).astype(np.int64))] = -torch.inf
            lists.append(scores.topk(K, dim=1).indices.numpy())
    relevant = [rows.relevant(row).tolist() for row in range(rows.users.size)]
    return recall_at_k(np.concatenate(lists), relevant)


def measured(name: str, data: Dataset, args: argparse.Namespace) -> dict[str, Any]:
    """One network: brought, exported in both recipes, each file measured on this machine."""
    torch.manual_seed(0)
    trained = LIBRARIES[name](data, args.work, args.epochs)
    ids = args.work / "items.txt"
    ids.write_text("".join(f"{item}\n" for item in data.item_ids))
    flags = {"name": name, "item_ids": ids, "item_offset": 1, "pad": "right", "data": args.data}
    model = NetworkImportRequest(**flags, **trained.request, work=args.work).run().model
    files = []
    for recipe in ("fp32", "int8-dynamic"):
        made = ExportRequest(
            student=str(model.folder), recipe=recipe, with_evaluation=True, work=args.work, force=True
        ).run()
        files.append(_file(made))
    return {
        "name": name,
        "library": trained.library,
        "epochs": args.epochs,
        "recall@50": own_recall(trained, data),
        "brought": {key: model.metadata[key] for key in ("metrics", "architecture", "imported")},
        "files": files,
    }


def _file(made: ExportResult) -> dict[str, Any]:
    bundle = made.exported.bundle
    rows = bundle.rows().anonymous()
    lists = rank(opened(bundle), rows).items
    parity = bundle.quality["parity"]
    return {
        "recipe": bundle.contract.recipe,
        "file_bytes": bundle.model_bytes,
        **{key: parity[key] for key in ("reference", "overlap", "change", "identical_users", "users")},
        "recall@50": recall_at_k(lists, [rows.relevant(row).tolist() for row in range(rows.users.size)]),
    }


def measure(args: argparse.Namespace) -> dict[str, Any]:
    torch.set_num_threads(1)
    args.work.mkdir(parents=True, exist_ok=True)
    data = load_dataset(args.data, args.work)
    return {
        "schema": SCHEMA,
        "basis": "measured",
        "dataset": data.facts(),
        "order_digest": data.order_digest(),
        **machine("torch", torch.__version__),
        "networks": [measured(name, data, args) for name in args.networks.split(",")],
    }


def show(record: dict[str, Any]) -> str:
    """A row for each file."""
    rows = [
        [
            f"{network['name']} ({network['library']})",
            file["recipe"],
            format_bytes(file["file_bytes"]),
            f"{network['recall@50']:.4f}",
            f"{file['recall@50']:.4f}",
        ]
        for network in record["networks"]
        for file in network["files"]
    ]
    return table(["network", "file", "size", "its own Recall@50", "the file's"], rows)


def parser() -> argparse.ArgumentParser:
    made = options(__doc__, work=Path("work"))
    made.add_argument("--data", default="ml-100k", help="an ordered data set; default: %(default)s")
    made.add_argument("--networks", default="bert4rec,sasrec", help="default: %(default)s")
    made.add_argument("--epochs", type=int, default=40, help="default: %(default)s")
    return made


if __name__ == "__main__":
    sys.exit(run(parser(), measure, show))
