"""Catalogues with fewer items than K: what chooses and judges can tell, and what cannot is a dash."""

import json

import pytest

from recpress_edge.cli import main


def a_log(folder, n_items, n_users=60):
    """Users who each take all but one item, or all of three: item (user + step) after item."""
    steps = min(n_items, max(3, n_items - 1))
    rows = [
        f"u{user},i{(user + step) % n_items},{1_600_000_000 + 100 * user + step}"
        for user in range(n_users)
        for step in range(steps)
    ]
    path = folder / "log.csv"
    path.write_text("user_id,item_id,timestamp\n" + "\n".join(rows) + "\n")
    return path


@pytest.fixture
def small(tmp_path, capsys):
    def ready(n_items):
        log = a_log(tmp_path, n_items)
        work = ["--work", str(tmp_path / "work")]
        assert main(["data", "import", str(log), "--name", "s", "--split", "loo-time", *work]) == 0
        capsys.readouterr()
        return work

    return ready


@pytest.mark.parametrize("n_items", [5, 12, 40])
def test_what_judges_is_said_and_what_is_one_by_necessity_is_a_dash(small, n_items, capsys, tmp_path):
    work = small(n_items)
    student = ["--student", "bpr_dim4", "--data", "s", *work]
    assert main(["distill", *student, "--epochs", "5", "--json"]) == 0
    said = capsys.readouterr()
    (model,) = json.loads(said.out)["models"]
    k = model["cutoff"]
    assert k < n_items
    assert model["metrics"]["test"]["recall@50"] is None
    assert model["metrics"]["test"][f"recall@{k}"] is not None
    assert f"judged     by recall@{k} and ndcg@{min(k, 10)}: {n_items} items are too few" in said.err
    folder = tmp_path / "work" / "models"
    (trained,) = folder.iterdir()
    argv = ["export", "--student", str(trained), "--data", "s", *work, "--out", str(tmp_path / "dist")]
    assert main(argv) == 0
    said = capsys.readouterr().out
    assert f"K is {k}: {n_items} items are too few" in said
    assert ("overlap@10" in said) == (k == 10)


def test_where_nothing_can_tell_it_says_so_and_the_gate_is_not_met(small, capsys, tmp_path):
    """Of three items each user has one left to rank: any model is right."""
    work = small(3)
    student = ["--student", "bpr_dim4", "--data", "s", *work]
    assert main(["distill", *student, "--epochs", "5"]) == 0
    said = capsys.readouterr().out
    assert "judged     by nothing: no validation user has more items to rank than 1" in said
    by_popularity = said.partition("by popularity")[2].splitlines()[2].split()
    assert by_popularity == ["bpr_dim4", "0", "–", "–", "–"]
    (trained,) = (tmp_path / "work" / "models").iterdir()
    argv = ["export", "--student", str(trained), "--data", "s", *work, "--out", str(tmp_path / "dist")]
    assert main([*argv, "--int8"]) == 3
    assert "it could not fail" in capsys.readouterr().err
    assert main([*argv, "--int8", "--force"]) == 0
    assert "tells nothing: no user has more items to rank than 1" in capsys.readouterr().out
    card = (tmp_path / "dist" / "CARD.md").read_text()
    assert "1.0000 to 1.0000" not in card
    assert "Recall@1 is 1 for any file" in card
