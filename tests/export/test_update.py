"""A changed catalogue: same indices, same scores where nothing changed, never a retired item."""

import json

import numpy as np
import onnx
import onnxruntime
import pytest
from exports import DIM, FILES, N_ITEMS, exported, items_file, rows
from jsonschema import validate

from recpress_edge.artifacts.bundle import MANIFEST, open_bundle, write_manifest
from recpress_edge.artifacts.item_features import write_item_features
from recpress_edge.artifacts.quantize import quantize, to_float16
from recpress_edge.artifacts.recipes import RECIPES
from recpress_edge.artifacts.scales import SCALES_FILE
from recpress_edge.artifacts.titles import write_titles
from recpress_edge.core.errors import ArtifactError, ConfigError, DataError, GateError
from recpress_edge.device.litert import import_litert
from recpress_edge.device.recommender import Recommender
from recpress_edge.device.runtime import open_runtime
from recpress_edge.device.verify import verify_bundle
from recpress_export.graph import write_model
from recpress_export.inspect import read_contents
from recpress_export.update import apply as update
from recpress_export.update.apply import update_bundle
from recpress_export.update.changes import read_changes
from recpress_export.update.stored import UPDATABLE, read_stored, store_rows

pytestmark = pytest.mark.usefixtures("workers_here")


def changed(bundle, target=None, force=False, **arrays):
    path = items_file(bundle.folder.parent / "items.npz", **arrays)
    return update_bundle(bundle.folder, read_changes(path), target, force=force)


@pytest.fixture(params=FILES, ids="-".join)
def bundle(request, tmp_path):
    file_format, recipe = request.param
    return exported(tmp_path / "bundle", recipe, file_format)


@pytest.fixture
def int8(tmp_path):
    return exported(tmp_path / "bundle", "int8-dim")


def test_reading_and_writing_gives_the_same_bytes(bundle):
    stored = read_stored(bundle)
    assert write_model(stored.graph(bundle.contract), stored.metadata) == bundle.model_path.read_bytes()


def test_every_recipe_can_be_updated():
    assert set(UPDATABLE) == set(RECIPES)


def test_new_rows_come_behind_the_others(bundle):
    stored = read_stored(bundle)
    emb = rows(3) * 0.5
    result = changed(bundle, append_ids=["a", "b", "c"], append_emb=emb)
    after = read_stored(result.bundle)
    assert after.item_table[:N_ITEMS].tobytes() == stored.item_table.tobytes()
    new = store_rows(stored, emb)
    assert after.item_table[N_ITEMS:].tobytes() == new.values.tobytes()
    assert not new.clipped.any()


def test_appended_items_are_found_by_their_id(bundle):
    """The favourite of a user is its own vector, made long."""
    stored = read_stored(bundle)
    scale = np.ones(DIM) if stored.int8 is None else stored.int8.item_scale.astype(np.float64)
    users = stored.user_table.astype(np.float64) / scale  # unfolded, up to the user's own scale
    most = 110 if bundle.contract.recipe == "score16" else 127  # its scores must fit 16 bits
    emb = (users[:5] / np.abs(users[:5] / scale).max(axis=1, keepdims=True) * most).astype(np.float32)
    if stored.int8 is None:
        emb = (users[:5] * 9).astype(np.float32)
    new = changed(bundle, append_ids=[f"of {n}" for n in range(5)], append_emb=emb).bundle
    verified = verify_bundle(new.folder)
    ask = Recommender.of(verified)
    for user in range(5):
        assert f"of {user}" in ask.recommend(f"user {user}", [], 3).items


def test_replaced_items_change_and_nothing_else_does(bundle):
    old = open_runtime(bundle.model_path, bundle.contract)
    before = [
        dict(zip(*map(np.ndarray.tolist, old.recommend(u, [], N_ITEMS)), strict=True)) for u in range(70)
    ]
    result = changed(bundle, replace_ids=["item-5"], replace_emb=np.zeros((1, DIM), np.float32))
    new = open_runtime(result.bundle.model_path, result.bundle.contract)
    tolerance = result.bundle.contract.score_tolerance
    for user in range(70):
        after = dict(zip(*map(np.ndarray.tolist, new.recommend(user, [], N_ITEMS)), strict=True))
        assert after.pop(5) == 0
        for item, score in after.items():
            assert abs(score - before[user][item]) <= tolerance
    assert result.compared_scores == 8 * (N_ITEMS - 1)


