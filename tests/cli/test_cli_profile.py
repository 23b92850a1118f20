"""export --profile on the command line: what it refuses before work, what it says, what it leaves."""

import json

import numpy as np
import pytest
from exports import random_tables

from recpress_edge.artifacts.bundle import open_bundle
from recpress_edge.cli import build_parser, main
from recpress_edge.core.errors import ConfigError, GateError
from recpress_edge.data import resolve
from recpress_edge.data.holdout import history_holdout
from recpress_edge.data.synthetic import synthetic
from recpress_edge.models.outputs import Tables
from recpress_edge.training.store import save_model

DATA = synthetic(n_users=80, n_items=150)


def summed_tables():
    """Drawn items, and users who are the sums of those that they consumed: what a fold-in can learn."""
    item_emb = random_tables(1, DATA.n_items, 6)[1]
    user_emb = np.zeros((DATA.n_users, 6), np.float32)
    np.add.at(user_emb, DATA.train.users(), item_emb[DATA.train.indices])
    return user_emb, item_emb


@pytest.fixture
def tables():
    return summed_tables()


@pytest.fixture
def model(tmp_path, monkeypatch, tables):
    """A drawn model in a folder."""
    monkeypatch.setattr(resolve, "load_dataset", lambda name, work, say: DATA)
    dataset = {"name": DATA.name, "digest": DATA.digest(), "protocol": DATA.protocol}
    facts = {"name": "htd_dim6", "method": "htd", "dim": 6, "seed": 0, "metrics": {}, "teacher": None}
    folder = tmp_path / "models" / "htd_dim6-s0"
    save_model(folder, facts | {"dataset": dataset}, Tables(*tables))
    return folder


@pytest.fixture
def run(tmp_path, model):
    def command(*words: str) -> int:
        args = build_parser().parse_args(["export", "--work", str(tmp_path), "--student", str(model), *words])
        return int(args.func(args))

    return command


def test_history_says_what_it_costs(run, tmp_path, capsys):
    assert run("--int8", "--profile", "history") == 0
    bundle = open_bundle(tmp_path / "dist" / "htd_dim6-int8-history")
    assert bundle.provenance["command"].endswith("--recipe int8-dim --profile history")
    said = capsys.readouterr().out
    assert "learned    a history table for htd_dim6" in said
    assert f"any history × {DATA.n_items} items × 6" in said
    assert "by the user table →" in said
    assert "int8       history_emb, item_emb" in said
    stored = "folded into the history table; one scale for all histories"
    assert stored in said
    assert stored in (bundle.folder / "CARD.md").read_text()
    assert main(["inspect", str(bundle.folder)]) == 0
    assert f"history · any history × {DATA.n_items} items" in capsys.readouterr().out
    assert "train items are the history and masked" in bundle.quality["definition"]["valid"]


@pytest.mark.parametrize("tables", [random_tables(DATA.n_users, DATA.n_items, 6)])
def test_a_model_whose_users_are_no_sum_of_items_is_not_published(run, tmp_path, capsys):
    with pytest.raises(GateError, match=r"from their train items 80 validation users get .*_share") as no:
        run("--int8", "--profile", "history")
    assert no.value.exit_code == 3
    target = tmp_path / "dist" / "htd_dim6-int8-history"
    assert not target.exists()
    assert run("--int8", "--profile", "history", "--force") == 0
    assert "gate       NOT MET, overruled by --force: from their train items" in capsys.readouterr().out
    assert "**Below the gate:** from their train items" in (target / "CARD.md").read_text()


@pytest.mark.parametrize(("name", "seen"), [("onnx", "int64 [n]"), ("tflite", "int32 [")])
def test_the_card_of_a_history_file_gives_the_type_of_its_input(run, tmp_path, name, seen):
    run("--int8", "--profile", "history", "--format", name)
    (bundle,) = (tmp_path / "dist").iterdir()
    text = (bundle / "CARD.md").read_text()
    assert f"takes `seen` {seen}" in text
    assert "of which none is recommended again, and `k`" in text


def test_history_is_learned_once(run, tmp_path, capsys):
    run("--int8", "--profile", "history")
    first = open_bundle(tmp_path / "dist" / "htd_dim6-int8-history").digest
    capsys.readouterr()
    assert run("--int8", "--profile", "history") == 0
    said = capsys.readouterr().out
    assert "a history table for" not in said
    assert "unchanged" in said
    assert open_bundle(tmp_path / "dist" / "htd_dim6-int8-history").digest == first


def test_single_user_says_whose_and_warns(run, tmp_path, capsys):
    user = DATA.user_ids[11]
    assert run("--int8", "--profile", "single-user", "--user", user, "--json") == 0
    said = capsys.readouterr()
    facts = json.loads(said.out)
    assert facts["profile"] == "single-user"
    assert facts["fold_in"] is None
    assert "not comparable with an all-users bundle's size" in said.err
    assert f"1 user × {DATA.n_items} items" in said.err
    bundle = open_bundle(tmp_path / "dist" / "htd_dim6-int8-single-user")
    assert bundle.user_ids() == [user]
    assert bundle.provenance["command"].endswith(f"--profile single-user --user {user}")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--profile", "single-user"), "say whose with --user ID"),
        (("--user", "1"), "--user goes with --profile single-user"),
        (("--profile", "history", "--user", "1"), "--user goes with --profile single-user"),
        (("--profile", "single_user", "--user", "1"), "Did you mean 'single-user'"),
        (("--profile", "single-user", "--user", "nobody at all"), "unknown user 'nobody at all'"),
    ],
)
def test_wrong_usage_is_refused_before_anything_is_written(run, tmp_path, words, message):
    with pytest.raises(ConfigError, match=message):
        run("--int8", *words)
    assert not list(tmp_path.glob("dist/*"))


def test_a_sweep_takes_no_profile(run, tmp_path):
    args = build_parser().parse_args(["export", "--work", str(tmp_path), "--all", "--profile", "history"])
    with pytest.raises(ConfigError, match="--profile is for one student"):
        args.func(args)


def test_the_history_is_what_is_masked_and_never_holds_what_is_asked_for():
    for split, parts in (("valid", (DATA.train,)), ("test", (DATA.train, DATA.valid))):
        rows = history_holdout(DATA, split)
        for row, user in enumerate(rows.users.tolist()):
            consumed = {item for part in parts for item in part.of(user).tolist()}
            assert set(rows.seen(row).tolist()) == consumed
            assert not consumed & set(rows.relevant(row).tolist())
