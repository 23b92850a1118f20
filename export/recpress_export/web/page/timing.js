// How long a call takes, by a clock that browsers make coarse on purpose: many calls between two readings.

const BATCHES = 9;
const TICKS = 20; // a batch takes at least so many steps of the clock: its error is a twentieth at most
const LEAST_MS = 1;

/** The smallest of some steps of performance.now(), in microseconds. */
export function clockTick() {
	const times = new Set();
	while (times.size < 9) times.add(performance.now());
	const found = [...times];
	return 1000 * Math.min(...found.slice(1).map((time, at) => time - found[at]));
}

function batch(run, runs) {
	const start = performance.now();
	for (let count = 0; count < runs; count++) run();
	return performance.now() - start;
}

/**
 * Microseconds of a call: the median of several batches, and the batches' least and most.
 * The page breathes between batches; null where `wanted` says meanwhile that nobody waits for it.
 */
export async function timed(run, tick, wanted) {
	const wall = Math.max(LEAST_MS, (TICKS * tick) / 1000);
	let runs = 1;
	while (Math.min(batch(run, runs), batch(run, runs)) < wall) runs *= 2; // one alone may have been interrupted
	const found = [];
	while (found.length < BATCHES) {
		await new Promise((resolve) => setTimeout(resolve));
		if (!wanted()) return null;
		found.push((1000 * batch(run, runs)) / runs);
	}
	found.sort((left, right) => left - right);
	return { median: found[BATCHES >> 1], least: found[0], most: found[BATCHES - 1], runs, batches: BATCHES };
}