def bare(bundle):
    """The file as an application would ask it, without our runtimes: user, seen, k -> items."""
    if bundle.contract.format == "onnx":
        session = onnxruntime.InferenceSession(str(bundle.model_path))

        def ask(**feed):
            return session.run(["items"], {n: np.array(v, np.int64) for n, v in feed.items()})[0]

        return ask
    if bundle.contract.format == "c":  # the engine knows nothing but the file
        runtime = open_runtime(bundle.model_path, bundle.contract)
        return lambda user, seen, k: runtime.recommend(user[0], seen, k[0])[0]
    interpreter = import_litert().Interpreter(str(bundle.model_path))
    interpreter.allocate_tensors()
    signature = interpreter.get_signature_runner()

    def ask_tflite(user, seen, k):
        padded = np.full(128, bundle.contract.n_items, np.int32)
        padded[: len(seen)] = seen
        return signature(user=np.array(user, np.int32), seen=padded, k=np.array(k, np.int32))["items"]

    return ask_tflite


def test_a_retired_item_is_never_recommended_even_without_our_code(bundle):
    """Nothing is seen, then everything but ten items."""
    new = changed(bundle, retire_ids=["item-0", "item-17", "item-119"], append_ids=["new"]).bundle
    assert new.contract.retired == (0, 17, 119)
    ask = bare(new)
    others = sorted(set(range(N_ITEMS + 1)) - {0, 17, 119})
    for user in range(70):
        for seen in ([], others[:-10], [0, 0, 17]):
            k = len(set(others) - set(seen))
            items = ask(user=[user], seen=seen, k=[k])
            assert sorted(items.tolist()) == sorted(set(others) - set(seen))


def test_the_host_counts_retired_items_as_seen(int8):
    new = changed(int8, retire_ids=["item-1", "item-2"]).bundle
    runtime = open_runtime(new.model_path, new.contract)
    assert sorted(runtime.recommend(0, [2, 3], 999)[0].tolist()) == [0, *range(4, N_ITEMS)]
    assert runtime.recommend(0, [i for i in range(N_ITEMS) if i not in (1, 2)], 5)[0].size == 0


def test_updates_follow_each_other(bundle):
    first = changed(bundle, append_ids=["a"], retire_ids=["item-3"])
    second = changed(first.bundle, replace_ids=["a"], retire_ids=["item-1"], append_ids=["b"])
    final = second.bundle
    assert final.item_ids() == [*(f"item-{n}" for n in range(N_ITEMS)), "a", "b"]
    assert final.contract.retired == (1, 3)
    assert (final.contract.n_items, final.contract.dim) == (N_ITEMS + 2, DIM)
    history = final.provenance["updates"]
    assert [entry["previous"] for entry in history] == [bundle.digest, first.bundle.digest]
    assert [(e["appended"], e["replaced"], e["retired"]) for e in history] == [(1, 0, 1), (1, 1, 1)]
    kept = {k: v for k, v in final.provenance.items() if k != "updates"}
    assert kept == bundle.provenance
    assert final.quality == bundle.quality
    if final.contract.format != "c":  # its file says nothing about its past
        assert read_contents(final.model_path).metadata["recpress.updates"] == "2"
    with pytest.raises(DataError, match="retired already"):
        changed(final, retire_ids=["item-3"])


def test_the_self_test_asks_the_same_and_expects_the_new(bundle):
    before = bundle.selftest()
    result = changed(bundle, retire_ids=[f"item-{n}" for n in range(60)])
    after = result.bundle.selftest()
    assert (after.users, after.seen) == (before.users, before.seen)
    assert after.items != before.items
    assert not {i for row in after.items for i in row} & set(range(60))
    reference = read_stored(result.bundle).reference(result.bundle.contract.retired)
    items, scores = reference.recommend(after.users[3], after.seen[3], after.k)
    assert (tuple(items.tolist()), tuple(map(float, scores))) == (after.items[3], after.scores[3])


def test_evaluation_users_are_what_they_were_and_recall_is_measured_again(bundle):
    kept = (bundle.folder / "evaluation.npz").read_bytes()
    evaluation = bundle.evaluation()
    relevant = sorted({f"item-{i}" for i in evaluation.relevant_indices})
    result = changed(bundle, retire_ids=relevant)
    assert (result.bundle.folder / "evaluation.npz").read_bytes() == kept
    recall = result.entry["recall"]
    assert (recall["cutoff"], recall["split"]) == (20, "test")  # 117 candidates
    assert recall["before"] > 0
    assert recall["after"] == 0  # every hit there could be is retired


