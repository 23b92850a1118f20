"""The report in a real browser: it renders, fits a phone, runs its script and asks for nothing."""

import html
import re
import subprocess
from pathlib import Path

import browser
import pytest

pytest.importorskip("jinja2")
pytest.importorskip("matplotlib")

from matplotlib.image import imread
from records import study, write_runs

from recpress_edge.cli import main

# Measures the page once it has loaded. The page's own policy refuses such a script, so it runs in
# a copy without the policy; the copy sits in a frame, because a browser window is never as narrow as a phone.
PROBE = """
<script>
window.addEventListener("load", function () {
  var shown = function () {
    return Array.from(document.querySelectorAll(".panel svg")).map(function (svg) {
      return svg.getBoundingClientRect();
    });
  };
  var panels = shown().filter(function (box) { return box.width > 0; }).map(function (box) {
    return Math.round(box.width) + "x" + Math.round(box.height);
  });
  var switched = Array.from(document.querySelectorAll(".plots > label")).map(function (label) {
    label.click();
    return shown().map(function (box) { return box.width > 0 ? 1 : 0; }).join("");
  });
  var root = document.documentElement;
  var records = JSON.parse(document.getElementById("records").textContent);
  var name = "";
  HTMLAnchorElement.prototype.click = function () { name = this.download + " " + this.href.slice(0, 5); };
  document.getElementById("download").click();
  parent.postMessage([
    "panels=" + panels.join(","), "switched=" + switched.join(","),
    "overflow=" + (root.scrollWidth - root.clientWidth), "width=" + root.clientWidth,
    "records=" + records.length, "download=" + name,
    "fetched=" + performance.getEntriesByType("resource").length].join(";"), "*");
});
</script>
"""
FRAME = """<!doctype html><pre id="probe"></pre>
<script>onmessage = function (event) { document.getElementById("probe").textContent = event.data; };</script>
<iframe src="probe.html" width="%d" height="2000" style="border: 0"></iframe>
"""


@pytest.fixture(scope="module")
def chromium():
    return browser.chromium()


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    write_runs(folder / "runs", study())
    assert main(["report", str(folder / "runs"), "-o", str(folder / "report.html")]) == 0
    return folder / "report.html"


def browse(chromium: str, page: Path, folder: Path, *flags: str) -> tuple[str, str]:
    """What headless Chromium writes on stdout, and on stderr: the page's console is there."""
    profile = folder / "profile"
    command = [
        chromium, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
        "--disable-background-networking", "--disable-component-update", "--disable-sync",
        "--enable-logging=stderr", "--hide-scrollbars", f"--user-data-dir={profile}",
        "--host-resolver-rules=MAP * ~NOTFOUND", "--window-size=1280,2400", *flags, page.as_uri(),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    return done.stdout, done.stderr


def probe(chromium: str, page: Path, folder: Path, width: int) -> dict[str, str]:
    text = page.read_text(encoding="utf-8")
    policy = re.search(r'<meta http-equiv="Content-Security-Policy"[^>]*>', text)
    assert policy
    copy = text.replace(policy[0], "").replace("</body>", PROBE + "</body>")
    (folder / "probe.html").write_text(copy, encoding="utf-8")
    frame = folder / "frame.html"
    frame.write_text(FRAME % width, encoding="utf-8")
    dom, _ = browse(chromium, frame, folder, "--dump-dom", "--virtual-time-budget=5000")
    found = re.search(r'<pre id="probe">([^<]+)</pre>', dom)
    assert found, "the page's script did not finish"
    return dict(part.split("=", 1) for part in html.unescape(found[1]).split(";"))


def test_the_page_renders_without_a_word_on_the_console(chromium, page, tmp_path):
    shot = tmp_path / "shot.png"
    _, talk = browse(chromium, page, tmp_path, f"--screenshot={shot}")
    assert ":CONSOLE" not in talk, talk
    picture = imread(shot)[..., :3]
    assert picture.shape[:2] == (2400, 1280)
    greens = (abs(picture - [0.0, 0.62, 0.45]).max(axis=2) < 0.05).sum()  # soft's marks in the panels
    assert greens > 200


def test_the_verdict_is_in_the_document(chromium, page, tmp_path):
    dom, talk = browse(chromium, page, tmp_path, "--dump-dom")
    assert "Ship soft_dim20-int8: Recall@10 .1462, NDCG@10 .0585, Recall@50 .2924 (mean of 3 seeds)" in dom
    assert ":CONSOLE" not in talk, talk


def test_on_a_dark_page_the_figures_are_dark(chromium, page, tmp_path):
    shot = tmp_path / "shot.png"
    dark = ("--force-dark-mode", "--blink-settings=preferredColorScheme=0")
    browse(chromium, page, tmp_path, *dark, f"--screenshot={shot}")
    picture = imread(shot)[..., :3]
    assert picture[0, 0].max() < 0.2  # the page is
    assert (picture.min(axis=2) > 0.97).mean() < 0.002  # and nothing on it is white but thin lines
    greens = (abs(picture - [0.21, 0.81, 0.64]).max(axis=2) < 0.05).sum()  # soft's marks, brighter
    assert greens > 200


@pytest.mark.parametrize("width", [1200, 390])
def test_panels_have_size_and_nothing_overflows(chromium, page, tmp_path, width):
    found = probe(chromium, page, tmp_path, width)
    sizes = [tuple(map(int, size.split("x"))) for size in found["panels"].split(",")]
    assert len(sizes) == 3
    assert all(w > 300 and h > 250 for w, h in sizes), sizes
    assert found["switched"] == "111000000000,000111000000,000000111000,000000000111"
    assert found["width"] == str(width)
    assert found["overflow"] == "0"
    assert found["fetched"] == "0"
    assert found["records"] == str(len(study()))
    assert found["download"] == "records.json blob:"
