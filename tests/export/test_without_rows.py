"""A bundle for people's devices carries nobody's interactions, and still tests itself and is timed."""

import dataclasses
import json

import pytest
from exports import ANY_HISTORY, OPEN, make_source, with_fold_in
from published import validator

from device_bench.quality import ranking_quality
from recpress_edge.artifacts.bundle import EVALUATION_FILE, MANIFEST, open_bundle
from recpress_edge.artifacts.recipes import RECIPES
from recpress_edge.core.errors import ArtifactError, ConfigError
from recpress_edge.device.verify import verify_bundle
from recpress_export.build import build
from recpress_export.subjects.history import History
from recpress_export.subjects.single_user import SingleUser


@pytest.fixture
def make(tmp_path):
    source = dataclasses.replace(make_source(tmp_path / "model"), ships_rows=False)

    def export(profile, **changes):
        user = changes.pop("user", "user 3")
        given = dataclasses.replace(source, **changes)
        subject = (
            SingleUser(given, user)
            if profile == "single-user"
            else History(given, with_fold_in(tmp_path / "model", source), ANY_HISTORY)
        )
        return build(subject, RECIPES["int8-dim"], tmp_path / profile, gate=OPEN).bundle

    return export


@pytest.mark.parametrize("profile", ["single-user", "history"])
def test_nobodys_rows_travel(make, profile):
    bundle = make(profile)
    assert EVALUATION_FILE not in bundle.files
    validator("bundle-1").validate(json.loads((bundle.folder / MANIFEST).read_text()))
    assert not (bundle.folder / EVALUATION_FILE).exists()
    assert bundle.evaluation() is None
    with pytest.raises(ArtifactError, match=r"carries no evaluation rows. Export it again with --with-eval"):
        bundle.rows()
    card = (bundle.folder / "CARD.md").read_text()
    assert "Inside: no evaluation rows." in card
    assert "test users consumed" not in card


def test_a_history_bundle_holds_no_history_of_the_log(make, tmp_path):
    """Its self-test asks with drawn histories: none is a user's, nor holds one of three items and more."""
    source = make_source(tmp_path / "again")
    asked = open_bundle(make("history").folder).selftest().seen
    for rows in (source.valid, source.test):
        real = {tuple(sorted(rows.seen(row).tolist())) for row in range(rows.users.size)}
        assert not real & {tuple(sorted(seen)) for seen in asked}


@pytest.mark.parametrize("profile", ["single-user", "history"])
def test_its_quality_is_not_measured_and_that_is_said(make, profile):
    verified = verify_bundle(make(profile).folder)
    quality = ranking_quality(verified)
    assert (quality["users"], quality["split"]) == (0, None)
    assert not [name for name in quality if name.startswith(("recall", "ndcg"))]
    assert len(quality["ids_sha256"]) == 64  # of the self-test's answers: boards are still compared by it


def test_with_rows_they_travel_and_the_card_says_whose(make):
    bundle = make("history", ships_rows=True)
    assert bundle.rows().users.size == 70
    assert "`evaluation.npz` holds what 70 test users consumed, without their ids" in (
        (bundle.folder / "CARD.md").read_text()
    )


def test_a_user_with_nothing_held_out_gets_a_bundle_but_no_measurement(make, tmp_path):
    source = make_source(tmp_path / "again")
    without = dataclasses.replace(
        source.test,
        users=source.test.users[4:],
        seen_indptr=source.test.seen_indptr[4:],
        relevant_indptr=source.test.relevant_indptr[4:],
    )
    bundle = make("single-user", test=without)
    assert len(bundle.selftest().users) > 1
    with pytest.raises(ConfigError, match=r"nothing in the test split.*leave out --with-evaluation"):
        make("single-user", test=without, ships_rows=True)
