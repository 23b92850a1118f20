"""Networks of the real libraries: their own scores are the bundle's, for every held-out user."""

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from test_network_import import log, request  # noqa: F401

from recpress_edge.data.holdout import sequence_holdout
from recpress_edge.device.recommender import Recommender
from recpress_edge.jobs.export import ExportRequest

LENGTH = 6
NONE_INSTALLED = "none of our extras brings it: pip install {} beside the dev install"

RECBOLE = """
from recbole.model.sequential_recommender import SASRec

CONFIG = {{
    "n_layers": 2, "n_heads": 2, "hidden_size": 16, "inner_size": 32, "hidden_dropout_prob": 0.2,
    "attn_dropout_prob": 0.2, "hidden_act": "gelu", "layer_norm_eps": 1e-12, "initializer_range": 0.2,
    "loss_type": "CE", "MAX_ITEM_LIST_LENGTH": {length}, "device": "cpu", "USER_ID_FIELD": "user_id",
    "ITEM_ID_FIELD": "item_id", "LIST_SUFFIX": "_list", "ITEM_LIST_LENGTH_FIELD": "item_length",
    "NEG_PREFIX": "neg_",
}}

class Catalogue:
    def num(self, field):
        return {rows}

def build():
    return SASRec(CONFIG, Catalogue())
"""


def padded(history, *, end=None):
    """Tokens (1, L) padded to the right, and how many are none."""
    tokens = [item + 1 for item in history[-LENGTH:]] + ([] if end is None else [end])
    width = LENGTH + (end is not None)
    return torch.tensor([tokens + [0] * (width - len(tokens))]), torch.tensor([len(tokens)])


def assert_same_lists(log, model, out, scores_of):  # noqa: F811
    """The bundle's first ten are those of ``scores_of(history)`` (I,), for each held-out user."""
    _, data = log
    ExportRequest(student=str(model.folder), work=log[0], out=out).run()
    bundle, rows = Recommender.load(out), sequence_holdout(data, "test")
    assert rows.users.size > 50
    for row in range(rows.users.size):
        seen = rows.seen(row).tolist()
        with torch.inference_mode():
            scores = scores_of(seen).numpy().astype(np.float64)
        scores[seen] = -np.inf
        best = np.argsort(-scores, kind="stable")[:10]
        found = bundle.recommend(None, seen=[data.item_ids[item] for item in seen], k=10)
        assert list(found.items) == [data.item_ids[item] for item in best]
        assert np.allclose(found.scores, scores[best], rtol=1e-4, atol=1e-4)


def write_items(tmp_path, data, *, first=()):
    path = tmp_path / "items.txt"
    path.write_text("".join(f"{name}\n" for name in (*first, *data.item_ids)))
    return path


def test_bert4rec_of_hugging_face(log, tmp_path):  # noqa: F811
    transformers = pytest.importorskip("transformers", reason=NONE_INSTALLED.format("transformers"))
    _, data = log
    mask_token = data.n_items + 1
    torch.manual_seed(0)
    config = transformers.BertConfig(
        vocab_size=data.n_items + 2,
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=LENGTH + 1,
        pad_token_id=0,
        initializer_range=0.5,
    )
    network = transformers.BertForMaskedLM(config).eval()

    class Logits(torch.nn.Module):
        def forward(self, input_ids, attention_mask):
            return network(input_ids=input_ids, attention_mask=attention_mask).logits

    path = tmp_path / "bert.onnx"
    example = torch.ones(2, LENGTH + 1, dtype=torch.int64), torch.ones(2, LENGTH + 1, dtype=torch.int64)
    batch = {0: torch.export.Dim("batch")}
    module = Logits().eval()
    module.network = network
    torch.onnx.export(
        module,
        example,
        path,
        dynamo=True,
        opset_version=18,
        input_names=["input_ids", "attention_mask"],
        output_names=["logits"],
        dynamic_shapes=(batch, batch),
    )
    write_items(tmp_path, data)
    model = (
        request(
            log,
            path,
            name="bert4rec",
            input=("history=input_ids", "mask=attention_mask"),
            end_token=mask_token,
        )
        .run()
        .model
    )
    assert model.metadata["imported"]["checks"] == {"batches": True, "padding": "unread", "traced": None}

    def scores_of(history):
        tokens, length = padded(history, end=mask_token)
        logits = network(input_ids=tokens, attention_mask=(tokens != 0).long()).logits
        return logits[0, length[0] - 1, 1 : data.n_items + 1]

    assert_same_lists(log, model, tmp_path / "out", scores_of)


def test_sasrec_of_recbole(log, tmp_path):  # noqa: F811
    sequential = pytest.importorskip(
        "recbole.model.sequential_recommender", reason=NONE_INSTALLED.format("recbole")
    )
    _, data = log
    path = tmp_path / "sasrec.py"
    path.write_text(RECBOLE.format(length=LENGTH, rows=data.n_items + 1))
    code: dict = {}
    exec(path.read_text(), code)
    torch.manual_seed(0)
    network = code["build"]().eval()
    assert isinstance(network, sequential.SASRec)
    save_file(
        {name: value.clone() for name, value in network.state_dict().items()}, tmp_path / "w.safetensors"
    )
    model = (
        request(
            log,
            path,
            name="sasrec",
            onnx=None,
            module=f"{path}:build",
            weights=tmp_path / "w.safetensors",
            input=("history=item_seq", "length=item_seq_len"),
            output="vector",
            items=f"{tmp_path / 'w.safetensors'}:item_embedding.weight",
            item_ids=write_items(tmp_path, data, first=["[PAD]"]),
            item_offset=0,
            history_length=LENGTH,
        )
        .run()
        .model
    )
    assert model.metadata["imported"]["checks"]["padding"] == "unread"

    def scores_of(history):
        return network.full_sort_predict(
            dict(zip(("item_id_list", "item_length"), padded(history), strict=True))
        )[0, 1:]

    assert_same_lists(log, model, tmp_path / "out", scores_of)
