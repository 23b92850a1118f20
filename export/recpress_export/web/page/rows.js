// Whose history travels in a bundle: the rows of evaluation.npz where it is there, else those of the self-test.

const LOCAL_FILE = 0x04034b50; // how an entry of a zip begins

/** The arrays of an npz without compression, as the exporter writes it. */
function arrays(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const found = {};
  for (let at = 0; view.getUint32(at, true) === LOCAL_FILE; ) {
    const name = String.fromCharCode(...bytes.subarray(at + 30, at + 30 + view.getUint16(at + 26, true)));
    const start = at + 30 + view.getUint16(at + 26, true) + view.getUint16(at + 28, true);
    const end = start + view.getUint32(at + 18, true);
    const data = start + 10 + view.getUint16(start + 8, true);
    const wide = String.fromCharCode(...bytes.subarray(start + 10, data)).includes("<i8");
    const values = bytes.slice(data, end).buffer;
    found[name.replace(".npy", "")] = wide ? Array.from(new BigInt64Array(values), Number) : new Int32Array(values);
    at = end;
  }
  return found;
}

/** Rows of a user (-1: nobody's), what was seen, and what was held out and would be a hit. */
export async function knownRows(recommender) {
  if ("evaluation.npz" in recommender.manifest.files) {
    const found = arrays(await recommender.read("evaluation.npz"));
    const row = (kind, at) => [...found[`${kind}_indices`].slice(found[`${kind}_indptr`][at], found[`${kind}_indptr`][at + 1])];
    return Array.from(found.users, (user, at) => ({ user, seen: row("seen", at), heldOut: row("relevant", at) }));
  }
  const { users, seen } = JSON.parse(new TextDecoder().decode(await recommender.read("selftest.json")));
  return users.map((user, at) => ({ user, seen: seen[at], heldOut: [] }));
}
