"""Whose bundles are measured: what is checked where the keys are, and what a board is told."""

import shutil

import pytest
from bundles import make_bundle

import device_bench
from device_bench.lanes.ssh import _for_board
from device_bench.settings import Protocol
from recpress_edge.artifacts.bundle import MANIFEST
from recpress_edge.artifacts.trust.keys import make_keys, public_path, read_private
from recpress_edge.artifacts.trust.signature import sign_bundle
from recpress_edge.core.errors import ArtifactError, ConfigError

ON = (
    "host",
    pytest.param(
        "ssh://pi@raspberrypi.local",
        marks=pytest.mark.skipif(shutil.which("ssh") is None, reason="ssh is not installed"),
    ),
)


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trusted")
    make_keys(folder / "key", "")
    for name in ("signed", "unsigned"):
        made = make_bundle(folder / name, n_users=5, n_items=40, n_tests=3).folder
    assert made.name == "unsigned"
    manifest = (folder / "signed" / MANIFEST).read_bytes()
    sign_bundle(folder / "signed", read_private(folder / "key"), manifest)
    return folder


def asked(home, *names, on="host", **settings):
    return device_bench.bench_request([home / name for name in names], on, settings)


@pytest.mark.parametrize("on", ON)
def test_nothing_is_measured_of_a_bundle_that_nobody_trusted_signed(home, on):
    keys = {"trusted": public_path(home / "key")}
    assert device_bench.plan(asked(home, "signed", on=on, **keys))
    with pytest.raises(ArtifactError, match="is not signed"):
        device_bench.run(asked(home, "signed", "unsigned", on=on, **keys))


@pytest.mark.parametrize("on", ON)
def test_nothing_is_measured_of_another_bundle(home, on):
    with pytest.raises(ArtifactError, match="is another bundle"):
        device_bench.run(asked(home, "signed", on=on, expect_digest="0" * 64))
    with pytest.raises(ConfigError, match="--expect-digest names one bundle, and 2 are given"):
        device_bench.plan(asked(home, "signed", "unsigned", on=on, expect_digest="0" * 64))
    with pytest.raises(ConfigError, match="--expect-digest '4f1c' is no digest"):
        Protocol(expect_digest="4f1c")


def test_a_board_is_told_what_was_verified_and_gets_no_keys(home):
    bundle = make_bundle(home / "another", n_users=5, n_items=40, n_tests=3)
    told = _for_board(Protocol(trusted=public_path(home / "key")), bundle).flags()
    assert "--trusted" not in told
    assert told[told.index("--expect-digest") + 1] == bundle.digest
    assert "--expect-digest" not in _for_board(Protocol(), bundle).flags()


def test_the_command_of_a_record_asks_for_the_same(home):
    request = asked(home, "signed", trusted=public_path(home / "key"))
    assert f"--trusted {public_path(home / 'key')}" in request.command(home / "signed")
