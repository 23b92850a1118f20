"""Networks of cells: every operation looks back and never ahead, and no further than its reach."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from recpress_edge.artifacts.cell import ENDLESS, OPERATIONS, Cell
from recpress_edge.core.errors import ConfigError
from recpress_edge.core.rng import stream
from recpress_edge.models.sequences.cells import CellEdge, CellNetwork, shifted
from recpress_edge.models.sequences.settings import AdaRecConfig

N_ITEMS, DIM, LENGTH = 30, 8, 28
CELLS = [
    "conv3+skip+max3",
    "conv5+average3+dilated3",
    "dilated5+none+conv5",
    "skip+skip+skip",
    "none+none+none",
    "none+max3+dilated5",
]


def network(text: str, cells: int = 2) -> CellNetwork:
    config = AdaRecConfig(cell=text, cells=cells, history_length=LENGTH, init_std=1.0)
    return CellNetwork.of(config.given_cell(), (N_ITEMS, DIM), 0, config)


def tokens(seed: int = 0) -> torch.Tensor:
    drawn = stream(seed, "tokens").integers(N_ITEMS, size=(3, LENGTH))
    drawn[:, 0] = N_ITEMS
    return torch.from_numpy(drawn)


@pytest.mark.parametrize("name", OPERATIONS)
def test_what_follows_changes_nothing_to_the_bit(name):
    edge = CellEdge(name, DIM, stream(0, "edge"))
    x = torch.relu(torch.randn(2, LENGTH, DIM, generator=torch.Generator().manual_seed(0)))
    with torch.inference_mode():
        before = edge(x)
        for place in range(LENGTH - 1):
            changed = x.clone()
            changed[:, place + 1] += 7.0
            assert torch.equal(edge(changed)[:, : place + 1], before[:, : place + 1])


@pytest.mark.parametrize("text", [*CELLS, "attention+conv3+attention"])
def test_no_state_of_a_network_depends_on_what_follows_to_the_bit(text):
    made, read = network(text), tokens()
    with torch.inference_mode():
        before = made.hidden(read)
        for place in range(LENGTH - 1):
            changed = read.clone()
            changed[:, place + 1] = (changed[:, place + 1] + 1) % N_ITEMS
            assert torch.equal(made.hidden(changed)[:, : place + 1], before[:, : place + 1])


@pytest.mark.parametrize("text", CELLS)
@pytest.mark.parametrize("cells", [1, 2])
def test_a_state_depends_on_its_receptive_field_and_on_nothing_before(text, cells):
    made, read, field = network(text, cells), tokens(), Cell.named(text, 2, cells).receptive_field
    assert field <= LENGTH
    with torch.inference_mode():
        last = made.hidden(read)[:, -1]
        outside = read.clone()
        outside[:, : LENGTH - field] = (outside[:, : LENGTH - field] + 5) % N_ITEMS
        assert torch.equal(made.hidden(outside)[:, -1], last)
        assert torch.allclose(made.hidden(read[:, LENGTH - field :])[:, -1], last, atol=1e-5)
        inside = read.clone()
        inside[:, LENGTH - field] = (inside[:, LENGTH - field] + 5) % N_ITEMS
        if "max" not in text:  # a maximum may be another's
            assert not torch.allclose(made.hidden(inside)[:, -1], last, atol=1e-4)


def test_attention_reads_all():
    made, read = network("attention+skip+skip"), tokens()
    assert Cell.named("attention+skip+skip", 2, 2).receptive_field == ENDLESS
    changed = read.clone()
    changed[:, 1] = (changed[:, 1] + 1) % N_ITEMS
    assert not torch.allclose(made.hidden(changed)[:, -1], made.hidden(read)[:, -1], atol=1e-4)


@pytest.mark.parametrize(("name", "step"), [("conv3", 1), ("conv5", 1), ("dilated3", 2), ("dilated5", 2)])
def test_a_convolution_is_torch_s_own(name, step):
    edge, taps = CellEdge(name, DIM, stream(1, "edge")), OPERATIONS[name].taps
    x = torch.randn(2, LENGTH, DIM, generator=torch.Generator().manual_seed(1))
    kernel = edge.weight.view(DIM, taps, DIM).transpose(1, 2)
    padded = F.pad(x.transpose(1, 2), ((taps - 1) * step, 0))
    wanted = F.conv1d(padded, kernel, edge.bias, dilation=step).transpose(1, 2)
    assert torch.allclose(edge(x), wanted, atol=1e-5)


def test_pools_are_of_three_places_and_zeros_before():
    x = torch.relu(torch.randn(1, 6, 2, generator=torch.Generator().manual_seed(2)))
    padded = torch.cat([torch.zeros(1, 2, 2), x], dim=1)
    windows = torch.stack([padded[:, at : at + 3] for at in range(6)], dim=1)
    rng = stream(0, "edge")
    assert torch.allclose(CellEdge("average3", 2, rng)(x), windows.mean(dim=2))
    assert torch.allclose(CellEdge("max3", 2, rng)(x), windows.amax(dim=2))
    assert torch.equal(CellEdge("skip", 2, rng)(x), x)
    assert torch.equal(CellEdge("none", 2, rng)(x), torch.zeros_like(x))
    assert torch.equal(shifted(x, 2), padded[:, :6])


def test_edges_of_a_search_that_count_nothing_change_nothing():
    config = AdaRecConfig(history_length=LENGTH)
    made = CellNetwork((N_ITEMS, DIM), 0, config, [tuple(OPERATIONS)] * 3)
    one = [{"conv3": 1.0}] * 3
    all_of_it = [{name: float(name == "conv3") for name in OPERATIONS}] * 3
    assert torch.allclose(made.stages(tokens(), one)[-1], made.stages(tokens(), all_of_it)[-1], atol=1e-6)


def test_dropout_is_the_generator_s():
    made = network("conv3+skip+max3")
    made.dropout = 0.5
    drawn = [made.stages(tokens(), None, torch.Generator().manual_seed(seed))[-1] for seed in (0, 0, 1)]
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.allclose(drawn[0], drawn[2])
    assert np.isfinite(made.hidden(tokens()).detach().numpy()).all()


def test_settings_that_name_no_cell_are_refused():
    with pytest.raises(ConfigError, match="unknown operation of a cell 'conv7'"):
        AdaRecConfig(cell="conv7+skip+skip")
    with pytest.raises(ConfigError, match="a cell of 3 nodes has 6 edges, and 3 operations are given"):
        AdaRecConfig(cell="conv3+skip+skip", nodes=3)
    with pytest.raises(ConfigError, match="search_share must be above 0 and below 1"):
        AdaRecConfig(search_share=0.0)
