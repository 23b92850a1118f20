"""The page of a web bundle in a real browser: its lists are numpy's, it asks nobody, it fits every screen."""

import json
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

pytest.importorskip("ziglang")

from browser import Browser
from matplotlib.image import imread
from web_bundles import make_web_bundle, numpy_answer, title

from recpress_edge.artifacts.bundle import Bundle, open_bundle
from recpress_edge.artifacts.manifest import write_manifest
from recpress_edge.core.rng import stream
from recpress_edge.jobs.web import WebRequest

RETIRED = (3, 9, 200)
MOST_BYTES = 40 * 1024
QUESTIONS = 60
"""To each kind of bundle."""


@pytest.fixture(scope="module")
def browser(tmp_path_factory) -> Iterator[Browser]:
    with Browser(tmp_path_factory.mktemp("browser")) as found:
        yield found


@pytest.fixture(scope="module")
def bundles(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bundles")
    return {
        "all-users": make_web_bundle(folder / "all", retired=RETIRED),
        "history": make_web_bundle(folder / "history", profile="history", retired=RETIRED),
        "single-user": make_web_bundle(folder / "single", profile="single-user", titles=False, rows=False),
    }


@contextmanager
def served(folder: Path) -> Iterator[str]:
    with WebRequest(bundle=folder).open() as server:
        thread = threading.Thread(target=server.run, daemon=True)
        thread.start()
        yield server.url
        server.stop()
        thread.join()


@contextmanager
def shown(browser: Browser, bundle: Bundle, width: int = 1280, *, dark: bool = False) -> Iterator[Browser]:
    with served(bundle.folder) as url:
        browser.open(url, width, dark=dark)
        browser.wait("document.querySelector('#clock').textContent || document.querySelector('#state.bad')")
        yield browser


def listed(browser: Browser) -> list[str]:
    """The ids on the page, best first."""
    return browser.ask(
        "[...document.querySelectorAll('#list li div')]"
        ".map((d) => d.querySelector('small').textContent.split(',')[0] || d.firstChild.textContent)"
    )


def wanted(bundle: Bundle, user: int | None, seen: list[int], k: int = 10) -> list[str]:
    return [f"i{item}" for item in numpy_answer(bundle, user, seen, k)[0]]


def test_it_passes_its_self_test_and_asks_its_own_server_alone(browser, bundles):
    bundle = bundles["all-users"]
    with shown(browser, bundle):
        assert "Self-test passed in this page. All 16 lists of 20" in browser.ask("document.body.innerText")
        rows = bundle.rows()
        assert listed(browser) == wanted(bundle, 0, rows.seen(0).tolist())
        url = browser.ask("location.href")
        unused = {"README.md", "recpress-plain.wasm", "recpress.d.ts"}
        expected = {f"{url}{name}" for name in (*bundle.files, "bundle.json") if name not in unused}
        requested = browser.requested()
        assert {one for one in requested if not one.startswith("data:")} == {
            url,
            *(expected - {f"{url}index.html"}),
        }
        browser.ask("document.querySelector('#another').click()")
        browser.wait("document.querySelector('#clock').textContent")
        assert browser.requested() == requested
        assert browser.complaints() == []
        assert "none since it was loaded" in browser.ask("document.querySelector('#requests').textContent")


def test_a_user_is_found_by_id_and_items_are_left_out(browser, bundles):
    bundle = bundles["all-users"]
    with shown(browser, bundle):
        browser.type("#user", "U2")  # whatever the case; the field's text is selected first
        assert browser.ask("document.querySelector('#users [role=option]').textContent") == "u2"
        browser.press("ArrowDown")
        browser.press("ArrowUp")
        browser.press("Enter")
        seen = bundle.rows().seen(2).tolist()
        assert listed(browser) == wanted(bundle, 2, seen)
        first = int(listed(browser)[0][1:])
        browser.ask("document.querySelector('#list button').click()")
        assert listed(browser) == wanted(bundle, 2, [*seen, first])
        assert "1 of them new" in browser.ask("document.querySelector('#told').textContent")
        browser.type("#item", title(250).upper())
        browser.press("Enter")
        assert listed(browser) == wanted(bundle, 2, [*seen, first, 250])
        browser.ask("document.querySelector('#clear').click()")
        assert listed(browser) == wanted(bundle, 2, [])
        browser.type("#user", "u39")
        browser.press("Enter")
        assert "is not in the bundle" in browser.ask("document.querySelector('#seen-note').textContent")
        assert listed(browser) == wanted(bundle, 39, [])


def test_a_history_is_made_of_what_is_liked(browser, bundles):
    bundle = bundles["history"]
    with shown(browser, bundle):
        browser.ask("document.querySelector('#clear').click()")
        assert listed(browser) == wanted(bundle, None, [])
        assert "somebody unknown" in browser.ask("document.querySelector('#seen-note').textContent")
        browser.type("#item", title(7))
        browser.press("Enter")
        assert listed(browser) == wanted(bundle, None, [7])
        browser.type("#item", "senora")  # found without its accent
        browser.press("ArrowDown")
        browser.press("Enter")
        chosen = browser.ask("[...document.querySelectorAll('#seen button')].map((b) => b.textContent)")
        assert chosen[0] == title(7)
        assert "Señora" in chosen[1]
        browser.ask("document.querySelector('#seen button').focus()")
        browser.press("Enter")
        browser.wait("document.querySelectorAll('#seen li').length === 1")
        assert browser.ask(
            "document.activeElement.closest('#seen') !== null"
        )  # a keyboard does not lose its place


def test_as_many_as_there_are_and_none_that_is_retired(browser, bundles):
    bundle = bundles["all-users"]
    with shown(browser, bundle):
        browser.ask("document.querySelector('#k').value = 500; document.querySelector('#k').oninput()")
        seen = bundle.rows().seen(0).tolist()
        left = bundle.contract.n_items - len({*seen, *RETIRED})
        assert listed(browser) == wanted(bundle, 0, seen, left)
        assert "more are not left" in browser.ask("document.querySelector('#told').textContent")
        browser.type("#item", "i200")
        assert "retired" in browser.ask("document.querySelector('#items [role=option]').textContent")


def test_one_user_needs_no_name_and_ids_stand_for_titles(browser, bundles):
    bundle = bundles["single-user"]
    with shown(browser, bundle):
        assert listed(browser) == wanted(bundle, 0, list(bundle.selftest().seen[0]))
        assert browser.ask("document.querySelector('#user-part').hidden")


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("profile", ["all-users", "history", "single-user"])
def test_it_fits_phones_and_desktops_by_day_and_by_night(browser, bundles, profile, width, dark, tmp_path):
    with shown(browser, bundles[profile], width, dark=dark):
        root = "document.documentElement"
        assert browser.ask(f"{root}.clientWidth") == width
        assert browser.ask(f"{root}.scrollWidth") == width
        browser.picture(tmp_path / "page.png")
        picture = imread(tmp_path / "page.png")[..., :3]
        ground, white = picture[0, 0].max(), (picture.min(axis=2) > 0.97).mean()
        assert (ground < 0.2 and white < 0.01) if dark else ground > 0.97


def test_whatever_can_be_used_has_a_name(browser, bundles):
    with shown(browser, bundles["all-users"]):
        nodes = browser.send("Accessibility.getFullAXTree")["nodes"]
        found = [
            (node["role"]["value"], node.get("name", {}).get("value"))
            for node in nodes
            if not node["ignored"] and node["role"]["value"] in ("button", "combobox", "spinbutton", "link")
        ]
        assert len(found) > 12
        assert all(name for _, name in found), found
        assert ("combobox", "User") in found


def damaged(bundle: Bundle, folder: Path) -> Path:
    return Path(shutil.copytree(bundle.folder, folder))


def test_a_file_that_is_not_the_listed_one_is_refused(browser, bundles, tmp_path):
    folder = damaged(bundles["all-users"], tmp_path / "bundle")
    with WebRequest(bundle=folder).open() as server:
        threading.Thread(target=server.run, daemon=True).start()
        model = bytearray((folder / "model.bin").read_bytes())
        model[-1] ^= 1
        (folder / "model.bin").write_bytes(model)
        browser.open(server.url)
        browser.wait("document.querySelector('#state.bad')")
        assert "model.bin is not the file" in browser.ask("document.querySelector('#state').textContent")
        assert browser.ask("document.querySelector('#main').hidden")
        server.stop()


@pytest.mark.parametrize("part", ["items", "scores"])
def test_a_wrong_answer_is_said_and_nothing_is_shown(browser, bundles, tmp_path, part):
    bundle = bundles["all-users"]
    folder = damaged(bundle, tmp_path / "bundle")
    test = json.loads((folder / "selftest.json").read_text())
    if part == "items":
        test["items"][3][:2] = reversed(test["items"][3][:2])
    else:  # the nearest float32 is another
        test["scores"][3][1] *= 1 + 1e-6
    (folder / "selftest.json").write_text(json.dumps(test))
    write_manifest(folder, bundle.name, bundle.contract, bundle.provenance, bundle.quality)
    with shown(browser, open_bundle(folder)):
        said = browser.ask("document.querySelector('#state').textContent")
        assert "self-test failed: query 4, rank" in said
        assert browser.ask("document.querySelector('#main').hidden")


def loaded_bytes(bundle: Bundle) -> int:
    """What a browser reads beside the model, its ids and its questions."""
    loaded = [n for n in bundle.files if n.endswith((".html", ".css", ".js")) or n == "recpress.wasm"]
    assert len(loaded) == 8
    return sum(bundle.files[name]["bytes"] for name in loaded)


ASK = """
(async () => {
  const { Recommender } = await import("./recpress.js");
  const asked = %s;
  const all = [];
  for (const simd of [true, false]) {
    const loaded = await Recommender.load("./", { simd });
    all.push([loaded.simd, asked.map((question) => loaded.recommend(question))]);
  }
  return all;
})()
"""


@pytest.mark.parametrize(
    ("recipe", "more"),
    [
        ("fp32", {"dim": 9}),
        ("int8-dim", {"dim": 10}),
        ("int8-dim", {"dim": 7, "n_items": 1000, "order": "length"}),
        ("int8-dim", {"dim": 4, "n_items": 1000, "order": "neighbours"}),
        ("int8-item", {"dim": 22, "profile": "history"}),
        ("int4-item", {"dim": 13, "n_items": 321}),
        ("int4-item", {"dim": 8, "profile": "single-user"}),
    ],
    ids=lambda value: value if isinstance(value, str) else "-".join(map(str, value.values())),
)
def test_the_module_answers_as_numpy_does(browser, recipe, more, tmp_path):
    bundle = make_web_bundle(tmp_path / "bundle", recipe=recipe, retired=(0, 31, 32), **more)
    contract = bundle.contract
    assert loaded_bytes(bundle) <= MOST_BYTES
    rng = stream(1, f"web {recipe} {more}")
    users = [int(rng.integers(contract.n_users)) if contract.n_users else None for _ in range(QUESTIONS)]
    seen = [rng.permutation(contract.n_items)[: rng.integers(0, 40)].tolist() for _ in users]
    lengths = [int(rng.choice([1, 10, 50, contract.n_items // 2])) for _ in users]
    asked = [
        {
            "seen": [f"i{item}" for item in row],
            "k": k,
            **({"user": f"u{user}"} if contract.n_users > 1 else {}),
        }
        for user, row, k in zip(users, seen, lengths, strict=True)
    ]
    with served(bundle.folder) as url:
        browser.open(url)
        with_simd, plain = browser.ask(ASK % json.dumps(asked))
    assert with_simd[0] is True
    assert plain == [False, with_simd[1]]  # to the bit, of fp32 files too
    for user, row, k, answer in zip(users, seen, lengths, plain[1], strict=True):
        items, scores = numpy_answer(bundle, user, row, k)
        if contract.exact:
            assert (answer["items"], answer["scores"]) == (items, scores)
        else:
            assert answer["scores"] == pytest.approx(scores, abs=1e-4)
        assert answer["ids"] == [f"i{item}" for item in answer["items"]]
        assert answer["titles"] == [title(item) for item in answer["items"]]
        assert not {*answer["items"]} & {*row, 0, 31, 32}


REFUSED = """
(async () => {
  const { Recommender, BundleError } = await import("./recpress.js");
  const loaded = await Recommender.load();
  const said = (question) => {
    try { return loaded.recommend(question); } catch (error) { return `${error.name}: ${error.message}`; }
  };
  const missing = await Recommender.load("./nowhere/").catch((error) => error instanceof BundleError);
  const odd = loaded.recommend({ user: "u1", seen: ["i5", "stranger", 7], k: 3 });
  return [missing, odd.unknown, said({ k: 3 }), said({ user: "who" }), said({ user: "u1", k: 0 }),
    said({ user: "u1", k: 301 }), said({ user: "u1", seen: "i5" }),
    said({ user: "u1", seen: ["x"], strict: true }),
    Object.getOwnPropertyNames(Recommender.prototype).sort(), Object.keys(loaded).sort()];
})()
"""


def test_what_cannot_be_answered_is_an_error_that_says_why(browser, bundles):
    with served(bundles["all-users"].folder) as url:
        browser.open(url)
        missing, unknown, *said, methods, fields = browser.ask(REFUSED)
    assert missing is True
    assert unknown == ["stranger", "7"]
    assert [text.partition(":")[0] for text in said] == ["RangeError"] * 4 + ["TypeError", "RangeError"]
    assert "serves 40 users" in said[0]
    types = (bundles["all-users"].folder / "recpress.d.ts").read_text()
    declared = types.partition("export class Recommender {")[2]
    assert methods == sorted(["constructor", "recommend", "prepare", "read", "selftest"])
    assert all(f" {name}(" in declared for name in methods)
    assert fields == sorted(["manifest", "contract", "itemIds", "userIds", "titles", "simd"])
    assert all(f"  readonly {name}: " in declared for name in fields)
