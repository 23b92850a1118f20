"""The app builds, is signed and asks for nothing; what Debian no longer has is skipped with its reason."""

import zipfile
from pathlib import Path

import pytest
from apk import MIN_SDK, PACKAGE, TARGET_SDK, Builder
from toolchain import ToolError

STUB = Path(__file__).parents[1]


def needs(tools, *names: str) -> None:
    for name in names:
        if name in tools.missing:
            pytest.skip(f"{name}: {tools.missing[name]}")


@pytest.fixture(scope="module")
def builder(tools, tmp_path_factory) -> Builder:
    return Builder(tools, STUB, tmp_path_factory.mktemp("apk"))


@pytest.fixture(scope="module")
def assets(fixtures, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("assets")
    (folder / "bundle").symlink_to(fixtures / "bundles/int8-dim")
    return folder


@pytest.fixture(scope="module")
def linked(builder, assets) -> Path:
    return builder.link(assets)


@pytest.fixture(scope="module")
def classes(builder, tools, linked) -> Path:
    needs(tools, "android.jar")
    return builder.compile()


@pytest.fixture(scope="module")
def signed(builder, tools, linked, classes) -> Path:
    needs(tools, "dx")
    return builder.sign(linked, classes, builder.work / "app.apk")


def test_resources_link(linked):
    with zipfile.ZipFile(linked) as archive:
        names = archive.namelist()
        model = archive.getinfo("assets/bundle/model.onnx")
    assert {"AndroidManifest.xml", "resources.arsc", "res/layout/main.xml"} <= set(names)
    assert model.compress_type == zipfile.ZIP_STORED


def test_core_and_app_compile_against_android(classes):
    assert (classes / "org/example/recpress/demo/MainActivity.class").is_file()
    assert (classes / "org/example/recpress/Recommender.class").is_file()


def test_the_signed_apk_verifies(builder, signed):
    assert "Verified using v2 scheme (APK Signature Scheme v2): true" in builder.verify(signed)


def test_the_apk_asks_for_no_permission(builder, signed):
    badging = builder.badging(signed)
    assert f"package: name='{PACKAGE}'" in badging
    assert f"sdkVersion:'{MIN_SDK}'" in badging
    assert f"targetSdkVersion:'{TARGET_SDK}'" in badging
    assert f"launchable-activity: name='{PACKAGE}.MainActivity'" in badging
    assert "uses-permission" not in badging


def test_the_apk_carries_the_bundle_as_exported(signed, assets):
    with zipfile.ZipFile(signed) as archive:
        for path in (assets / "bundle").iterdir():
            assert archive.read(f"assets/bundle/{path.name}") == path.read_bytes()


def test_a_changed_apk_does_not_verify(builder, signed, tmp_path):
    data = bytearray(signed.read_bytes())
    data[len(data) // 2] ^= 1
    (tmp_path / "changed.apk").write_bytes(data)
    with pytest.raises(ToolError, match="DOES NOT VERIFY"):
        builder.verify(tmp_path / "changed.apk")
