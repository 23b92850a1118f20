"""Sphinx settings. ``make docs`` builds the site offline, and any warning is an error."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "export"), str(Path(__file__).parent)]

from recpress_edge import __version__  # noqa: E402

project = "RecPress Edge"
author = "the RecPress Edge engineers"
release = version = __version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "cli_reference"]
exclude_patterns = ["_build"]
source_suffix = {".md": "markdown"}
myst_enable_extensions = ["deflist"]
myst_heading_anchors = 3

nitpicky = True
nitpick_ignore_regex = [  # what other projects document, whose inventories are not at hand offline
    (r"py:.*", r"(collections|contextlib|numpy|pathlib|typing|np|NDArray|F32|F64|I32|I64)\b.*"),
    # what results of jobs hold: of the rooms below them
    (r"py:class", r"recpress_(export|edge\.(data|distill|training))\..*"),
    (r"py:class", r"Preparation|Dataset"),  # of Dataset.from_frame, whose module names them in quotes
    (r"py:class", r"recpress_edge\.(artifacts\.recipes\.Recipe|jobs\.export\._NamedStudent)"),
    (
        r"py:class",
        r"recpress_edge\.artifacts\.(manifest\.Full|clicks\.bundle\.ClickBundle|two_stages\.bundle\.TwoStageBundle)",
    ),
    # parts of what requests and results hold
    (
        r"py:class",
        r"recpress_edge\.(core\.config\.DescribedSetting|jobs\.(contenders\.Run|executor\.(Lanes|Result)"
        r"|tune\.budget\.TableShape)|device\.c\.footprint\.Footprint)",
    ),
]
nitpick_ignore = [  # how Recommender is made, and what its scores can do: not public
    ("py:class", f"recpress_edge.device.runtime.{name}") for name in ("Runtime", "Answering", "Numbers")
]
autodoc_member_order = "bysource"
autodoc_typehints = "description"

html_theme = "furo"
html_title = f"RecPress Edge {release}"
html_show_sourcelink = False
