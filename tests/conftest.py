"""Tests run quietly on one thread of a CPU, write no records."""

import atexit
import os
import shutil
import tempfile
from pathlib import Path

import pytest

from astute.pages import FROZEN, QUIET, own_kernel

# before anything imports torch; the kernels that nbval starts inherit it all
os.environ.update(QUIET | FROZEN)
_kernel = Path(tempfile.mkdtemp(prefix="astute"))
atexit.register(shutil.rmtree, _kernel, ignore_errors=True)
os.environ.update(own_kernel(_kernel))


@pytest.fixture
def generator():
    """A seeded source of chance."""
    import torch

    return torch.Generator().manual_seed(0)
