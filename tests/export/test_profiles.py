"""Bundles for one user and for nobody: what is inside, what is not, what is refused."""

import dataclasses
import json
from pathlib import Path

import jsonschema
import numpy as np
import onnx
import pytest
from exports import ANY_HISTORY, FILES, OPEN, has_profile, make_source, with_fold_in
from onnx import numpy_helper

from device_bench.measure import Measurement, warm_latency
from device_bench.quality import ranking_quality
from recpress_edge.artifacts.bundle import EVALUATION_FILE, MANIFEST, USERS_FILE, open_bundle
from recpress_edge.artifacts.fold_in import read_fold_in
from recpress_edge.artifacts.formats import MODEL_FORMATS
from recpress_edge.artifacts.model_folder import read_student
from recpress_edge.artifacts.quantize import quantize
from recpress_edge.artifacts.recipes import RECIPES
from recpress_edge.core.errors import ArtifactError, ConfigError
from recpress_edge.core.files import canonical_json, sha256_bytes, write_json
from recpress_edge.device.recommender import Recommender
from recpress_edge.device.verify import verify_bundle
from recpress_export.build import build
from recpress_export.profiles import check_profile, user_index
from recpress_export.subjects.all_users import AllUsers
from recpress_export.subjects.history import History
from recpress_export.subjects.single_user import SingleUser

SCHEMA = json.loads((Path(__file__).parents[2] / "schemas/bundle-1.schema.json").read_text())


@pytest.fixture
def source(tmp_path):
    return make_source(tmp_path / "model")


@pytest.fixture
def make(source, tmp_path):
    def made(profile: str, recipe: str = "int8-dim", user: str = "user 3", file_format: str = "onnx"):
        asked = dataclasses.replace(source, file_format=file_format)
        subject = (
            History(asked, with_fold_in(tmp_path / "model", source), ANY_HISTORY)
            if profile == "history"
            else SingleUser(asked, user)
        )
        return build(subject, RECIPES[recipe], tmp_path / profile, gate=OPEN)

    return made


def tensors(path: Path) -> dict[str, np.ndarray]:
    return {t.name: numpy_helper.to_array(t) for t in onnx.load(path).graph.initializer}


@pytest.mark.parametrize(
    ("profile", "file_format", "recipe"),
    [(p, *f) for p in ("single-user", "history") for f in FILES if has_profile(f[1], p)],
)
def test_bundles_verify_themselves_and_fit_the_schema(make, profile, recipe, file_format, tmp_path):
    exported = make(profile, recipe, file_format=file_format)
    verified = verify_bundle(tmp_path / profile)
    assert verified.bundle.digest == exported.bundle.digest
    assert verified.bundle.contract.profile == profile
    assert verified.bundle.name.endswith(f"-{profile}")
    jsonschema.validate(json.loads((tmp_path / profile / MANIFEST).read_text()), SCHEMA)
    quality = ranking_quality(verified)
    assert quality["users"] == (1 if profile == "single-user" else 70)
    assert quality["cutoff"] == verified.bundle.quality["cutoff"] == 20  # 117 items are left of 120
    assert 0 <= quality["recall@20"] <= 1


@pytest.mark.parametrize("file_format", MODEL_FORMATS)
@pytest.mark.parametrize("profile", ["single-user", "history"])
def test_the_same_bytes_again(make, profile, file_format):
    assert not make(profile, file_format=file_format).unchanged
    assert make(profile, file_format=file_format).unchanged


def test_single_user_holds_one_user_and_nobody_else(make, source, tmp_path):
    bundle = make("single-user").bundle
    assert bundle.user_ids() == ["user 3"]
    assert (bundle.contract.n_users, bundle.contract.user_input) == (1, "")
    test = bundle.evaluation()
    assert test.users.tolist() == [0]
    assert test.seen(0).tolist() == source.test.seen(3).tolist()
    assert test.relevant(0).tolist() == source.test.relevant(3).tolist()
    assert set(bundle.selftest().users) == {0}
    inside = tensors(bundle.model_path)
    quantized = quantize(RECIPES["int8-dim"], source.model.user_emb, source.model.item_emb)
    assert (inside["user_emb"].astype(int) - 128).tolist() == [quantized.user_q[3].tolist()]
    assert inside["user_scale"].tolist() == [quantized.user_scale[3]]
    whole = b"".join(path.read_bytes() for path in (tmp_path / "single-user").iterdir())
    assert not [n for n in range(70) if n != 3 and f'"user {n}"'.encode() in whole]


def test_single_user_answers_as_the_all_users_bundle_does(make, source, tmp_path):
    everybody = build(AllUsers(source), RECIPES["int8-item"], tmp_path / "all", gate=OPEN).bundle
    one, all_of_them = (
        verify_bundle(make("single-user", "int8-item").bundle.folder),
        verify_bundle(everybody.folder),
    )
    for seen in ([], [4, 90], list(range(0, 120, 2))):
        mine, theirs = one.runtime.recommend(None, seen, 50), all_of_them.runtime.recommend(3, seen, 50)
        assert mine[0].tolist() == theirs[0].tolist()
        assert mine[1].tobytes() == theirs[1].tobytes()


def test_single_user_is_no_row_of_the_quality_chain_of_others(make):
    chain = make("single-user").bundle.quality["chain"]
    assert [stage["name"] for stage in chain] == ["htd_dim6-int8-single-user"]
    assert chain[0]["valid"] is None


def test_history_holds_nobody(make, source):
    bundle = make("history").bundle
    assert (bundle.folder / USERS_FILE).read_bytes() == b""
    assert bundle.user_ids() == []
    assert bundle.contract.n_users == 0
    assert set(bundle.evaluation().users.tolist()) == {-1}
    assert set(bundle.selftest().users) == {None}
    assert "user_emb" not in tensors(bundle.model_path)
    assert not [name for name, t in tensors(bundle.model_path).items() if len(np.atleast_1d(t)) == 70]
    real = {tuple(source.test.seen(row).tolist()) for row in range(70)}
    assert not real & set(bundle.selftest().seen)  # made up, so that no history is shipped as a test
    assert bundle.selftest().seen[0] == ()


def test_history_says_what_it_costs_beside_the_table(make):
    quality = make("history").bundle.quality
    assert quality["fold_in"]["reference"] == "the student's user table"
    assert quality["fold_in"]["users"] == 70
    assert quality["parity"]["exact_users"] == 70
    assert [stage["name"] for stage in quality["chain"]][-2:] == [
        "htd_dim6-fp32-history",
        "htd_dim6-int8-history",
    ]


def test_cards_say_what_may_be_shipped(make, tmp_path):
    make("history"), make("single-user")
    history, single = ((tmp_path / p / "CARD.md").read_text() for p in ("history", "single-user"))
    assert "holds no vector of any user" in history
    assert "Without a user table: on the same 70 validation users" in history
    assert "`user` int64" not in history + single
    assert "of one user and of nobody else" in single
    assert "Ship it to machines you control" not in history + single


def test_new_users_are_served_by_their_external_ids(make):
    verified = verify_bundle(make("history").bundle.folder)
    ask = Recommender.of(verified).recommend
    names = ask(None, ["item-4", "item-17"], 5).items
    items, _ = verified.runtime.recommend(None, [4, 17], 5)
    assert names == [f"item-{i}" for i in items]
    assert ask(None, [], 5).items != names  # nobody's list is another one
    with pytest.raises(ConfigError, match="holds no users"):
        ask("user 3", [], 5)
    answer = ask(None, ["item-4", "item-999", "item-17"], 5)  # the catalogue has dropped one of them
    assert (answer.items, answer.unknown) == (names, ("item-999",))
    with pytest.raises(ConfigError, match="unknown seen item 'item-999': not one of the bundle's 120 items"):
        ask(None, ["item-4", "item-999"], 5, strict=True)


