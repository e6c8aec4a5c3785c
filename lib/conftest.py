"""Examples in docstrings draw the same random numbers every time."""

import pytest
import torch


@pytest.fixture(autouse=True)
def seeded():
    """PyTorch's global generator, from one seed for each example."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield
