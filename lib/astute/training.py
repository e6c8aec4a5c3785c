"""One training loop: recipes as values, exact resume, readable failures."""

import json
import math
import os
import time
from dataclasses import dataclass
from pathlib import Path

import safetensors.torch
import torch

from . import losses, progress


class TrainingFailed(RuntimeError):
    """Training went wrong in a way that more of it does not mend (NaN, stuck at chance)."""


class OutOfTime(RuntimeError):
    """The deadline came first; the checkpoint resumes from here."""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How the weights move.

    Attributes
    ----------
    lr : float
        Learning rate on the mean loss; the peak of a one-cycle schedule.
    epochs, batch_size : int
    optimizer : {"adam", "sgd"}
        With PyTorch's defaults; "sgd" with momentum 0.9.
    schedule : {"one-cycle", "constant"}
        One-cycle: a cosine from lr/25 up to lr over the first 30 % of steps, then down to 0.
    ramp_epochs : int
        Epochs over which an adversarial radius grows linearly to its full size; 0 for none.
    weight_decay : float
    """

    lr: float
    epochs: int
    batch_size: int
    optimizer: str = "adam"
    schedule: str = "one-cycle"
    ramp_epochs: int = 0
    weight_decay: float = 0.0

    def __post_init__(self):
        if self.optimizer not in ("adam", "sgd") or self.schedule not in ("one-cycle", "constant"):
            raise ValueError(
                'optimizer is "adam" or "sgd", schedule is "one-cycle" or "constant"; got '
                f"{self.optimizer!r}, {self.schedule!r}"
            )
        if self.epochs < 1 or self.batch_size < 1:
            raise ValueError(
                f"epochs and batch_size are at least 1; got {self.epochs}, {self.batch_size}"
            )

    def lr_at(self, step, steps):
        """Learning rate of step ``step`` of ``steps``."""
        if self.schedule == "constant":
            return self.lr
        peak = max(1, round(0.3 * steps))
        if step < peak:
            return self.lr * (1 / 25 + 24 / 25 * (1 - math.cos(math.pi * step / peak)) / 2)
        return self.lr * (1 + math.cos(math.pi * (step - peak) / max(1, steps - peak))) / 2

    def optimizer_for(self, parameters):
        """A fresh optimiser over ``parameters``."""
        if self.optimizer == "adam":
            return torch.optim.Adam(parameters, lr=self.lr, weight_decay=self.weight_decay)
        return torch.optim.SGD(parameters, lr=self.lr, momentum=0.9, weight_decay=self.weight_decay)


def save(path, tensors, **about):
    """Write tensors and JSON-able facts to one safetensors file, all or nothing."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    tensors = {name: tensor.contiguous() for name, tensor in tensors.items()}
    try:
        safetensors.torch.save_file(tensors, part, metadata={"about": json.dumps(about)})
        part.replace(path)
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


class _State:
    """All that decides how training goes on: what a checkpoint holds."""

    def __init__(self, model, recipe, seed, device):
        self.model = model
        self.optimizer = recipe.optimizer_for(model.parameters())
        self.generator = torch.Generator(device).manual_seed(seed)
        torch.manual_seed(seed)  # dropout; the caller's global generator is put back afterwards
        self.step, self.order, self.epochs = 0, None, []

    def write(self, path):
        tensors = {f"model.{k}": v for k, v in self.model.state_dict().items()}
        for i, state in self.optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{i}.{key}": value for key, value in state.items()}
        tensors |= {"generator": self.generator.get_state(), "order": self.order.cpu()}
        save(path, tensors | {"global": torch.get_rng_state()}, step=self.step, epochs=self.epochs)

    def read(self, path):
        tensors, about = load(path)
        part = lambda name: {  # noqa: E731
            k.removeprefix(name): v for k, v in tensors.items() if k.startswith(name)
        }
        self.model.load_state_dict(part("model."))
        state = {}
        for key, value in part("optimizer.").items():
            i, name = key.split(".", 1)
            state.setdefault(int(i), {})[name] = value
        groups = self.optimizer.state_dict()["param_groups"]
        self.optimizer.load_state_dict({"state": state, "param_groups": groups})
        self.generator.set_state(tensors["generator"])
        torch.set_rng_state(tensors["global"])
        self.order = tensors["order"].to(self.generator.device)
        self.step, self.epochs = about["step"], about["epochs"]