def test_the_one_user_may_be_named_or_not(make):
    verified = verify_bundle(make("single-user").bundle.folder)
    ask = Recommender.of(verified).recommend
    assert list(ask(None, ["item-4"], 5)) == list(ask("user 3", ["item-4"], 5))
    with pytest.raises(ConfigError, match="unknown user 'user 4'"):
        ask("user 4", [], 5)


@pytest.mark.parametrize("profile", ["single-user", "history"])
def test_the_bench_times_them(make, profile):
    bundle = make(profile).bundle
    verified = verify_bundle(bundle.folder)
    job = Measurement(
        bundle=str(bundle.folder),
        model_path=str(bundle.model_path),
        contract=bundle.contract,
        digest=bundle.digest,
        threads=1,
        k=5,
        queries=1,
        seconds=1e-6,
        seed=0,
    )
    latency, _ = warm_latency(verified, job)
    assert min(latency["query"]) > 0


def test_unknown_users_get_a_suggestion(make):
    with pytest.raises(ConfigError, match=r"unknown user 'usr 13' among 70 users. Did you mean .*'user 13'"):
        make("single-user", user="usr 13")
    with pytest.raises(ConfigError, match=r"unknown user 'zzz' among 2 users. --user takes"):
        user_index("zzz", ["a", "b"])


def test_a_user_without_test_items_is_refused(source, tmp_path):
    rows = source.test
    fewer = dataclasses.replace(source, test=dataclasses.replace(rows, users=rows.users + 1))
    with pytest.raises(ConfigError, match="nothing in the test split"):
        build(SingleUser(fewer, "user 0"), RECIPES["fp32"], tmp_path / "one", gate=OPEN)
    assert not (tmp_path / "one").exists()


@pytest.mark.parametrize(
    ("profile", "user", "message"),
    [
        ("hystory", None, "Did you mean 'history'"),
        ("single-user", None, "say whose with --user ID"),
        ("all-users", "7", "--user goes with --profile single-user"),
        ("history", "7", "--user goes with --profile single-user"),
    ],
)
def test_flags_that_do_not_go_together(profile, user, message):
    with pytest.raises(ConfigError, match=message):
        check_profile(profile, user)


def resign(folder: Path, **contract) -> None:
    """Change the contract and sign the manifest again, as a careless tool would."""
    manifest = json.loads((folder / MANIFEST).read_text())
    manifest["contract"] |= contract
    body = {key: value for key, value in manifest.items() if key != "digest"}
    write_json(folder / MANIFEST, body | {"digest": sha256_bytes(canonical_json(body))})


@pytest.mark.parametrize(
    ("contract", "message"),
    [
        ({"profile": "family"}, "profile 'family'; this version knows all-users, single-user, history"),
        ({"n_users": 1}, "'n_users' out of range: 1"),
        ({"profile": "all-users"}, "'n_users' out of range: 0"),
        ({"user_input": "user"}, "a history file with user input 'user'"),
    ],
)
def test_a_contract_that_contradicts_its_profile_is_refused(make, contract, message):
    folder = make("history").bundle.folder
    resign(folder, **contract)
    with pytest.raises(ArtifactError, match=message):
        open_bundle(folder)


def test_named_users_in_a_history_bundle_are_refused(make, source):
    folder = make("history").bundle.folder
    bundle = open_bundle(folder)
    (folder / EVALUATION_FILE).write_bytes(source.test.to_bytes())
    with pytest.raises(ArtifactError, match="the bundle holds none"):
        bundle.evaluation()


def test_a_fold_in_of_another_model_is_refused(source, tmp_path):
    folder = tmp_path / "model"
    with_fold_in(folder, source)
    other = make_source(tmp_path / "other", dim=5).model
    with pytest.raises(ArtifactError, match="not the fold-in of this model"):
        read_fold_in(folder, other)
    (folder / "fold_in.safetensors").write_bytes(b"broken")
    with pytest.raises(ArtifactError, match="not a readable fold-in"):
        read_fold_in(folder, read_student(folder))
