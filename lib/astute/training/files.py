"""Tensors and facts in one file, written whole or not at all."""

import json
import os
from pathlib import Path

import safetensors.torch


def save(path, tensors, **about):
    """Write tensors and JSON-able facts to one safetensors file, all or nothing."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    tensors = {name: tensor.contiguous() for name, tensor in tensors.items()}
    try:
        safetensors.torch.save_file(tensors, part, metadata={"about": json.dumps(about)})
        part.replace(path)
    except safetensors.SafetensorError as error:
        # The library wraps what the system says, such as a full disk.
        raise OSError(f"{path} could not be written: {error}") from error
    finally:
        part.unlink(missing_ok=True)


def load(path, device="cpu"):
    """Tensors and facts of a file made by `save`; never unpickles anything.

    Raises
    ------
    ValueError
        If the file is not whole or was not made by `save`.
    """
    try:
        with safetensors.safe_open(path, framework="pt", device=str(device)) as file:
            about = json.loads(file.metadata()["about"])
            return {name: file.get_tensor(name) for name in file.keys()}, about  # noqa: SIM118
    except (safetensors.SafetensorError, KeyError, TypeError, json.JSONDecodeError) as error:
        raise ValueError(f"{path} is not a whole file of ours; delete it and run again") from error
