// The page of a bundle: who asks, what is recommended, what that takes. It shows; recpress.js answers.

import { Recommender } from "./recpress.js";
import { knownRows } from "./rows.js";
import { Combobox, searchIn } from "./search.js";
import { clockTick, timed } from "./timing.js";

const MOST = 500; // items that a list shows here
const $ = (id) => document.getElementById(id);
const number = (value) => value.toLocaleString("en");

function element(tag, properties, ...children) {
	const made = Object.assign(document.createElement(tag), properties);
	made.append(...children);
	return made;
}

function button(text, ariaLabel, onclick) {
	return element("button", { type: "button", ariaLabel, onclick }, text);
}

function formatBytes(count) {
	return count < 1024 * 1024 ? `${(count / 1024).toFixed(1)} KiB` : `${(count / 1024 / 1024).toFixed(1)} MiB`;
}

function formatMicroseconds(value) {
	return value < 1000 ? `${value.toPrecision(3)} µs` : `${(value / 1000).toPrecision(3)} ms`;
}

/** Put children in the place of a list's; who was in it by keyboard stays at the same place. */
function replace(list, children, otherwise) {
	const at = [...list.children].findIndex((child) => child.contains(document.activeElement));
	list.replaceChildren(...children);
	if (at >= 0) (children[Math.min(at, children.length - 1)]?.querySelector("button") ?? otherwise).focus();
}

class Page {
	user = null;
	seen = [];
	heldOut = [];
	before = null; // the list that the next one is compared with
	turn = 0;

	constructor(recommender, rows) {
		this.recommender = recommender;
		this.rows = rows;
		this.retired = new Set(recommender.contract.retired);
		this.isHistory = recommender.contract.profile === "history";
		this.most = Math.min(MOST, recommender.contract.n_items);
		this.tick = clockTick();
	}

	title(item) {
		return this.recommender.titles?.[item] || this.recommender.itemIds[item];
	}

	/** An item's title with its id behind it, where it has both. */
	label(item) {
		const id = this.recommender.itemIds[item];
		const small = [this.title(item) === id ? "" : id, this.retired.has(item) ? "retired" : ""].filter(Boolean);
		return [this.title(item), " ", element("small", {}, small.join(", "))];
	}

	choose({ user, seen, heldOut = [], known = true }) {
		Object.assign(this, { user: user < 0 ? null : user, seen: [...new Set(seen)], heldOut, known, before: null });
		if (this.user !== null) $("user").value = this.recommender.userIds[user];
		this.show();
	}

	chooseUser(user) {
		this.choose(this.rows.find((row) => row.user === user) ?? { user, seen: [], known: false });
	}

	see(seen) {
		this.seen = [...new Set(seen)];
		this.show();
	}

	show() {
		const { itemIds, userIds } = this.recommender;
		const k = Math.max(1, Math.min(this.most, Math.trunc($("k").value)));
		const question = { user: userIds[this.user] ?? null, seen: this.seen.map((item) => itemIds[item]), k };
		const answer = this.recommender.recommend(question);
		this.showSeen();
		this.showList(answer, k);
		this.before = answer.items;
		this.showTime(question);
	}

	showSeen() {
		const chips = this.seen.map((item) => {
			const without = () => this.see(this.seen.filter((other) => other !== item));
			return element("li", {}, button(this.title(item), `Remove ${this.title(item)}`, without));
		});
		replace($("seen"), chips, $("item"));
		$("clear").disabled = !this.seen.length;
		const count = `${number(this.seen.length)} item${this.seen.length === 1 ? "" : "s"}`;
		if (this.isHistory) {
			$("seen-note").textContent = this.seen.length
				? `The list is made of ${count}.`
				: "Nothing yet: this is the list of somebody unknown.";
		} else {
			$("seen-note").textContent = this.known
				? `${count} left out of the list.`
				: "What this user consumed is not in the bundle, so the list may hold it. Add what to leave out.";
		}
	}

	showList({ items, scores }, k) {
		const compared = this.before;
		const entries = items.map((item, rank) => this.entry(item, rank, scores, compared ? compared.indexOf(item) : rank));
		replace($("list"), entries, $("k"));
		const words = [`${number(items.length)} of ${number(this.recommender.contract.n_items)} items`];
		if (items.length < k) words.push("more are not left");
		if (compared) words.push(`${number(items.filter((item) => !compared.includes(item)).length)} of them new`);
		const hits = items.filter((item) => this.heldOut.includes(item)).length;
		if (this.heldOut.length) words.push(`${hits} of ${this.heldOut.length} that were held out from training`);
		$("told").textContent = `${words.join(", ")}.`;
	}

	entry(item, rank, scores, was) {
		const mark = (text, more) => element("span", { className: "mark", ...more }, text);
		const moved = was < 0 ? 0 : was - rank;
		const marks = [
			was < 0 && mark("new"),
			moved > 0 && mark(`▲ ${moved}`, { role: "img", ariaLabel: `up ${moved}` }),
			moved < 0 && mark(`▼ ${-moved}`, { role: "img", ariaLabel: `down ${-moved}`, className: "mark down" }),
			this.heldOut.includes(item) && mark("✓ held out, found"),
		].filter(Boolean);
		const bar = element("span", { className: "bar", title: `score ${scores[rank].toPrecision(6)}` });
		bar.style.width = `${scores[0] > 0 ? Math.max(0, (100 * scores[rank]) / scores[0]) : 0}%`;
		const word = this.isHistory ? "I like it" : "Seen it";
		return element(
			"li",
			{},
			element("span", { className: "rank" }, rank + 1),
			element("div", {}, ...this.label(item), ...marks, bar),
			button(word, `${word}: ${this.title(item)}`, () => this.see([...this.seen, item])),
		);
	}

