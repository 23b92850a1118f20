"""Runtimes: each answers "the best k unseen items of a user" from one model.

All keep one contract (tests/contracts/test_runtime_contract.py): ids are checked by the host, k is capped to
the unseen items, ties go to the lower item index. ``prepare`` and ``run`` are apart so that the
model's own time can be told from the request's.
"""