def test_the_card_says_what_happened(bundle):
    assert "## Updates" not in (bundle.folder / "CARD.md").read_text()
    new = changed(bundle, retire_ids=["item-3"], append_ids=["a", "b"]).bundle
    card = (new.folder / "CARD.md").read_text()
    assert "2 appended, 0 replaced, 1 retired" in card
    assert "1 retired items keep their index" in card


def test_the_same_update_gives_the_same_bytes(int8, tmp_path):
    path = items_file(tmp_path / "c.npz", append_ids=["a"], retire_ids=["item-2"])
    made = [update_bundle(int8.folder, read_changes(path), tmp_path / n, force=False).bundle for n in "xy"]
    assert made[0].digest == made[1].digest
    assert open_bundle(int8.folder).digest == int8.digest
    assert not (tmp_path / "bundle.previous").exists()


def test_bundles_without_retired_items_say_nothing_of_them(int8):
    assert "retired" not in json.loads((int8.folder / MANIFEST).read_text())["contract"]
    new = changed(int8, append_ids=["a"]).bundle
    assert "retired" not in json.loads((new.folder / MANIFEST).read_text())["contract"]
    operators = [node.op_type for node in onnx.load(new.model_path).graph.node]
    assert "Concat" not in operators


def test_manifests_fit_the_schema(bundle, request):
    schema = json.loads((request.config.rootpath / "schemas" / "bundle-1.schema.json").read_text())
    new = changed(bundle, append_ids=["a"], retire_ids=["item-3"]).bundle
    validate(json.loads((new.folder / MANIFEST).read_text()), schema)


@pytest.mark.parametrize("value", [[1, 1], [2, 1], [-1], [N_ITEMS], ["a"], 3, [True]])
def test_nonsense_in_the_list_of_retired_items_is_refused(int8, value):
    where = int8.folder / MANIFEST
    manifest = json.loads(where.read_text())
    manifest["contract"]["retired"] = value
    from recpress_edge.core.files import canonical_json, sha256_bytes

    manifest.pop("digest")
    manifest["digest"] = sha256_bytes(canonical_json(manifest))
    where.write_text(json.dumps(manifest))
    with pytest.raises(ArtifactError, match=r"retired|item index outside"):
        open_bundle(int8.folder)


def test_rows_beyond_the_int8_range(int8):
    """The range of each dimension ends at 127 steps; one value is put at 1.2 and at 1.3 of it."""
    scale = read_stored(int8).int8.item_scale
    emb = np.zeros((2, DIM), np.float32)
    emb[1, 2] = 127 * scale[2] * 1.2
    entry = changed(int8, append_ids=["a", "b"], append_emb=emb).entry
    assert (entry["clipped_rows"], entry["overruled"]) == (1, False)
    assert entry["worst_clip"] == pytest.approx(1.2, abs=0.01)
    emb[1, 2] = 127 * scale[2] * 1.3
    with pytest.raises(GateError, match=r"1 of 2 new rows .*'d'.* factor of 1\.30 \(limit 1\.25\)"):
        changed(int8, append_ids=["c", "d"], append_emb=emb)
    result = changed(int8, append_ids=["c", "d"], append_emb=emb, force=True)
    assert result.entry["overruled"]
    assert read_stored(result.bundle).item_table[-1].tolist() == [0, 0, 127, 0, 0, 0]


def test_item_scales_leave_nothing_to_clip(tmp_path):
    bundle = exported(tmp_path / "bundle", "int8-item")
    emb = np.float32([[50, 0, 0, 0, 0, 0]])
    entry = changed(bundle, append_ids=["a"], append_emb=emb).entry
    assert entry["clipped_rows"] == 0


@pytest.mark.parametrize("recipe", sorted(RECIPES))
def test_rows_are_stored_as_the_recipe_does(tmp_path, recipe):
    """Rows of the catalogue itself, stored again, are the rows that are there."""
    bundle = exported(tmp_path / "bundle", recipe)
    from recpress_edge.artifacts.model_folder import read_student

    student = read_student(tmp_path / "bundle-model")
    new = store_rows(read_stored(bundle), student.item_emb)
    quantized = quantize(RECIPES[recipe], student.user_emb, student.item_emb)
    if quantized is None:
        table = to_float16(student.user_emb, student.item_emb)[1] if recipe == "fp16" else student.item_emb
        assert new.values.tobytes() == table.tobytes()
        return
    # int8-item: the shipped item scale is one float32, quantise divides by two float64
    assert (new.values != quantized.item_q).mean() < 0.01
    if recipe == "int8-dim":
        assert new.values.tobytes() == quantized.item_q.tobytes()


