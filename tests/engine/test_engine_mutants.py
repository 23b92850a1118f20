"""The list of wrong engines that benchmarks/engine_mutants.py tries: each is of this source."""

import sys
from pathlib import Path

from engine_programs import ROOT, SOURCES

sys.path.insert(0, str(ROOT / "benchmarks"))

from _engine_mutants import MUTANTS


def test_every_mutant_changes_the_source():
    texts = {path.name: path.read_text() for path in Path(SOURCES).glob("*.[ch]")}
    stale = [mutant.what for mutant in MUTANTS if mutant.old not in texts[mutant.file]]
    assert stale == [], "the engine changed: change the mutant, and run benchmarks/engine_mutants.py"
    assert len({(mutant.file, mutant.old, mutant.new) for mutant in MUTANTS}) == len(MUTANTS)
