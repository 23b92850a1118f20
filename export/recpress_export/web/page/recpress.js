// Recommendations from a RecPress Edge bundle, computed where this module runs. Types: recpress.d.ts.
//
//     import { Recommender } from "./recpress.js";
//     const recommender = await Recommender.load("./");
//     recommender.recommend({ user: "u7", seen: ["i3"], k: 10 }).ids;

const SCHEMA = "recpress.bundle/1";
const PAGE_BYTES = 65536; // in which WebAssembly memory grows
const FAULTS = {
  "-1": "it does not start as a model.bin does",
  "-2": "it has a version that this engine does not read",
  "-3": "it is damaged",
  "-4": "memory is not aligned",
  "-5": "the engine was compiled for another model",
  "-6": "the user is out of range",
  "-7": "an item is out of range",
  "-8": "k is out of range",
  "-9": "memory ran out",
};

export class BundleError extends Error {
  name = "BundleError";
}

const aligned = (at) => Math.ceil(at / 64) * 64;
const lines = (bytes) => new TextDecoder("utf-8", { fatal: true }).decode(bytes).split("\n").slice(0, -1);

function checked(code) {
  if (code < 0) throw new BundleError(`model.bin: ${FAULTS[code] ?? `error ${code}`}`);
  return code;
}

/** The files of a bundle, each held against the size and the digest that its manifest states. */
class Files {
  constructor(folder, get) {
    this.folder = folder;
    this.get = get;
  }

  async bytes(name) {
    const response = await this.get(new URL(name, this.folder), { cache: "no-cache" });
    if (!response.ok) throw new BundleError(`${name}: the server answers ${response.status}`);
    return new Uint8Array(await response.arrayBuffer());
  }

  async manifest() {
    const manifest = JSON.parse(new TextDecoder().decode(await this.bytes("bundle.json")));
    if (manifest.schema !== SCHEMA) throw new BundleError(`bundle.json has schema ${manifest.schema}, not ${SCHEMA}`);
    this.facts = manifest.files;
    return manifest;
  }

  has(name) {
    return Object.hasOwn(this.facts, name);
  }

  async read(name) {
    if (!this.has(name)) throw new BundleError(`bundle.json lists no ${name}`);
    const bytes = await this.bytes(name);
    const { bytes: size, sha256 } = this.facts[name];
    // Browsers offer digests in secure contexts alone: https and loopback.
    const same = bytes.length === size && (await digest(bytes) ?? sha256) === sha256;
    if (!same) throw new BundleError(`${name} is not the file that bundle.json lists: reload, or copy the bundle again`);
    return bytes;
  }

  async names(name, count) {
    const found = lines(await this.read(name));
    if (found.length !== count) throw new BundleError(`${name} must hold ${count} lines, found ${found.length}`);
    return found;
  }
}

