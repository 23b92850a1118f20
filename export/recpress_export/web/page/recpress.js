// Recommendations from a RecPress Edge bundle, computed where this module runs. Use and types: recpress.d.ts.

const SCHEMA = "recpress.bundle/1";
const PAGE_BYTES = 65536; // in which WebAssembly memory grows

export class BundleError extends Error {
	name = "BundleError";
}

const aligned = (at) => Math.ceil(at / 64) * 64;
const text = (bytes) => new TextDecoder("utf-8", { fatal: true }).decode(bytes);

function checked(code) {
	if (code < 0) throw new BundleError(`model.bin: the engine answers ${code}, see recpress.h`);
	return code;
}

async function digest(bytes) {
	// Browsers offer digests in secure contexts alone: https and loopback.
	const hash = await globalThis.crypto?.subtle?.digest("SHA-256", bytes);
	return hash && Array.from(new Uint8Array(hash), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** The files of a bundle, each held against the size and the digest that bundle.json states. */
class Files {
	constructor(folder, get) {
		this.folder = folder;
		this.get = get;
	}

	async bytes(name) {
		const answer = await this.get(new URL(name, this.folder), { cache: "no-cache" });
		if (!answer.ok) throw new BundleError(`${name}: the server answers ${answer.status}`);
		return new Uint8Array(await answer.arrayBuffer());
	}

	async manifest() {
		const manifest = JSON.parse(text(await this.bytes("bundle.json")));
		if (manifest.schema !== SCHEMA) throw new BundleError(`bundle.json has schema ${manifest.schema}, not ${SCHEMA}`);
		this.facts = manifest.files;
		return manifest;
	}

	async read(name) {
		if (!Object.hasOwn(this.facts, name)) throw new BundleError(`bundle.json lists no ${name}`);
		const { bytes: size, sha256 } = this.facts[name];
		const bytes = await this.bytes(name);
		if (bytes.length !== size || ((await digest(bytes)) ?? sha256) !== sha256) {
			throw new BundleError(`${name} is not the file that bundle.json lists: reload, or copy the bundle again`);
		}
		return bytes;
	}

	async lines(name, count) {
		const found = text(await this.read(name)).split("\n").slice(0, -1);
		if (found.length !== count) throw new BundleError(`${name} must hold ${count} lines, found ${found.length}`);
		return found;
	}

	async engine(simd) {
		const bytes = simd && (await this.read("recpress.wasm"));
		// A browser without SIMD finds the module invalid, and takes the plain one.
		if (bytes && WebAssembly.validate(bytes)) return { module: await WebAssembly.compile(bytes), simd };
		return { module: await WebAssembly.compile(await this.read("recpress-plain.wasm")), simd: false };
	}
}

/** The engine with a model in its memory, and behind it what a query takes and gives. */
class Engine {
	constructor(wasm, model, inOrder) {
		this.wasm = wasm;
		this.inOrder = inOrder;
		const at = wasm.base() >>> 0;
		this.free = aligned(at + model.length);
		this.room(this.free);
		new Uint8Array(wasm.memory.buffer, at, model.length).set(model);
		checked(wasm.open(at, model.length));
	}

	room(end) {
		const lacking = end - this.wasm.memory.buffer.byteLength;
		if (lacking > 0) this.wasm.memory.grow(Math.ceil(lacking / PAGE_BYTES));
	}

	/** Lay a query into memory: `run` answers it, as often as it is called, and `read` gives the answer. */
	prepare(user, given, k) {
		const { wasm, free } = this;
		// Each item once and in this order, in which the rows of a float history are summed everywhere; of a
		// history that forgets as they were consumed.
		const seen = this.inOrder ? Uint32Array.from(given) : Uint32Array.from(new Set(given)).sort();
		const items = aligned(free + 4 * seen.length);
		const scores = aligned(items + 4 * k);
		const scratch = aligned(scores + 4 * k);
		const size = wasm.scratch(k) >>> 0;
		this.room(scratch + size);
		new Uint32Array(wasm.memory.buffer, free, seen.length).set(seen);
		return {
			run: () => checked(wasm.recommend(user, free, seen.length, k, items, scores, scratch, size)),
			read: (found) => ({
				items: Array.from(new Uint32Array(wasm.memory.buffer, items, found)),
				scores: Array.from(new Float32Array(wasm.memory.buffer, scores, found)),
			}),
		};
	}
}

/** A bundle that answers. */
export class Recommender {
	#files;
	#engine;
	#users;
	#items;

	constructor(files, engine, facts) {
		this.#files = files;
		this.#engine = engine;
		Object.assign(this, facts);
	}

	static async load(folder = new URL("./", import.meta.url), { fetch: get = globalThis.fetch, simd = true } = {}) {
		const base = new URL(folder, globalThis.document?.baseURI ?? globalThis.location?.href ?? import.meta.url);
		if (!base.pathname.endsWith("/")) base.pathname += "/";
		const files = new Files(base, (url, options) => get(url, options));
		const manifest = await files.manifest();
		const { contract } = manifest;
		const [engine, model, itemIds, userIds, titles] = await Promise.all([
			files.engine(simd),
			files.read(contract.model_file),
			files.lines("items.txt", contract.n_items),
			files.lines("users.txt", contract.n_users),
			"titles.txt" in manifest.files ? files.lines("titles.txt", contract.n_items) : null,
		]);
		const { exports } = await WebAssembly.instantiate(engine.module, {});
		const facts = { manifest, contract, itemIds, userIds, titles, simd: engine.simd };
		return new Recommender(files, new Engine(exports, model, facts.contract.history_length > 0), facts);
	}

	recommend(question = {}) {
		const { query, unknown } = this.#asked(question);
		const { items, scores } = query.read(query.run());
		const ids = items.map((item) => this.itemIds[item]);
		const titles = this.titles && items.map((item) => this.titles[item]);
		return { items, ids, titles, scores, unknown };
	}

	prepare(question = {}) {
		return this.#asked(question).query.run;
	}

	read(name) {
		return this.#files.read(name);
	}

	async selftest() {
		const { users, seen, k, items, scores } = JSON.parse(text(await this.read("selftest.json")));
		const { exact, score_tolerance: tolerance } = this.contract;
		let failure = null;
		for (let at = 0; at < users.length && !failure; at++) {
			const query = this.#engine.prepare(Math.max(0, users[at]), seen[at], k);
			const stated = { items: items[at], scores: scores[at].map(Math.fround) };
			const wrong = difference(query.read(query.run()), stated, exact, tolerance);
			if (wrong) failure = `query ${at + 1}, ${wrong}`;
		}
		return { passed: !failure, queries: users.length, k, exact, failure };
	}

	#asked({ user = null, seen = [], k = 10, strict = false }) {
		const { n_items: nItems } = this.contract;
		if (!Number.isInteger(k) || k < 1 || k > nItems) throw new RangeError(`k ${k} is not 1 to ${nItems}`);
		if (typeof seen === "string") throw new TypeError(`seen "${seen}" is one text: give item ids`);
		this.#items ??= new Map(this.itemIds.map((id, index) => [id, index]));
		const known = [];
		const unknown = [];
		for (const id of seen) {
			const index = this.#items.get(String(id));
			index === undefined ? unknown.push(String(id)) : known.push(index);
		}
		if (strict && unknown.length) throw new RangeError(`unknown seen item "${unknown[0]}"`);
		return { query: this.#engine.prepare(this.#row(user), known, k), unknown };
	}

	#row(user) {
		const { n_users: count } = this.contract;
		if (user === null) {
			if (count > 1) throw new RangeError(`this bundle serves ${count} users: say which one`);
			return 0;
		}
		this.#users ??= new Map(this.userIds.map((id, index) => [id, index]));
		const row = this.#users.get(String(user));
		if (row === undefined) throw new RangeError(`unknown user "${user}"`);
		return row;
	}
}

/** What is not as stated, in words. Of a file that is not exact, items may change places where scores tie. */
function difference(found, stated, exact, tolerance) {
	const { items, scores } = stated;
	if (new Set(found.items).size !== items.length) return `${found.items.length} items, expected ${items.length}`;
	for (let rank = 0; rank < items.length; rank++) {
		const item = found.items[rank];
		const own = scores[items.indexOf(item)] ?? scores[items.length - 1];
		const ties = !exact && Math.abs(own - scores[rank]) <= 2 * tolerance;
		if (item !== items[rank] && !ties) return `rank ${rank + 1}: item ${item}, expected ${items[rank]}`;
		if (!(Math.abs(found.scores[rank] - scores[rank]) <= tolerance)) {
			return `rank ${rank + 1}: score ${found.scores[rank]}, expected ${scores[rank]}`;
		}
	}
	return null;
}
