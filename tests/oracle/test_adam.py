"""Our Adam against torch's own, bit for bit."""

import subprocess
import sys

import pytest
import torch
from torch import nn

from recpress_edge.models.nn import Adam


@pytest.mark.parametrize("weight_decay", [0.0, 1e-3])
def test_same_numbers_as_torch(weight_decay):
    torch.manual_seed(0)
    ours, theirs = nn.Linear(30, 7), nn.Linear(30, 7)
    theirs.load_state_dict(ours.state_dict())
    adam = Adam(ours, 0.01, weight_decay)
    reference = torch.optim.Adam(theirs.parameters(), lr=0.01, weight_decay=weight_decay, fused=True)
    for step in range(20):
        x = torch.randn(5, 30)
        for model, optimizer in ((ours, adam), (theirs, reference)):
            optimizer.zero_grad()
            (model(x) - step).square().sum().backward()
            optimizer.step()
    for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert torch.equal(a, b)


def test_a_parameter_without_gradient_stays():
    model = nn.ModuleList([nn.Linear(2, 2), nn.Linear(2, 2)])
    before = model[1].weight.detach().clone()
    adam = Adam(model, 0.1, 0.1)
    adam.zero_grad()
    model[0](torch.ones(1, 2)).sum().backward()
    adam.step()
    assert torch.equal(model[1].weight, before)


def test_training_does_not_import_the_compiler():
    code = (
        "import sys; from small_data import two_tastes\n"
        "from recpress_edge.distill.students import create_method\n"
        "from recpress_edge.models.method import TrainingInput\n"
        "from recpress_edge.models.settings import BPRConfig\n"
        "method = create_method('bpr', TrainingInput(two_tastes().train, 4, 0, 1), BPRConfig())\n"
        "for loss in method.batch_losses(0):\n"
        "    loss.backward(); method.optimizer.step()\n"
        "assert 'torch._dynamo' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env={"PYTHONPATH": ":".join(sys.path)})
