"""A web bundle's server: the bundle's own files to this machine, nothing else to nobody else."""

import http.client
import json
import socket
import subprocess
import sys
import threading
from types import SimpleNamespace
from urllib.parse import urlsplit

import pytest
from bundles import make_bundle

from recpress_edge.artifacts.bundle import MANIFEST, open_bundle
from recpress_edge.artifacts.manifest import write_manifest
from recpress_edge.cli import main
from recpress_edge.core.errors import ArtifactError, ConfigError
from recpress_edge.jobs.web import PageServer, WebRequest

PAGE = "<!doctype html><title>page</title>"


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    """What the server knows of a web bundle is that it has a page."""
    made = make_bundle(tmp_path_factory.mktemp("web") / "bundle")
    (made.folder / "index.html").write_text(PAGE)
    (made.folder / "recpress.js").write_text("export {};")
    (made.folder / "recpress.wasm").write_bytes(b"\0asm")
    write_manifest(made.folder, made.name, made.contract, made.provenance, made.quality)
    (made.folder.parent / "secret.txt").write_text("secret")
    return made.folder


@pytest.fixture(scope="module")
def port(bundle):
    with WebRequest(bundle=bundle).open() as server:
        thread = threading.Thread(target=server.run)
        thread.start()
        yield urlsplit(server.url).port
        server.stop()
        thread.join()


def ask(port: int, path: str, method: str = "GET", **headers: str) -> tuple[int, dict[str, str], bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request(method, path, headers=headers)
    answer = connection.getresponse()
    found = answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
    connection.close()
    return found


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/", "text/html; charset=utf-8"),
        ("/index.html?a=1", "text/html; charset=utf-8"),
        ("/recpress.js", "text/javascript; charset=utf-8"),
        ("/recpress.wasm", "application/wasm"),
        ("/bundle.json", "application/json"),
        ("/items.txt", "text/plain; charset=utf-8"),
        ("/model.onnx", "application/octet-stream"),
    ],
)
def test_each_file_comes_with_its_type_and_its_limits(port, bundle, path, kind):
    status, headers, body = ask(port, path)
    name = path.strip("/").partition("?")[0] or "index.html"
    assert (status, headers["content-type"]) == (200, kind)
    assert body == (bundle / name).read_bytes()
    assert int(headers["content-length"]) == len(body)
    policy = headers["content-security-policy"]
    assert policy.startswith("default-src 'none';")
    assert "http" not in policy
    assert "*" not in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cross-origin-opener-policy"] == "same-origin"
    assert headers["cross-origin-embedder-policy"] == "require-corp"
    assert ask(port, path, "HEAD")[2] == b""


@pytest.mark.parametrize(
    "path",
    ["/../secret.txt", "/%2e%2e/secret.txt", "/..%2fsecret.txt", "//etc/passwd", "/./index.html", "/nothing",
     "/bundle/", "/index.html/", "/\\..\\secret.txt", "/INDEX.HTML"],
)  # fmt: skip
def test_nothing_else_is_there(port, path):
    status, headers, body = ask(port, path)
    assert status == 404
    assert b"secret" not in body
    assert headers["content-security-policy"].startswith("default-src 'none'")


@pytest.mark.parametrize("host", ["evil.example", "evil.example:%d", "127.0.0.1", "0.0.0.0:%d"])
def test_another_sites_name_reaches_nothing(port, host):
    assert ask(port, "/", Host=host % port if "%" in host else host)[0] == 421
    assert ask(port, "/", Host=f"localhost:{port}")[0] == 200


def test_a_hosts_name_is_the_same_in_capitals(port):
    assert ask(port, "/", Host=f"LocalHost:{port}")[0] == 200


@pytest.mark.parametrize(("port", "hosts"), [(80, {"127.0.0.1", "127.0.0.1:80"}), (8000, {"127.0.0.1:8000"})])
def test_of_the_usual_port_browsers_say_nothing(bundle, port, hosts, monkeypatch):
    monkeypatch.setattr(
        "recpress_edge.jobs.web._Server", lambda address, _: SimpleNamespace(server_address=address)
    )
    server = PageServer(open_bundle(bundle), port)._server
    assert set(server.hosts) == hosts | {host.replace("127.0.0.1", "localhost") for host in hosts}


def test_it_only_reads(port):
    assert ask(port, "/index.html", "POST")[0] == 501
    assert ask(port, "/index.html", "PUT")[0] == 501


def test_it_listens_on_loopback_alone(port):
    others = {found[4][0] for found in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)}
    for address in others - {"127.0.0.1"}:
        if not address.startswith("127."):
            with pytest.raises(OSError, match=r"refused|unreachable|timed out"):
                socket.create_connection((address, port), timeout=2)


def test_a_bundle_without_a_page_is_refused_with_the_command_that_makes_one(tmp_path):
    made = make_bundle(tmp_path / "bundle")
    with pytest.raises(ConfigError, match=r"of format onnx, which has no page.*--format web"):
        WebRequest(bundle=made.folder).open()


def test_a_damaged_bundle_is_not_served(bundle, tmp_path):
    (tmp_path / "bundle").mkdir()
    for path in bundle.iterdir():
        (tmp_path / "bundle" / path.name).write_bytes(path.read_bytes())
    (tmp_path / "bundle" / "index.html").write_text(PAGE.replace("page", "evil"))
    with pytest.raises(ArtifactError, match=r"index\.html"):
        WebRequest(bundle=tmp_path / "bundle").open()


def test_a_port_that_is_taken_or_none(bundle, port):
    with pytest.raises(ConfigError, match=rf"port {port} cannot be had.*Choose another --port"):
        WebRequest(bundle=bundle, port=port).open()
    with pytest.raises(ConfigError, match="70000 is not 0 to 65535"):
        WebRequest(bundle=bundle, port=70000).open()


def test_the_command_says_its_address_and_ends_by_an_interrupt(bundle, interruptible):
    command = [sys.executable, "-m", "recpress_edge", "web", str(bundle), "--no-open", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        text = ""
        while not text.endswith("}\n"):
            text += process.stdout.readline()
        found = json.loads(text)
        assert ask(urlsplit(found["url"]).port, "/")[2].decode() == PAGE
        process.send_signal(2)
        assert process.wait(20) == 0


def test_a_dry_run_serves_nothing(bundle, capsys, monkeypatch):
    monkeypatch.setattr("webbrowser.open", lambda url: pytest.fail("opened"))
    assert main(["web", str(bundle), "--dry-run"]) == 0
    assert "would serve" in capsys.readouterr().out


def interrupted(server):
    raise KeyboardInterrupt


def test_a_browser_is_opened_at_the_page(bundle, monkeypatch, capsys):
    opened = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    monkeypatch.setattr("recpress_edge.jobs.web.PageServer.run", interrupted)
    assert main(["web", str(bundle)]) == 0
    assert opened[0].startswith("http://127.0.0.1:")
    assert opened[0] in capsys.readouterr().out
    assert (bundle / MANIFEST).is_file()
