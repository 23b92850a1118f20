"""The table of public sets: complete, equal to the copies we have, and no other file under a known name."""

import json
import re
import shutil
from pathlib import Path

import pytest

from recpress_edge.core.errors import ConfigError, DataError
from recpress_edge.core.files import sha256_bytes
from recpress_edge.data.prepare import Preparation
from recpress_edge.data.public.convert import as_sequences, held_out, with_header
from recpress_edge.data.public.fetch import VARIABLE, how_to_have, is_local, prepare_local
from recpress_edge.data.public.kinds import PublicFile, PublicSet
from recpress_edge.data.public.table import PUBLIC_SETS, public_set
from recpress_edge.data.resolve import load_dataset
from recpress_edge.jobs.data import FetchRequest, list_data
from recpress_edge.jobs.data_import import ImportRequest
from recpress_edge.studies import de_rrd, frappe, gowalla, hetcomp, ml100k_ctr, topology

ROOT = Path(__file__).parents[2]


def files_of(known):
    return {*known.every_file(), *known.sources()}


def test_every_file_has_a_digest_a_place_and_terms():
    for name, known in PUBLIC_SETS.items():
        assert known.how.licence != "not stated"
        assert known.digest is None or re.fullmatch("[0-9a-f]{64}", known.digest), name
        for file in files_of(known):
            assert re.fullmatch(r"sha256:[0-9a-f]{64}", file.digest)
            assert re.fullmatch(r"[\w-]+/[\w.-]+", file.path)
            assert file.url is None or file.url.startswith("https://")
    with pytest.raises(ConfigError, match="Did you mean 'gowalla'"):
        public_set("gowala")


IMPORTED = {
    "ml-100k-all": "networks.md",
    "ml-100k-random": "autoencoders.md",
    "ml-100k-context": "two-stages.md",
}
"""Sets of records that a command of their page imports."""


def test_every_study_and_every_result_has_its_data_by_name():
    assert {module.DATA for module in (topology, de_rrd, hetcomp, gowalla, frappe)} <= set(PUBLIC_SETS)
    assert ml100k_ctr.DATA_SETS.keys() <= set(PUBLIC_SETS)
    digests = {name: known.digest for name, known in PUBLIC_SETS.items()}
    found = {}
    for path in (ROOT / "benchmarks/results").glob("*.json"):
        text = path.read_text()
        found |= dict(re.findall(r'"dataset": {\s*"name": "([^"]+)",\s*"digest": "([0-9a-f]{64})"', text))
    imported = {name: found.pop(name) for name in [*found] if name not in PUBLIC_SETS}
    assert imported.keys() == IMPORTED.keys()
    for name, page in IMPORTED.items():
        text = (ROOT / "docs/results" / page).read_text()
        assert f"ml-100k/ml-100k.inter --name {name} " in text
    assert set(found) == {"citeulike", "beauty", "ml-100k", "ml-1m-sequences"}
    assert {name: digests[name] for name in found} == found


@pytest.mark.parametrize("name", PUBLIC_SETS)
def test_pages_that_use_a_set_name_it(name):
    for page in PUBLIC_SETS[name].used:
        assert name.split("-602020")[0] in (ROOT / "docs" / page).read_text().lower(), page


@pytest.mark.parametrize("name", [name for name, known in PUBLIC_SETS.items() if known.digest])
def test_the_copies_we_have_are_the_registered_files_and_give_the_registered_set(name, real_data, tmp_path):
    known = PUBLIC_SETS[name]
    for file in known.every_file():
        assert f"sha256:{sha256_bytes((real_data / file.path).read_bytes())}" == file.digest
    prepared = prepare_local(name, real_data, tmp_path)
    found = prepared.dataset
    assert found.digest() == known.digest
    assert (found.labels_digest(), found.features_digest()) == (known.labels_digest, known.features_digest)
    assert [one["digest"] for one in prepared.record["origin"]] == [file.digest for file in known.sources()]


