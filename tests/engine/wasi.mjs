// A program for WebAssembly in Node, which may read and write what it is given: node wasi.mjs PROGRAM ARGUMENT...
import { readFile } from "node:fs/promises";
import { argv, exit } from "node:process";
import { WASI } from "node:wasi";

const [, , program, ...more] = argv;
const wasi = new WASI({ version: "preview1", args: [program, ...more], preopens: { "/": "/" } });
const { instance } = await WebAssembly.instantiate(await readFile(program), wasi.getImportObject());
exit(wasi.start(instance));
