"""The blocks of docs/reference/python.md run in order, from a log to a bundle that is changed and back."""

import re
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs/reference/python.md"


@pytest.fixture
def log(tmp_path):
    rows = [
        f"user-{user},item-{(3 * user + step * (1 + user % 2)) % 40},{1_600_000_000 + 60 * step}"
        for user in range(30)
        for step in range(8)
    ]
    (tmp_path / "ratings.csv").write_text("\n".join(["user_id,item_id,timestamp", *rows]))


@pytest.mark.usefixtures("log")
def test_the_blocks_run_in_order(tmp_path, monkeypatch, capsys):
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.S)
    assert len(blocks) == 10
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, str(PAGE), "exec"), names)
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "30 users"
    assert re.fullmatch(r"dist/soft_dim10-int8 \d+ bytes", said[1])
    assert said[2] == "17850 1 10 items"
    assert all(re.fullmatch(r"item-\d+ -?[\d.e+-]+", line) for line in said[3:6])
    assert said[6] == "done pop"
    assert said[7:9] == ["soft_dim10 fp32 done", "soft_dim10 int8-item done"]
    assert re.fullmatch(r"\d+ items", said[9])
    assert re.fullmatch(r"\d+ of \d+ bytes", said[10])
    assert "'soft_dim10': " in said[11]
    assert [line.split()[0] for line in said[12:14]] == ["recall@5", "ndcg@5"]  # of 40 items
    assert said[14] == "(1, 30, 2) seeds × users × metrics"
    assert said[15:] == ["pop", "itemknn", "soft_dim10-int8 measured 1 cold start"]
