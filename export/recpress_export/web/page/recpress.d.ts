/*
 * import { Recommender } from "./recpress.js";
 * const recommender = await Recommender.load("./");
 * recommender.recommend({ user: "u7", seen: ["i3"], k: 10 }).ids;
 */

/** An answer: the four lists stand item for item beside each other, best first. */
export interface Recommendations {
  /** Indices of the items in the bundle. */
  items: number[];
  /** Their ids, as they were in the log. */
  ids: string[];
  /** Their titles, empty where an item has none; null where the bundle carries no titles. */
  titles: string[] | null;
  /** Their scores: they order one user's items and mean nothing across users. */
  scores: number[];
  /** Seen items that the bundle does not know; they were left out of the request. */
  unknown: string[];
}

export interface Question {
  /** Whose list: needed of a bundle of several users. Histories and a single user need none. */
  user?: string | number | null;
  /** Item ids never to recommend; of a history bundle also what the user has consumed, oldest
   * first where its contract has a history_length. */
  seen?: Iterable<string | number>;
  /** Length of the list, 1 to the number of items; 10 unless it is given. Fewer come where fewer are left. */
  k?: number;
  /** Throw where a seen item is unknown, instead of leaving it out. */
  strict?: boolean;
}

export interface SelfTest {
  passed: boolean;
  /** How many questions it asks, each for a list of k. */
  queries: number;
  k: number;
  /** Whether ids and the bits of scores had to be equal; else scores within the contract's tolerance. */
  exact: boolean;
  /** The first answer that is not as stated. */
  failure: string | null;
}

export interface Options {
  /** In place of the global fetch, to read a bundle from elsewhere. */
  fetch?: (url: URL, options: RequestInit) => Promise<Response>;
  /** false: take the engine without SIMD at once. */
  simd?: boolean;
}

/** What bundle.json says the model takes and returns; docs/reference/files.md names every field. */
export interface Contract {
  recipe: string;
  profile: "all-users" | "single-user" | "history";
  n_users: number;
  n_items: number;
  dim: number;
  exact: boolean;
  retired?: number[];
  /** Above 0: how many of the last items a history bundle reads, in their order. */
  history_length?: number;
  [field: string]: unknown;
}

/** A file that is missing, damaged or not the one that the bundle lists. */
export class BundleError extends Error {}

/** A bundle that answers. */
export class Recommender {
  private constructor();

  /**
   * Read a bundle and check the size and, in secure contexts, the SHA-256 of each file that is used.
   * `folder`: its address; this module's own folder unless it is given. Throws BundleError.
   */
  static load(folder?: string | URL, options?: Options): Promise<Recommender>;

  readonly manifest: { name: string; contract: Contract; files: Record<string, { bytes: number; sha256: string }> };
  readonly contract: Contract;
  readonly itemIds: string[];
  /** Empty where the bundle holds no users. */
  readonly userIds: string[];
  readonly titles: string[] | null;
  /** Whether the engine with SIMD answers. */
  readonly simd: boolean;

  /** The best k unseen items of a user. RangeError for an unknown user and for a k that cannot be. */
  recommend(question?: Question): Recommendations;

  /** A call that answers the question without reading the answer, to time it. Valid until the next question. */
  prepare(question?: Question): () => number;

  /** A file of the bundle, checked as the others are. */
  read(name: string): Promise<Uint8Array>;

  /** Ask the bundle's own questions and compare its stated answers. */
  selftest(): Promise<SelfTest>;
}