async function digest(bytes) {
  const hash = await globalThis.crypto?.subtle?.digest("SHA-256", bytes);
  return hash && Array.from(new Uint8Array(hash), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** The engine with a model in its memory: the model, then what a query takes and gives. */
class Engine {
  constructor(wasm, model) {
    this.wasm = wasm;
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

  /** Lay a query into memory; `run` answers it as often as it is called, `read` gives the last answer. */
  prepare(user, seen, k) {
    const { wasm, free } = this;
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

async function compiled(files, simd) {
  if (simd) {
    const bytes = await files.read("recpress.wasm");
    // A browser without SIMD refuses the module, and takes the plain one.
    if (WebAssembly.validate(bytes)) return { module: await WebAssembly.compile(bytes), simd };
  }
  return { module: await WebAssembly.compile(await files.read("recpress-plain.wasm")), simd: false };
}

/** A bundle that answers. */
export class Recommender {
  #files;
  #engine;
  #users;
  #items;

  constructor(files, manifest, engine, names) {
    this.#files = files;
    this.#engine = engine;
    this.manifest = manifest;
    this.contract = manifest.contract;
    Object.assign(this, names);
  }

  static async load(folder = new URL("./", import.meta.url), { fetch: get = globalThis.fetch, simd = true } = {}) {
    const base = new URL(folder, globalThis.document?.baseURI ?? globalThis.location?.href ?? import.meta.url);
    if (!base.pathname.endsWith("/")) base.pathname += "/";
    const files = new Files(base, (url, options) => get(url, options));
    const manifest = await files.manifest();
    const { model_file: modelFile, n_users: nUsers, n_items: nItems } = manifest.contract;
    const [engine, model, itemIds, userIds, titles] = await Promise.all([
      compiled(files, simd),
      files.read(modelFile),
      files.names("items.txt", nItems),
      files.names("users.txt", nUsers),
      files.has("titles.txt") ? files.names("titles.txt", nItems) : null,
    ]);
    const instance = await WebAssembly.instantiate(engine.module, {});
    const names = { itemIds, userIds, titles, simd: engine.simd };
    return new Recommender(files, manifest, new Engine(instance.exports, model), names);
  }

  /** The best k unseen items of a user, best first. */
  recommend(question = {}) {
    const { query, unknown } = this.#asked(question);
    const { items, scores } = query.read(query.run());
    const ids = items.map((item) => this.itemIds[item]);
    return { items, ids, titles: this.titles && items.map((item) => this.titles[item]), scores, unknown };
  }

  /** The same question asked again and again without its names, to time it: call what is returned. */
  prepare(question = {}) {
    return this.#asked(question).query.run;
  }

  /** Ask the bundle's own questions and compare ids and scores with the answers that it states. */
  async selftest() {
    const test = JSON.parse(new TextDecoder().decode(await this.#files.read("selftest.json")));
    let failure = null;
    for (let at = 0; at < test.users.length && !failure; at++) {
      const query = this.#engine.prepare(Math.max(0, test.users[at]), test.seen[at], test.k);
      const found = query.read(query.run());
      const wrong = this.contract.exact
        ? firstDifference(found, { items: test.items[at], scores: test.scores[at] })
        : beyondTies(found, { items: test.items[at], scores: test.scores[at] }, this.contract.score_tolerance);
      if (wrong) failure = `query ${at + 1}: ${wrong}`;
    }
    return { passed: !failure, queries: test.users.length, k: test.k, exact: this.contract.exact, failure };
  }

  #asked({ user = null, seen = [], k = 10, strict = false }) {
    const { n_items: nItems } = this.contract;
    if (!Number.isInteger(k) || k < 1 || k > nItems) throw new RangeError(`k ${k} is not 1 to ${nItems}`);
    if (typeof seen === "string") throw new TypeError(`seen ${JSON.stringify(seen)} is one text: give item ids`);
    this.#items ??= new Map(this.itemIds.map((id, index) => [id, index]));
    const known = [];
    const unknown = [];
    for (const id of seen) {
      const index = this.#items.get(String(id));
      index === undefined ? unknown.push(String(id)) : known.push(index);
    }
    if (strict && unknown.length) throw new RangeError(`unknown seen item ${JSON.stringify(unknown[0])}`);
    return { query: this.#engine.prepare(this.#row(user), known, k), unknown };
  }

  #row(user) {
    const count = this.contract.n_users;
    if (user === null) {
      if (count > 1) throw new RangeError(`this bundle serves ${count} users: say which one`);
      return 0;
    }
    this.#users ??= new Map(this.userIds.map((id, index) => [id, index]));
    const row = this.#users.get(String(user));
    if (row === undefined) throw new RangeError(`unknown user ${JSON.stringify(String(user))}`);
    return row;
  }
}

function firstDifference(found, stated) {
  if (found.items.length !== stated.items.length) {
    return `${found.items.length} items, expected ${stated.items.length}`;
  }
  for (let rank = 0; rank < stated.items.length; rank++) {
    if (found.items[rank] !== stated.items[rank]) {
      return `rank ${rank + 1} is item ${found.items[rank]}, expected ${stated.items[rank]}`;
    }
    if (found.scores[rank] !== Math.fround(stated.scores[rank])) {
      return `rank ${rank + 1} scores ${found.scores[rank]}, expected ${stated.scores[rank]}`;
    }
  }
  return null;
}

/** Of a file that is not exact: scores within the tolerance, and other items only where scores tie within it. */
function beyondTies(found, stated, tolerance) {
  const expected = new Map(stated.items.map((item, rank) => [item, stated.scores[rank]]));
  const last = stated.scores[stated.scores.length - 1];
  if (found.items.length !== stated.items.length || new Set(found.items).size !== stated.items.length) {
    return `${new Set(found.items).size} items, expected ${stated.items.length}`;
  }
  for (let rank = 0; rank < stated.items.length; rank++) {
    const score = stated.scores[rank];
    if (!(Math.abs(found.scores[rank] - score) <= tolerance)) {
      return `rank ${rank + 1} scores ${found.scores[rank]}, expected ${score} ± ${tolerance}`;
    }
    const own = expected.get(found.items[rank]) ?? last;
    if (found.items[rank] !== stated.items[rank] && !(Math.abs(own - score) <= 2 * tolerance)) {
      return `rank ${rank + 1} is item ${found.items[rank]}, expected ${stated.items[rank]}`;
    }
  }
  return null;
}
