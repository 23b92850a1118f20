"""Downloads from a server on loopback: what is kept, what is refused."""

import hashlib
import http.server
import io
import threading
import zipfile

import pytest

from recpress_edge.core.errors import DataError, StorageError
from recpress_edge.data.filter import Filters
from recpress_edge.data.prepare import Preparation
from recpress_edge.data.public.fetch import download, fetch_set
from recpress_edge.data.public.kinds import Made, PublicFile, PublicSet
from recpress_edge.data.public.table import PUBLIC_SETS

pytestmark = pytest.mark.network

RATINGS = "".join(
    f"{user}::{item}::{5 - item % 2}::{1000 + item}\n" for user in range(3) for item in range(8)
).encode()


@pytest.fixture
def server(monkeypatch):
    """Serves the files of a dict; yields (dict, address, paths asked for)."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    files, asked = {}, []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            data = files.get(self.path)
            self.send_response(404 if data is None else 200)
            self.send_header("Content-Length", str(len(data or b"")))
            self.end_headers()
            self.wfile.write(data or b"")

        def log_message(self, *args):
            """Quiet."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        thread = threading.Thread(target=running.serve_forever, daemon=True)
        thread.start()
        yield files, f"http://127.0.0.1:{running.server_port}", asked
        running.shutdown()
        thread.join()


def sha(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


def quiet(done, total):
    """No bar."""


def archive(members):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        for name, data in members.items():
            file.writestr(name, data)
    return buffer.getvalue()


def test_a_good_file_is_kept_and_not_asked_for_twice(server, tmp_path):
    files, address, asked = server
    files["/a.txt"] = data = bytes(range(256)) * 1000
    seen = []
    path = download(f"{address}/a.txt", sha(data), tmp_path, lambda done, total: seen.append((done, total)))
    assert path.read_bytes() == data
    assert seen[-1] == (256_000, 256_000)
    download(f"{address}/a.txt", sha(data), tmp_path, quiet)
    assert asked == ["/a.txt"]


def test_a_file_with_another_checksum_is_refused_and_not_kept(server, tmp_path):
    files, address, _ = server
    files["/a.txt"] = b"tampered"
    with pytest.raises(DataError) as error:
        download(f"{address}/a.txt", sha(b"original"), tmp_path, quiet)
    assert sha(b"original") in str(error.value)
    assert sha(b"tampered") in str(error.value)
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_download_on_disk_is_fetched_again(server, tmp_path):
    files, address, _ = server
    files["/a.txt"] = b"good"
    (tmp_path / "a.txt").write_bytes(b"half")
    assert download(f"{address}/a.txt", sha(b"good"), tmp_path, quiet).read_bytes() == b"good"


def test_no_file_and_no_server(server, tmp_path):
    _, address, _ = server
    with pytest.raises(DataError, match=r"404.*by other means"):
        download(f"{address}/none.txt", sha(b""), tmp_path, quiet)
    with pytest.raises(DataError, match="no connection"):
        download("http://127.0.0.1:9/a.txt", sha(b""), tmp_path, quiet)


def test_a_place_that_cannot_be_written(server, tmp_path):
    files, address, _ = server
    files["/a.txt"] = b"x"
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError):
        download(f"{address}/a.txt", sha(b"x"), tmp_path / "file" / "sub", quiet)


def a_set(files, made=None, **how):
    return PublicSet(
        about="a test", published="here", lines="a row", files=files, how=Preparation(licence="free", **how),
        made=made, digest=None, used=(),
    )  # fmt: skip


def test_a_set_is_fetched_unpacked_filtered_and_split(server, tmp_path, monkeypatch):
    files, address, _ = server
    files["/ml.zip"] = data = archive({"../../evil.txt": b"out", "ml/ratings.dat": RATINGS})
    file = PublicFile("ml/ml.zip", sha(data), f"{address}/ml.zip", member="ml/ratings.dat")
    how = {"fmt": "delimited", "split": "loo-time", "filters": Filters(min_rating=5)}
    monkeypatch.setitem(PUBLIC_SETS, "ml", a_set((file,), **how))
    prepared = fetch_set("ml", tmp_path / "work" / "downloads" / "ml", quiet)
    dataset = prepared.dataset
    assert dataset.item_ids == ("0", "2", "4", "6")  # even items are rated 5
    assert (dataset.valid.indices.tolist(), dataset.test.indices.tolist()) == ([2] * 3, [3] * 3)
    assert dataset.licence == "free"
    assert prepared.record["origin"][0]["digest"] == sha(data)
    written = sorted(path.name for path in tmp_path.rglob("*") if path.is_file())
    assert written == ["ml.zip", "ratings.dat"]


def test_files_that_are_made_are_checked_too(server, tmp_path, monkeypatch):
    files, address, _ = server
    files["/raw"] = b"rows"
    made = b"".join(b"%d,%d\n" % (user, item) for user in range(3) for item in range(5))
    source = Made(PublicFile("x/raw", sha(b"rows"), f"{address}/raw"), lambda raw: (made,))
    monkeypatch.setitem(PUBLIC_SETS, "x", a_set((PublicFile("x/log.csv", sha(made)),), source))
    assert len(fetch_set("x", tmp_path, quiet).dataset.train) == 9
    monkeypatch.setitem(PUBLIC_SETS, "x", a_set((PublicFile("x/log.csv", sha(b"other")),), source))
    with pytest.raises(DataError, match=r"log\.csv, made from .*raw, is not the file it should be"):
        fetch_set("x", tmp_path, quiet)


def test_an_archive_without_the_member_is_named(server, tmp_path, monkeypatch):
    files, address, _ = server
    files["/ml.zip"], files["/no.zip"] = archive({"other": b""}), b"not a zip"
    for url in ("/ml.zip", "/no.zip"):
        file = PublicFile("ml" + url, sha(files[url]), address + url, member="ml/ratings.dat")
        monkeypatch.setitem(PUBLIC_SETS, "ml", a_set((file,)))
        with pytest.raises(DataError, match=r"cannot take ml/ratings\.dat out of"):
            fetch_set("ml", tmp_path, quiet)
