// The page of a bundle: who asks, what is recommended, and what that takes. It shows; recpress.js answers.

import { Recommender } from "./recpress.js";
import { Combobox, searchIn } from "./search.js";
import { clockTick, timed } from "./timing.js";

const MOST = 500; // items that a list of this page shows
const $ = (id) => document.getElementById(id);
const number = new Intl.NumberFormat("en");
const state = { user: null, seen: [], previous: null };

function element(name, properties = {}, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

function formatBytes(count) {
  return count < 1024 * 1024 ? `${(count / 1024).toFixed(1)} KiB` : `${(count / 1024 / 1024).toFixed(1)} MiB`;
}

function formatMicroseconds(value) {
  return value < 1000 ? `${value.toFixed(value < 10 ? 2 : 1)} µs` : `${(value / 1000).toFixed(2)} ms`;
}

function say(kind, strong, text) {
  $("state").className = kind;
  $("state").replaceChildren(element("b", { textContent: strong }), ` ${text}`);
}

class Page {
  constructor(recommender, rows) {
    this.recommender = recommender;
    this.rows = rows; // of users whose history travels in the bundle
    this.retired = new Set(recommender.contract.retired);
    this.history = recommender.contract.profile === "history";
    this.listed = 0;
  }

  title(item) {
    return this.recommender.titles?.[item] || this.recommender.itemIds[item];
  }

  /** Text of an item and, where it has a title, its id behind it. */
  label(item) {
    const id = this.recommender.itemIds[item];
    const small = [this.title(item) === id ? "" : id, this.retired.has(item) ? "retired" : ""].filter(Boolean);
    return [this.title(item), small.length ? element("small", { textContent: `  ${small.join(", ")}` }) : ""];
  }

  question() {
    const { itemIds, userIds } = this.recommender;
    return {
      user: state.user === null ? null : userIds[state.user],
      seen: state.seen.map((item) => itemIds[item]),
      k: Math.min(this.k(), this.most()),
    };
  }

  most() {
    return Math.min(MOST, this.recommender.contract.n_items);
  }

  k() {
    const value = Math.trunc(Number($("k").value));
    return value >= 1 ? value : 1;
  }

  choose(row) {
    state.user = this.recommender.contract.profile === "all-users" ? row.user : null;
    state.seen = [...row.seen];
    state.relevant = row.relevant;
    state.known = row.known;
    state.previous = null;
    if (state.user !== null) $("user").value = this.recommender.userIds[state.user];
    this.show();
  }

  /** A user by index, with what the bundle knows of them. */
  chooseUser(user) {
    this.choose(this.rows.find((row) => row.user === user) ?? { user, seen: [], relevant: [], known: false });
  }

  add(item) {
    if (state.seen.includes(item)) return;
    state.seen = [...state.seen, item];
    this.show();
  }

  remove(item) {
    state.seen = state.seen.filter((other) => other !== item);
    this.show();
  }

  show() {
    const question = this.question();
    const answer = this.recommender.recommend(question);
    this.showSeen();
    this.showList(answer, question.k);
    state.previous = answer.items;
    this.time(question);
  }

  showSeen() {
    const focused = document.activeElement?.closest?.("#seen li");
    const at = focused ? [...$("seen").children].indexOf(focused) : -1;
    $("seen").replaceChildren(
      ...state.seen.map((item) => {
        const button = element("button", { type: "button", textContent: this.title(item) });
        button.setAttribute("aria-label", `Remove ${this.title(item)}`);
        button.addEventListener("click", () => this.remove(item));
        return element("li", {}, button);
      }),
    );
    // Whoever removes by keyboard stays in the list.
    if (at >= 0) ($("seen").children[Math.min(at, state.seen.length - 1)]?.firstChild ?? $("item")).focus();
    $("clear").disabled = !state.seen.length;
    $("seen-note").textContent = this.seenNote();
  }

  seenNote() {
    const count = number.format(state.seen.length);
    if (this.history) {
      return state.seen.length ? `${count} items make this list.` : "Nothing yet: this is the list of somebody unknown.";
    }
    if (state.user !== null && !state.known) {
      return "What this user consumed is not in the bundle: the list may hold it. Add here what to leave out.";
    }
    return `${count} items are left out of the list.`;
  }

  showList({ items, scores }, k) {
    const before = state.previous && new Map(state.previous.map((item, rank) => [item, rank]));
    const focused = document.activeElement?.closest?.("#list li");
    const at = focused ? [...$("list").children].indexOf(focused) : -1;
    const hits = items.filter((item) => state.relevant?.includes(item)).length;
    $("list").replaceChildren(
      ...items.map((item, rank) => this.entry(item, rank, scores, before?.get(item), before !== null)),
    );
    if (at >= 0) $("list").children[Math.min(at, items.length - 1)]?.querySelector("button").focus();
    const changed = before ? items.filter((item) => !before.has(item)).length : 0;
    const words = [`${number.format(items.length)} of ${number.format(this.recommender.contract.n_items)} items`];
    if (items.length < k) words.push("no more are left");
    if (before) words.push(changed ? `${number.format(changed)} of them new in the list` : "the same as before");
    if (hits) words.push(`${number.format(hits)} held out from training and found`);
    $("told").textContent = `${words.join(", ")}.`;
  }

  entry(item, rank, scores, was, compared) {
    const mark = element("span", { className: "mark" });
    if (compared && was === undefined) mark.textContent = "new";
    else if (compared && was !== rank) {
      mark.textContent = was > rank ? `▲ ${was - rank}` : `▼ ${rank - was}`;
      mark.classList.toggle("down", was < rank);
      mark.setAttribute("aria-label", was > rank ? `up ${was - rank}` : `down ${rank - was}`);
      mark.setAttribute("role", "img");
    }
    const hit = state.relevant?.includes(item) ? element("span", { className: "mark", textContent: "✓ held out, found" }) : "";
    const bar = element("span", { className: "bar" });
    bar.style.width = `${scores[0] > 0 ? Math.max(0, 100 * (scores[rank] / scores[0])) : 0}%`;
    bar.title = `score ${scores[rank].toPrecision(6)}`;
    const button = element("button", { type: "button", textContent: this.history ? "I like it" : "Seen it" });
    button.setAttribute("aria-label", `${button.textContent}: ${this.title(item)}`);
    button.addEventListener("click", () => this.add(item));
    return element(
      "li",
      {},
      element("span", { className: "rank", textContent: rank + 1 }),
      element("div", {}, element("span", { className: "title" }, ...this.label(item), mark, hit), bar),
      button,
    );
  }

  async time(question) {
    const turn = ++this.listed;
    const found = await timed(this.recommender.prepare(question), this.tick, () => turn === this.listed);
    if (!found) return;
    $("time").textContent = formatMicroseconds(found.median);
    $("clock").textContent =
      `Median of ${found.batches} batches of ${number.format(found.runs)} answers each, in the engine alone. ` +
      `The clock of this browser moves in steps of ${formatMicroseconds(this.tick)}; ` +
      `batches differed from ${formatMicroseconds(found.least)} to ${formatMicroseconds(found.most)}.`;
  }
}

/** Whom the page can show at once: the evaluation's users where they travel along, else the self-test's. */
async function knownRows(recommender) {
  const row = (user, seen, relevant = []) => ({ user, seen, relevant, known: true });
  const evaluation = await recommender.evaluation();
  if (evaluation) return evaluation.map(({ user, seen, relevant }) => row(user, seen, relevant));
  const test = await recommender.questions();
  return test.users.map((user, at) => row(user, test.seen[at]));
}

function showCosts(recommender) {
  const files = recommender.manifest.files;
  const size = (...names) => names.reduce((sum, name) => sum + (files[name]?.bytes ?? 0), 0);
  const { contract } = recommender;
  const tile = (term, value, small, id = "") =>
    element("div", {}, element("dt", { textContent: term }), element("dd", {}, element("span", { id, textContent: value }), element("small", { textContent: small })));
  const engine = recommender.simd ? "recpress.wasm" : "recpress-plain.wasm";
  $("tiles").replaceChildren(
    tile("An answer", "…", "in the engine", "time"),
    tile("Model", formatBytes(size(contract.model_file)), `${number.format(contract.n_items)} items, dim ${contract.dim}, ${contract.recipe}`),
    tile("Engine", formatBytes(size(engine)), recommender.simd ? "WebAssembly with SIMD" : "WebAssembly without SIMD"),
    tile("Page and scripts", formatBytes(size("index.html", "page.css", "page.js", "search.js", "timing.js", "recpress.js")), "not compressed"),
    tile("Ids and titles", formatBytes(size("items.txt", "users.txt", "titles.txt")), recommender.titles ? "with titles" : "no titles here"),
  );
  $("costs").hidden = false;
}

function watchRequests() {
  const own = (entry) => new URL(entry.name).origin === location.origin;
  const loaded = performance.getEntriesByType("resource").length;
  const tell = () => {
    const all = performance.getEntriesByType("resource");
    const foreign = all.filter((entry) => !own(entry)).length;
    $("requests").textContent =
      `${all.length} requests, ${foreign ? `${foreign} of them elsewhere` : "all to this page's own folder"}; ` +
      `${all.length - loaded || "none"} since the model was loaded. Who asks and what is seen stay in this page.`;
  };
  new PerformanceObserver(tell).observe({ type: "resource" });
  tell();
}

function wire(page, recommender) {
  const { contract, itemIds, userIds, titles } = recommender;
  $("k").max = page.most();
  $("k").addEventListener("input", () => page.show());
  $("clear").addEventListener("click", () => {
    state.seen = [];
    page.show();
  });
  $("another").addEventListener("click", () => page.choose(page.rows[Math.floor(Math.random() * page.rows.length)]));
  const items = searchIn(itemIds.length, (item) => (titles?.[item] ? `${titles[item]} ${itemIds[item]}` : itemIds[item]));
  new Combobox($("item"), $("items"), items, (item) => page.label(item), (item) => {
    $("item").value = "";
    page.add(item);
  });
  $("item").placeholder = `Search ${number.format(itemIds.length)} ${titles ? "titles" : "item ids"}`;
  $("seen-label").textContent = page.history ? "What was liked" : "Already seen, never recommended";
  if (contract.profile === "all-users") {
    const users = searchIn(userIds.length, (user) => userIds[user]);
    new Combobox($("user"), $("users"), users, (user) => [userIds[user]], (user) => page.chooseUser(user));
    $("user").placeholder = `Search ${number.format(userIds.length)} user ids`;
    $("example").textContent = `{ user: ${JSON.stringify(userIds[0])}, seen: [], k: 10 }`;
  } else {
    $("user-part").hidden = true;
    $("another").hidden = page.rows.length < 2;
    $("example").textContent = `{ seen: [${JSON.stringify(itemIds[0])}], k: 10 }`;
  }
}

function about(recommender) {
  const { manifest, contract } = recommender;
  const words = [`Data set ${manifest.provenance.dataset?.name ?? "unknown"}`, `${number.format(contract.n_items)} items`];
  if (contract.retired?.length) words.push(`${number.format(contract.retired.length)} of them retired and never recommended`);
  words.push(contract.profile === "all-users" ? `${number.format(contract.n_users)} users` : contract.profile === "history" ? "any history" : "one user");
  return `${words.join(", ")}. Lists are computed in this page, and no question leaves it.`;
}

async function start() {
  const recommender = await Recommender.load();
  document.title = `${recommender.manifest.name}: recommendations in this page`;
  $("name").textContent = recommender.manifest.name;
  $("about").textContent = about(recommender);
  const test = await recommender.selftest();
  if (!test.passed) {
    say("bad", "Self-test failed.", `${test.failure}. Nothing is shown: export the bundle again.`);
    return;
  }
  say("good", "Self-test passed in this page.", `${number.format(test.queries)} of ${number.format(test.queries)} lists of ${test.k} ` +
    (test.exact ? "have the stated ids and the very bits of the stated scores." : "are as stated, scores within the tolerance of the file."));
  const page = new Page(recommender, await knownRows(recommender));
  page.tick = clockTick();
  wire(page, recommender);
  showCosts(recommender);
  $("main").hidden = false;
  page.choose(page.rows[0]);
  watchRequests();
}

start().catch((error) => say("bad", "This page cannot answer.", error.message));
