"""Two stages as TFLite: ids and scores of numpy to the bit, whole and stage by stage."""

import dataclasses

import numpy as np
import pytest
from made_two_stages import FOUND, N_ITEMS, N_USERS, OF_USERS, SEEN, STATED, requests_of, second_of, source_of

from recpress_edge.artifacts.clicks.weights import DenseLayer
from recpress_edge.artifacts.two_stages.bundle import open_two_stage_bundle
from recpress_edge.core.errors import ArtifactError, GateError
from recpress_edge.device.two_stages.litert import LiteRTApart, LiteRTStages
from recpress_edge.device.two_stages.onnx_apart import OnnxApart
from recpress_edge.device.two_stages.recommender import TwoStageRecommender
from recpress_edge.device.two_stages.runtimes import (
    NumpyTwoStages,
    OnnxTwoStages,
    StagedLists,
    StagedRequest,
    open_apart,
    open_stages,
)
from recpress_export.two_stages.build import build_two_stages

FORMATS = {"onnx": (OnnxTwoStages, OnnxApart), "tflite": (LiteRTStages, LiteRTApart)}


def of_format(file_format, folder, source=None):
    source = dataclasses.replace(source or source_of(), format=file_format)
    return build_two_stages(source, folder, force=True).bundle


@pytest.fixture(scope="module", params=FORMATS)
def bundle(request, tmp_path_factory):
    return of_format(request.param, tmp_path_factory.mktemp(request.param) / "both")


def asked_of(users, rows, widths=(0, 3, 50)):
    for at, (user, row) in enumerate(zip(users.tolist(), rows, strict=True)):
        seen = np.arange(widths[at % len(widths)]) + at % 4
        left = min(FOUND, N_ITEMS - seen.size)
        yield StagedRequest(user, seen, row, left, 1 + at % left)


def equal(found, wanted):
    for field in dataclasses.fields(StagedLists):
        np.testing.assert_array_equal(getattr(found, field.name), getattr(wanted, field.name))


def test_the_file_gives_numpys_ids_and_scores_to_the_bit(bundle):
    file, reference = (
        open_stages(bundle.model_path, bundle.contract),
        NumpyTwoStages(bundle.model_path, bundle.contract),
    )
    assert isinstance(file, FORMATS[bundle.contract.format][0])
    _, rows, users = requests_of(300, 7)
    for asked in asked_of(users, rows):
        equal(file.lists(asked), reference.lists(asked))


def test_each_stage_alone_is_that_of_the_file(bundle):
    file, apart = (of(bundle.model_path, bundle.contract) for of in (open_stages, open_apart))
    assert isinstance(apart, FORMATS[bundle.contract.format][1])
    _, rows, users = requests_of(60, 8)
    for asked in asked_of(users, rows):
        whole, first = file.lists(asked), apart.retrieve(asked)
        equal(StagedLists(*apart.rerank(asked, *first), *first), whole)


def test_the_formats_answer_alike_to_the_bit(tmp_path):
    answers = [
        TwoStageRecommender.load(of_format(name, tmp_path / name).folder).recommend(
            "u7", ["i3", "i9"], {"hour": 8, "moods": ["glad", "tired"], "gap": 9.0}, 15
        )
        for name in FORMATS
    ]
    assert answers[0].items == answers[1].items
    assert answers[0].first == answers[1].first
    np.testing.assert_array_equal(answers[0].scores, answers[1].scores)


def narrow_source(of_users):
    """A source whose fields have one value each, with fields of users or without."""
    stated = tuple(field for field in STATED if field.kind != "many")
    users = OF_USERS[:1] if of_users else ()
    full, source = second_of(), source_of()
    kept = [*users, *stated, *SEEN]
    at = [(*OF_USERS, *STATED, *SEEN).index(field) for field in kept]
    starts = np.cumsum([0, *(field.size for field in full.fields)])
    rows = np.concatenate([np.arange(starts[one], starts[one + 1]) for one in at])
    columns = np.concatenate([np.arange(4) + 4 * one for one in at])
    first = DenseLayer(full.layers[0].weight[:, columns], full.layers[0].bias)
    second = dataclasses.replace(
        full, fields=tuple(kept), embedding=full.embedding[rows], layers=(first, *full.layers[1:])
    )
    asked = [0, 1, 2, 5, 6, 7]  # of the columns of a request, without moods
    held_out = {
        split: dataclasses.replace(held, rows=np.ascontiguousarray(held.rows[:, asked]))
        for split, held in source.held_out.items()
    }
    own = source.user_rows[:, : len(users)]
    stated_rows = held_out["valid"].rows
    return dataclasses.replace(
        source,
        second=second,
        of_users=users,
        fields=(*stated, *SEEN),
        user_rows=own,
        typical=np.hstack([own[held_out["valid"].users], stated_rows]),
        held_out=held_out,
    )


@pytest.mark.parametrize("file_format", FORMATS)
@pytest.mark.parametrize("of_users", [True, False])
def test_fields_of_one_value_and_no_fields_of_users(tmp_path, file_format, of_users):
    source = narrow_source(of_users)
    made = of_format(file_format, tmp_path / "narrow", source)
    test = made.quality["stages"]["gain"]["test"]
    assert test["compared"] == test["users"]  # every list is numpy's
    file, apart = (of(made.model_path, made.contract) for of in (open_stages, open_apart))
    held = source.held_out["test"]
    for at in range(30):
        asked = held.asked(at, made.contract)
        first = apart.retrieve(asked)
        equal(StagedLists(*apart.rerank(asked, *first), *first), file.lists(asked))


def test_rows_of_users_beyond_16_bits(tmp_path):
    likes = dataclasses.replace(OF_USERS[0], values=tuple(f"u{user}" for user in range(40_000)))
    source = source_of()
    table = np.zeros((40_002 - N_USERS - 2, 4), np.float32)
    embedding = np.insert(source.second.embedding, N_USERS + 2, table, axis=0)
    fields = (likes, *source.second.fields[1:])
    second = dataclasses.replace(source.second, fields=fields, embedding=embedding)
    own = source.user_rows.copy()
    own[0, 0] = 40_001
    large = dataclasses.replace(
        source, second=second, of_users=(likes, OF_USERS[1]), user_rows=own, typical=source.typical
    )
    for file_format in FORMATS:
        made = of_format(file_format, tmp_path / file_format, large)
        assert made.quality["stages"]["gain"]["valid"]["compared"] == 120


def test_a_file_that_computes_otherwise_is_not_published(tmp_path, monkeypatch):
    class Otherwise(LiteRTStages):
        def lists(self, asked):
            found = super().lists(asked)
            return dataclasses.replace(found, scores=found.scores + np.float32(1e-6))

    monkeypatch.setattr("recpress_edge.device.two_stages.litert.LiteRTStages", Otherwise)
    with pytest.raises(GateError, match=r"\(scores\): it does not compute its tables"):
        of_format("tflite", tmp_path / "other")


def test_the_bundle_says_its_format(tmp_path):
    made = of_format("tflite", tmp_path / "both")
    assert made.name == "rerank_dim4-int8-tflite"
    assert (made.contract.model_file, made.contract.first.seen_capacity) == ("model.tflite", 128)
    assert "`model.tflite`" in (made.folder / "CARD.md").read_text()
    assert made.provenance["versions"].keys() == {"numpy", "ai-edge-litert", "flatbuffers"}
    (made.folder / "model.tflite").write_bytes(b"nothing")
    with pytest.raises(ArtifactError):
        open_two_stage_bundle(made.folder)
