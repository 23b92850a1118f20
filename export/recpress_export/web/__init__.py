"""Web bundles: model.bin, the engine as WebAssembly, and a page that recommends."""