	async showTime(question) {
		const turn = ++this.turn;
		const found = await timed(this.recommender.prepare(question), this.tick, () => turn === this.turn);
		if (!found) return;
		$("time").textContent = formatMicroseconds(found.median);
		$("clock").textContent =
			`An answer: median of ${found.batches} batches of ${number(found.runs)} in the engine alone, ` +
			`${formatMicroseconds(found.least)} to ${formatMicroseconds(found.most)}. ` +
			`This browser's clock moves in steps of ${formatMicroseconds(this.tick)}.`;
	}

	wire() {
		const { contract, itemIds, userIds, titles } = this.recommender;
		const words = (item) => (titles?.[item] ? `${titles[item]} ${itemIds[item]}` : itemIds[item]);
		new Combobox($("item"), $("items"), searchIn(itemIds.length, words), (item) => this.label(item), (item) => {
			$("item").value = "";
			this.see([...this.seen, item]);
		});
		const users = searchIn(userIds.length, (user) => userIds[user]);
		new Combobox($("user"), $("users"), users, (user) => [userIds[user]], (user) => this.chooseUser(user));
		$("item").placeholder = `Search ${number(itemIds.length)} ${titles ? "titles" : "item ids"}`;
		$("user").placeholder = `Search ${number(userIds.length)} user ids`;
		$("user-part").hidden = contract.profile !== "all-users";
		$("another").hidden = this.rows.length < 2;
		$("seen-label").textContent = this.isHistory ? "What was liked" : "Seen already, never recommended";
		$("k").max = this.most;
		$("k").value = Math.min(10, this.most);
		$("k").oninput = () => this.show();
		$("clear").onclick = () => this.see([]);
		$("another").onclick = () => this.choose(this.rows[Math.floor(Math.random() * this.rows.length)]);
	}
}

function showCosts({ manifest: { files }, contract, simd, titles }) {
	const size = (pattern) => {
		const names = Object.keys(files).filter((name) => pattern.test(name));
		return formatBytes(names.reduce((sum, name) => sum + files[name].bytes, 0));
	};
	const tile = (term, value, note, id = "") =>
		element("div", {}, element("dt", {}, term), element("dd", { id }, value), element("dd", {}, note));
	$("tiles").replaceChildren(
		tile("An answer", "…", "in the engine", "time"),
		tile("Model", size(/^model/), `${contract.recipe}, dim ${contract.dim}`),
		tile("Engine", size(simd ? /recpress.wasm/ : /plain.wasm/), `WebAssembly with${simd ? "" : "out"} SIMD`),
		tile("Page and scripts", size(/(html|css|js)$/), "not compressed"),
		tile("Tests and rows", size(/json$|npz$/), "for this page alone"),
		tile(titles ? "Ids and titles" : "Ids", size(/txt$/), "beside the model"),
	);
}

function watchRequests() {
	const loaded = performance.getEntriesByType("resource").length;
	const tell = () => {
		const all = performance.getEntriesByType("resource");
		const foreign = all.filter(({ name }) => new URL(name).origin !== location.origin).length;
		$("requests").textContent =
			`${all.length} requests, ${foreign ? `${foreign} of them elsewhere` : "all to this page's own server"}, ` +
			`${all.length - loaded || "none"} since it was loaded: who asks and what was seen stay here.`;
	};
	new PerformanceObserver(tell).observe({ type: "resource" });
	tell();
}

function about({ manifest, contract }) {
	const retired = contract.retired?.length ? `, ${number(contract.retired.length)} of them retired` : "";
	const whom = contract.n_users ? `${number(contract.n_users)} user${contract.n_users > 1 ? "s" : ""}` : "any history";
	const data = manifest.provenance.dataset?.name ?? "unknown";
	return `Data set ${data}: ${number(contract.n_items)} items${retired}, ${whom}. Lists are computed in this page.`;
}

function say(kind, strong, words) {
	$("state").className = kind;
	$("state").replaceChildren(element("b", {}, strong), ` ${words}`);
}

async function start() {
	const recommender = await Recommender.load();
	document.title = `${recommender.manifest.name}: recommendations in this page`;
	$("name").textContent = recommender.manifest.name;
	$("about").textContent = about(recommender);
	const test = await recommender.selftest();
	if (!test.passed) throw new Error(`Its self-test failed: ${test.failure}. Export the bundle again.`);
	const equal = test.exact ? "have the stated ids and the very bits of the stated scores" : "are as stated, within the file's tolerance";
	say("good", "Self-test passed in this page.", `All ${test.queries} lists of ${test.k} ${equal}.`);
	const page = new Page(recommender, await knownRows(recommender));
	page.wire();
	showCosts(recommender);
	$("main").hidden = $("costs").hidden = false;
	page.choose(page.rows[0]);
	watchRequests();
}

start().catch((error) => say("bad", "Nothing can be recommended.", error.message));
