"""The engine of ``--format c``: C99 that reads one file, model.bin, and its bindings from Python.

Everything here but ``runtime`` and ``tables`` imports the standard library alone.
"""
