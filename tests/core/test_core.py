"""Units, configuration, randomness and files."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pytest

from recpress_edge.core import files
from recpress_edge.core.config import load_config, read_toml
from recpress_edge.core.errors import ArtifactError, ConfigError, StorageError, unknown_name
from recpress_edge.core.rng import stream, torch_seed
from recpress_edge.core.units import about_seconds, format_bytes, format_ns, parse_duration, parse_size


@pytest.mark.parametrize(
    ("text", "n_bytes"),
    [("2MiB", 2097152), ("330KB", 330000), ("1048576", 1048576), ("1.5 kib", 1536), ("7B", 7)],
)
def test_parse_size(text, n_bytes):
    assert parse_size(text) == n_bytes


@pytest.mark.parametrize("text", ["", "two", "-1MB", "3 parsecs", "nan"])
def test_a_bad_size_says_how_to_write_one(text):
    with pytest.raises(ConfigError, match="Write for example 2MiB"):
        parse_size(text)


def test_durations_need_a_unit():
    assert parse_duration("5ms") == 5_000_000
    assert parse_duration("10min") == 600 * 10**9
    with pytest.raises(ConfigError, match="500us"):
        parse_duration("5")


@pytest.mark.parametrize(
    ("n", "text"), [(0, "0 B"), (1536, "1.5 KiB"), (2**20, "1.0 MiB"), (5 * 2**40, "5120.0 GiB")]
)
def test_format_bytes(n, text):
    assert format_bytes(n) == text


@pytest.mark.parametrize(
    ("n", "text"), [(12, "12 ns"), (31211, "31.2 µs"), (8123991, "8.1 ms"), (2.5e9, "2.50 s")]
)
def test_format_ns(n, text):
    assert format_ns(n) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.0, "under a second"), (0.99, "under a second"), (1.0, "about 1 s"), (600, "about 10 min")],
)
def test_a_forecast_is_never_of_no_time(seconds, text):
    assert about_seconds(seconds) == text


def test_unknown_name_suggests():
    assert "Did you mean 'htd'?" in str(unknown_name("student", "htdd", ["htd", "ftd"]))


def test_streams_are_named_and_stateless():
    first = stream(0, "negatives", 3).random(4)
    assert (first == stream(0, "negatives", 3).random(4)).all()
    for other in (stream(1, "negatives", 3), stream(0, "init", 3), stream(0, "negatives", 4)):
        assert not (first == other.random(4)).any()
    assert torch_seed(0, "gumbel", 1) == torch_seed(0, "gumbel", 1) != torch_seed(0, "gumbel", 2)


@dataclass(frozen=True, kw_only=True)
class Settings:
    dim: int = 10
    rate: float = 0.1
    keep: Literal["best", "last"] = "best"


def test_config_is_strict():
    assert load_config(Settings, {"rate": 1}, "demo.toml") == Settings(rate=1.0)
    with pytest.raises(ConfigError, match=r"unknown key in demo.toml 'dmi'. Did you mean 'dim'"):
        load_config(Settings, {"dmi": 3}, "demo.toml")
    with pytest.raises(ConfigError, match=r"demo.toml.dim must be int, got '3'"):
        load_config(Settings, {"dim": "3"}, "demo.toml")
    with pytest.raises(ConfigError, match="must be one of 'best', 'last', got 'worst'"):
        load_config(Settings, {"keep": "worst"}, "demo.toml")


@dataclass(frozen=True)
class Listed:
    sizes: tuple[int, ...] = ()
    curve: tuple[tuple[int, float], ...] = ()


def test_lists_of_a_config_are_of_their_types():
    read = load_config(Listed, {"sizes": [8, 16], "curve": [[1, 0.5], [2, 1]]}, "trial")
    assert read == Listed((8, 16), ((1, 0.5), (2, 1.0)))
    for given in ({"sizes": 8}, {"sizes": [0.5]}, {"curve": [[0.5, 1]]}, {"curve": [[1, 0.5, 2]]}):
        with pytest.raises(ConfigError, match=rf"trial\.{next(iter(given))} must be"):
            load_config(Listed, given, "trial")


def test_toml_errors_name_the_file(tmp_path):
    with pytest.raises(ConfigError, match=r"no configuration file at .*gone.toml"):
        read_toml(tmp_path / "gone.toml")
    bad = tmp_path / "bad.toml"
    bad.write_text("a = = 1")
    with pytest.raises(ConfigError, match=r"bad.toml is not valid TOML"):
        read_toml(bad)


def test_write_atomic_replaces_whole_files(tmp_path):
    target = tmp_path / "deep" / "file.txt"
    files.write_atomic(target, b"one")
    files.write_atomic(target, b"two")
    assert target.read_bytes() == b"two"
    assert [p.name for p in target.parent.iterdir()] == ["file.txt"]


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    target = tmp_path / "file.txt"
    files.write_atomic(target, b"old")

    def full(_fd: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", full)
    with pytest.raises(StorageError, match="No space left on device"):
        files.write_atomic(target, b"new")
    assert target.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [target]


def test_unwritable_place_is_one_line():
    with pytest.raises(StorageError, match="cannot write /proc/nowhere"):
        files.write_atomic(Path("/proc/nowhere/file"), b"x")


def test_new_directory_appears_whole_or_not_at_all(tmp_path):
    target = tmp_path / "out"

    def half_done() -> None:
        with files.new_directory(target, force=False) as draft:
            (draft / "half").write_text("x")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        half_done()
    assert list(tmp_path.iterdir()) == []
    with files.new_directory(target, force=False) as draft:
        (draft / "a").write_text("1")
    with pytest.raises(ConfigError, match="--force"), files.new_directory(target, force=False):
        pass
    with files.new_directory(target, force=True) as draft:
        (draft / "b").write_text("2")
    assert [p.name for p in target.iterdir()] == ["b"]
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


def test_damaged_json_names_the_file(tmp_path):
    path = tmp_path / "x.json"
    for content in (b"{", b"\xff", b"[1]"):
        path.write_bytes(content)
        with pytest.raises(ArtifactError, match=r"x\.json"):
            files.read_json(path)


def test_digest_ignores_key_order():
    assert files.digest_of({"a": 1, "b": np.float64(2).item()}) == files.digest_of({"b": 2.0, "a": 1})