@pytest.mark.parametrize(("recipe", "value"), [("fp32", 3e38), ("fp16", 1e5), ("int4-item", 3e38)])
def test_vectors_that_overflow_are_refused(tmp_path, recipe, value):
    bundle = exported(tmp_path / "bundle", recipe)
    with pytest.raises(DataError, match=r"overflow|cannot be stored"):
        changed(bundle, append_ids=["a"], append_emb=np.full((1, DIM), value, np.float32))
    assert open_bundle(bundle.folder).digest == bundle.digest


def test_bundles_that_cannot_be_updated_say_why(int8, tmp_path):
    facts = (int8.name, int8.contract, int8.provenance, int8.quality)
    (int8.folder / SCALES_FILE).unlink()
    write_manifest(int8.folder, *facts)
    with pytest.raises(ArtifactError, match=r"no scales\.json.*export the student again"):
        changed(int8, append_ids=["a"])
    (int8.folder / SCALES_FILE).write_text('{"item_scale":[1.0]}')
    write_manifest(int8.folder, *facts)
    with pytest.raises(ArtifactError, match="has 1 entries, the bundle has dim 6"):
        changed(int8, append_ids=["a"])
    (int8.folder / SCALES_FILE).write_text('{"item_scale":[1.0,0.0,1.0,1.0,1.0,1.0]}')
    write_manifest(int8.folder, *facts)
    with pytest.raises(ArtifactError, match="above zero"):
        changed(int8, append_ids=["a"])


def test_a_model_that_we_would_not_write_is_left_alone(int8):
    model = onnx.load(int8.model_path)
    model.graph.node.append(onnx.helper.make_node("Identity", ["items"], ["more"], name="more"))
    onnx.save(model, int8.model_path)
    write_manifest(int8.folder, int8.name, int8.contract, int8.provenance, int8.quality)
    with pytest.raises(ArtifactError, match="not the one that this version writes"):
        changed(int8, append_ids=["a"])


def test_out_may_not_be_the_bundle_and_is_not_overwritten(int8, tmp_path):
    with pytest.raises(ConfigError, match="is the bundle itself"):
        changed(int8, int8.folder, append_ids=["a"])
    (tmp_path / "taken").mkdir()
    with pytest.raises(ConfigError, match="exists already"):
        changed(int8, tmp_path / "taken", append_ids=["a"])
    assert changed(int8, tmp_path / "taken", force=True, append_ids=["a"]).bundle.folder == tmp_path / "taken"


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        ("_check_unchanged", "unchanged item 0 scores"),
        ("_check_tables", "does not hold the planned tables"),
    ],
)
def test_a_wrong_file_is_caught_by(int8, monkeypatch, broken, message):
    """A writer that spoils the first row of the table."""
    real = update.write_model

    def spoiled(graph, metadata):
        table = graph.steps[1].table
        table[0] = -table[0]
        return real(graph, metadata)

    monkeypatch.setattr(update, "write_model", spoiled)
    if broken == "_check_tables":
        monkeypatch.setattr(update, "_check_unchanged", lambda *_: 0)
        monkeypatch.setattr(update, "verify_bundle", lambda folder: _Unverified(folder))
    with pytest.raises(ArtifactError, match=message):
        changed(int8, append_ids=["a"])
    assert open_bundle(int8.folder).digest == int8.digest


class _Unverified:
    """verify_bundle without the model's answers."""

    def __init__(self, folder):
        self.bundle = open_bundle(folder)
        self.test = self.bundle.selftest()
        self.item_ids = self.bundle.item_ids()
        self.runtime = open_runtime(self.bundle.model_path, self.bundle.contract)


def test_a_network_says_why_it_cannot_be_updated(tmp_path):
    bundle = exported(tmp_path / "one")
    provenance = {**bundle.provenance, "network": "neumf"}
    write_manifest(bundle.folder, bundle.name, bundle.contract, provenance, bundle.quality)
    with pytest.raises(ArtifactError, match=r"is a network: .* Train on the new catalogue"):
        read_stored(open_bundle(bundle.folder))


def test_new_items_have_no_title_and_no_features_yet(int8):
    write_titles(int8.folder, [f"Film {n}" for n in range(N_ITEMS)])
    write_item_features(int8.folder, {"kind": ["sf"] * N_ITEMS})
    write_manifest(int8.folder, int8.name, int8.contract, int8.provenance, int8.quality)
    after = changed(open_bundle(int8.folder), append_ids=["a", "b"], append_emb=rows(2) * 0.5).bundle
    assert after.titles()[N_ITEMS - 1 :] == [f"Film {N_ITEMS - 1}", "", ""]
    assert after.item_features() == {"kind": ["sf"] * N_ITEMS + ["", ""]}