def train(
    model, x, y, objective, recipe, *, seed, checkpoint=None, every=60, deadline=None, desc="train"
):
    """Train ``model`` in place; the same arguments give the same weights on the same machine.

    Parameters
    ----------
    model : nn.Module
        Fresh; left in evaluation mode.
    x, y : Tensor (N, C, H, W), (N,)
        On the model's device.
    objective : callable
        From `objectives`.
    recipe : Recipe
    seed : int
        Decides the order of images, the attacks' starts and dropout.
    checkpoint : path, optional
        Written every ``every`` seconds and when time is up; if it exists, training goes on from it
        and, on a CPU, ends with the very weights of an uninterrupted run. Removed at the end.
    deadline : float, optional
        `time.monotonic()` at which to stop.

    Returns
    -------
    list of dict
        Per epoch: mean ``loss`` (nats) and ``accuracy`` (fraction) on the images trained on.

    Raises
    ------
    OutOfTime
        At the deadline, after writing the checkpoint.
    TrainingFailed
        If the loss is not a number or, in the second half and at full radius, two epochs at chance.
    """
    batches = math.ceil(len(x) / recipe.batch_size)
    steps, saved = batches * recipe.epochs, time.monotonic()
    with torch.random.fork_rng(devices=[]):
        state = _State(model, recipe, seed, x.device)
        if checkpoint and Path(checkpoint).exists():
            state.read(checkpoint)
        model.train()
        sums = {"loss": 0.0, "accuracy": 0.0, "images": 0}
        with progress.bar(total=steps, desc=desc, unit="step") as bar:
            bar.update(state.step)
            while state.step < steps:
                epoch, batch = divmod(state.step, batches)
                if batch == 0:
                    state.order = torch.randperm(len(x), generator=state.generator, device=x.device)
                    state.epochs.append(dict.fromkeys(sums, 0.0))
                sums = state.epochs[-1]
                index = state.order[batch * recipe.batch_size : (batch + 1) * recipe.batch_size]
                ramp = min(1.0, (state.step + 1) / (batches * recipe.ramp_epochs or 1))
                for group in state.optimizer.param_groups:
                    group["lr"] = recipe.lr_at(state.step, steps)
                state.optimizer.zero_grad(set_to_none=True)
                now = objective if ramp == 1 else objective.ramped(ramp)
                try:
                    loss, logits = now(model, x[index], y[index], state.generator)
                except losses.NotANumber as error:
                    raise TrainingFailed(f"{error}; at step {state.step} of {steps}") from error
                value = loss.item()
                if not math.isfinite(value):
                    raise TrainingFailed(f"the loss is {value} at step {state.step} of {steps}")
                loss.backward()
                state.optimizer.step()
                sums["loss"] += value * len(index)
                sums["accuracy"] += (logits.argmax(1) == y[index]).sum().item()
                sums["images"] += len(index)
                state.step += 1
                bar.update()
                bar.set_postfix_str(
                    f"loss {sums['loss'] / sums['images']:.3f}, "
                    f"accuracy {sums['accuracy'] / sums['images']:.1%}"
                )
                if batch == batches - 1 and state.step >= steps / 2:
                    _refuse_chance(state.epochs, logits.shape[1], epoch + 1 - recipe.ramp_epochs)
                late = deadline is not None and time.monotonic() > deadline
                if checkpoint and (late or time.monotonic() - saved > every):
                    state.write(checkpoint)
                    saved = time.monotonic()
                if late and state.step < steps:
                    raise OutOfTime(f"stopped after step {state.step} of {steps}")
    model.eval()
    if checkpoint:
        Path(checkpoint).unlink(missing_ok=True)
    return [{k: e[k] / e["images"] for k in ("loss", "accuracy")} for e in state.epochs]


def _refuse_chance(epochs, classes, full_epochs):
    """Two epochs in a row at full radius within 1 % of log K: nothing is being learnt."""
    recent = [e["loss"] / e["images"] for e in epochs[-2:]]
    if full_epochs >= 2 and min(recent) > 0.99 * math.log(classes):
        raise TrainingFailed(
            f"stuck at chance: loss {recent[-1]:.3f} after {len(epochs)} epochs, log {classes} is "
            f"{math.log(classes):.3f}. Ramp the radius longer or lower it"
        )
