"""Lean bundles: they answer as the full one does, state its digest, and hold nothing that no application reads."""

import dataclasses
import json

import numpy as np
import pytest
from exports import exported, make_source, with_fold_in, NO_GATE, ANY_HISTORY
from made_click_bundles import click_bundle
from made_two_stages import source_of

from recpress_edge.artifacts.bundle import open_bundle, write_manifest
from recpress_edge.artifacts.contract import ORDER_ONLY, Contract, contract_facts, read_contract
from recpress_edge.artifacts.manifest import MANIFEST, full_of
from recpress_edge.artifacts.recipes import RECIPES
from recpress_edge.artifacts.selftest import SelfTest
from recpress_edge.core.errors import ArtifactError, ConfigError
from recpress_edge.core.files import read_json
from recpress_edge.device.clicks.ranker import ClickRanker
from recpress_edge.device.recommender import Recommender
from recpress_edge.device.runtime import open_runtime
from recpress_edge.device.two_stages.recommender import TwoStageRecommender
from recpress_edge.device.verify import verify_bundle
from recpress_export.lean.questions import QUERIES, K, shortened
from recpress_export.lean.strip import lean_path, strip_bundle
from recpress_export.two_stages.build import build_two_stages
from recpress_export.update.apply import update_bundle