def test_what_is_made_from_published_files_is_ours(real_data):
    ml_100k = (real_data / "ml-100k/ml-100k.inter").read_bytes()
    sequences = (real_data / "ml-1m/sequences.txt").read_bytes()
    rows = [line.split() for line in sequences.splitlines()]
    pairs = b"".join(b"%s %s\n" % (user, item) for user, *items in rows for item in items)
    source = PUBLIC_SETS["ml-1m-sequences"].made.source
    assert f"sha256:{sha256_bytes(pairs)}" == source.digest
    assert as_sequences(pairs) == (sequences,)
    assert with_header(ml_100k.partition(b"\n")[2]) == (ml_100k,)
    made = held_out((real_data / "citeulike/users.dat").read_bytes())
    assert made == tuple(
        (real_data / f"citeulike/{part}.tsv").read_bytes() for part in ("train", "valid", "test")
    )


def test_a_set_is_made_from_a_local_copy_of_its_source(real_data, tmp_path):
    (tmp_path / "data/citeulike").mkdir(parents=True)
    shutil.copy(real_data / "citeulike/users.dat", tmp_path / "data/citeulike")
    prepared = prepare_local("citeulike", tmp_path / "data", tmp_path / "work")
    assert prepared.dataset.digest() == PUBLIC_SETS["citeulike"].digest


TEXT = "".join(f"{user}\t{(user * item) % 7 + item}\n" for user in range(6) for item in range(5)).encode()


@pytest.fixture
def small(monkeypatch, tmp_path):
    """A set of one file, whose copy lies in a data folder."""
    file = PublicFile("small/log.tsv", f"sha256:{sha256_bytes(TEXT)}")
    known = PublicSet(
        about="a test", published="nowhere", lines="user and item", files=(file,),
        how=Preparation(licence="free"), digest=None, used=(),
    )  # fmt: skip
    monkeypatch.setitem(PUBLIC_SETS, "small", known)
    (tmp_path / "data/small").mkdir(parents=True)
    (tmp_path / "data/small/log.tsv").write_bytes(TEXT)
    monkeypatch.setenv(VARIABLE, str(tmp_path / "data"))
    return tmp_path


def test_a_local_copy_is_imported_on_first_use(small):
    said = []
    first = load_dataset("small", small / "work", said.append)
    assert len(said) == 1
    assert "imported small" in said[0]
    again = load_dataset("small", small / "work", said.append)
    assert len(said) == 1
    assert again.digest() == first.digest()
    manifest = json.loads((small / "work/data/small/manifest.json").read_text())
    assert manifest["origin"][0]["path"] == "small/log.tsv"
    assert {entry["name"]: entry["state"] for entry in list_data(small / "other")}["small"] == "local"
    assert FetchRequest(name="small", work=small / "other").run().target.is_dir()


def test_a_changed_local_copy_is_an_error_that_names_it(small):
    (small / "data/small/log.tsv").write_bytes(TEXT + b"1\t99\n")
    with pytest.raises(
        DataError, match=r"small/log\.tsv is not the file that small .*--name my-small"
    ) as error:
        load_dataset("small", small / "work")
    assert PUBLIC_SETS["small"].files[0].digest in str(error.value)
    assert not (small / "work/data").exists()


def test_a_set_without_an_address_says_how_to_lay_it_out(small, monkeypatch):
    monkeypatch.delenv(VARIABLE)
    for ask in (
        lambda: load_dataset("small", small / "work"),
        lambda: FetchRequest(name="small", work=small / "work").run(),
        lambda: ImportRequest(paths=(small / "data/small/log.tsv",), name="small", force=True).plan(),
    ):
        with pytest.raises(
            ConfigError, match=r"Lay it out as DIR/small/log\.tsv, .*set RECPRESS_DATA_DIR=DIR"
        ):
            ask()
    assert {entry["name"]: entry["state"] for entry in list_data(small)}["small"] == "lay out"


@pytest.mark.parametrize("name", PUBLIC_SETS)
def test_a_set_with_an_address_names_the_command(name):
    text = how_to_have(name)
    assert (f"recpress-edge data fetch {name}" in text) == PUBLIC_SETS[name].fetchable()
    assert all(f"DIR/{file.path}" in text for file in files_of(PUBLIC_SETS[name]))


def test_some_files_of_several_are_an_error(tmp_path):
    (tmp_path / "citeulike").mkdir()
    for part in ("train", "test"):
        (tmp_path / f"citeulike/{part}.tsv").write_text("user\titem\n")
    with pytest.raises(DataError, match=r"valid\.tsv is missing"):
        is_local("citeulike", tmp_path)
    assert not is_local("gowalla", tmp_path)
