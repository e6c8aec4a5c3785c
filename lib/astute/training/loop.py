"""The one training loop: exact resume, readable failures, networks side by side."""

import contextlib
import dataclasses
import hashlib
import math
import time
from pathlib import Path

import torch

from .. import losses, models, progress, values
from .files import load, save
from .together import SideBySide, Streams


class TrainingFailed(RuntimeError):
    """Training went wrong in a way that more of it does not mend (NaN, stuck at chance)."""


class OutOfTime(RuntimeError):
    """The deadline came first; the checkpoint resumes from here."""


#: Steps at full radius before chance is spoken of: fewer say little, above all with tiny sets.
EVIDENCE = 100


def train(model, x, y, objective, recipe, *, seed, **options):
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
        Decides the order of images, their augmentation, the attacks' starts and dropout.
    checkpoint : path, optional
        Written every ``every`` seconds and when time is up; if it exists, training goes on from it
        and, on a CPU, ends with the very weights of an uninterrupted run. Removed at the end.
    every : float
        Seconds between checkpoints; 60 if not given.
    deadline : float, optional
        `time.monotonic()` at which to stop.
    desc : str
        Words before the progress bar.

    Returns
    -------
    list of dict
        Per epoch: mean ``loss`` (nats) and ``accuracy`` (fraction) on the images trained on; with
        images held out, ``held_out`` is the accuracy on them.

    Raises
    ------
    OutOfTime
        At the deadline, after writing the checkpoint.
    TrainingFailed
        If the loss or a weight is not a number; if, in the second half of training and at full
        radius, two epochs of together 100 steps are no better than guessing.
    ValueError
        If the checkpoint is damaged or belongs to another training.
    """
    return _train(model, [(x, y)], objective, recipe, [seed], **options)[0]


def train_together(networks, data, objective, recipe, *, seeds, **options):
    """Train networks of one architecture in one process, each as `train` would have.

    Their layers are computed as groups of one larger layer: for small networks that is quicker
    than one after the other (measured: nine LENET(.125), batch 50, in about half the time).

    Parameters
    ----------
    networks : list of nn.Module
        Of one architecture, as `SideBySide` takes it; changed in place, as by `train`.
    data : list of (Tensor (N, C, H, W), Tensor (N,))
        As many images for each network.
    objective : callable
        From `objectives`.
    recipe : Recipe
        Without images held out and without a constraint.
    seeds : list of int
    **options
        As for `train`.

    Returns
    -------
    list of list of dict
        For each network what `train` returns.

    Raises
    ------
    TrainingFailed
        If one of them fails; which one is said.
    """
    if recipe.held_out or recipe.constraint:
        raise ValueError("networks side by side have no images held out and no constraint")
    if not len(networks) == len(data) == len(seeds):
        raise ValueError(
            "as many networks as data sets and seeds; got "
            f"{len(networks)}, {len(data)} and {len(seeds)}"
        )
    stacked = SideBySide(networks)
    histories = _train(stacked, data, objective, recipe, seeds, **options)
    stacked.unstack(networks)
    return histories


class _State:
    """All that decides how training goes on: what a checkpoint holds."""

    def __init__(self, model, recipe, seeds, device):
        self.model = model
        scalar = getattr(model, "scalar", lambda p: p.numel() == 1)
        self.optimizer = recipe.optimizer_for(model.parameters(), scalar)
        self.generators = [torch.Generator(device).manual_seed(seed) for seed in seeds]
        self.device = torch.device(device)
        torch.manual_seed(seeds[0])  # dropout; the caller's global generator is put back afterwards
        self.step, self.orders, self.best, self.epochs = 0, [], {}, [[] for _ in seeds]
        self.sums = torch.zeros(2, len(seeds), dtype=torch.float64, device=device)

    def write(self, path, about):
        tensors = {f"model.{k}": v for k, v in self.model.state_dict().items()}
        tensors |= {f"best.{k}": v for k, v in self.best.items()}
        for i, state in self.optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{i}.{key}": value for key, value in state.items()}
        for i, (generator, order) in enumerate(zip(self.generators, self.orders, strict=True)):
            tensors |= {f"generator.{i}": generator.get_state(), f"order.{i}": order.cpu()}
        tensors |= {"sums": self.sums, "global": torch.get_rng_state()}
        if self.device.type == "cuda":
            tensors["cuda"] = torch.cuda.get_rng_state(self.device)
        save(path, tensors, about=about, step=self.step, epochs=self.epochs)

    def read(self, path, about):
        tensors, facts = load(path)
        theirs = facts.get("about", {})
        other = [name for name in about if theirs.get(name) != about[name]]
        if other:
            raise ValueError(
                f"{path} is the checkpoint of another training: another {', '.join(other)}; "
                "delete it or name another file"
            )
        part = lambda name: {  # noqa: E731
            k.removeprefix(name): v for k, v in tensors.items() if k.startswith(name)
        }
        self.model.load_state_dict(part("model."))
        self.best = {name: value.to(self.device) for name, value in part("best.").items()}
        state = {}
        for key, value in part("optimizer.").items():
            i, name = key.split(".", 1)
            state.setdefault(int(i), {})[name] = value
        groups = self.optimizer.state_dict()["param_groups"]
        self.optimizer.load_state_dict({"state": state, "param_groups": groups})
        for i, generator in enumerate(self.generators):
            generator.set_state(tensors[f"generator.{i}"])
            self.orders.append(tensors[f"order.{i}"].to(self.device))
        torch.set_rng_state(tensors["global"])
        if self.device.type == "cuda":
            torch.cuda.set_rng_state(tensors["cuda"], self.device)
        self.sums = tensors["sums"].to(self.device)
        self.step, self.epochs = facts["step"], facts["epochs"]


def _about(model, data, objective, recipe, seeds):
    """What a checkpoint belongs to, part by part, as digests."""

    def seen(tensor):
        parts = hashlib.sha256(str((tensor.dtype, tuple(tensor.shape))).encode())
        # The first and the last image tell data sets and variants apart.
        parts.update(tensor[[0, -1]].cpu().contiguous().numpy().tobytes())
        return parts.hexdigest()[:10]

    named = dataclasses.is_dataclass(objective)
    return {
        "network": values.digest({k: list(v.shape) for k, v in model.state_dict().items()}),
        "data": values.digest([seen(tensor) for pair in data for tensor in pair]),
        "objective": values.digest(objective) if named else "",
        "recipe": values.digest(recipe),
        "seed": list(seeds),
    }


@contextlib.contextmanager
def _own_chance(device):
    """The global generators inside are the training's own."""
    device = torch.device(device)
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        yield


def _train(
    model, data, objective, recipe, seeds, *, checkpoint=None, every=60, deadline=None, desc="train"
):
    """`train` for any number of networks: ``model`` takes a batch of each, one after the other."""
    held_out = [part[-recipe.held_out :] for part in data[0]] if recipe.held_out else None
    if held_out:
        if recipe.held_out >= len(data[0][0]):
            raise ValueError(f"{recipe.held_out} of {len(data[0][0])} images can't be held out")
        data = [tuple(part[: -recipe.held_out] for part in data[0])]
    n, device = len(data[0][0]), data[0][0].device
    if {len(x) for x, _ in data} != {n}:
        raise ValueError("networks side by side are trained on as many images each")
    batches, steps = recipe.length(n)
    look = 1 if device.type == "cpu" else 50  # to look at a number makes a GPU wait
    saved = time.monotonic()
    with _own_chance(device), progress.bar(total=steps, desc=desc, unit="step") as bar:
        state = _State(model, recipe, seeds, device)
        about = _about(model, data, objective, recipe, seeds) if checkpoint else None
        if checkpoint and Path(checkpoint).exists():
            state.read(checkpoint, about)
        streams = Streams(state.generators)
        model.train()
        bar.update(state.step)
        while state.step < steps:
            epoch, batch = divmod(state.step, batches)
            if batch == 0:
                state.orders = [
                    torch.randperm(n, generator=generator, device=device)
                    for generator in state.generators
                ]
                state.sums.zero_()
            chosen = slice(batch * recipe.batch_size, (batch + 1) * recipe.batch_size)
            shown = [order[chosen] for order in state.orders]
            x, y = (
                torch.cat([pair[i][index] for pair, index in zip(data, shown, strict=True)])
                for i in (0, 1)
            )
            ramp = recipe.ramp_at(state.step, batches)
            for group in state.optimizer.param_groups:
                group["lr"] = recipe.lr_at(state.step, steps, batches) * group["factor"]
            state.optimizer.zero_grad(set_to_none=True)
            now = objective if ramp == 1 else objective.ramped(ramp)
            try:
                with streams as generator:
                    if recipe.augmentation:
                        x = recipe.augmentation(x, generator)
                    loss, logits = _loss(now, model, x, y, generator, len(seeds))
            except losses.NotANumber as error:
                raise TrainingFailed(f"{error}; at step {state.step} of {steps}") from error
            looking = state.step % look == 0 or batch == batches - 1 or state.step == steps - 1
            if looking and not loss.isfinite().all():
                raise TrainingFailed(_which(loss, f"at step {state.step} of {steps}"))
            loss.sum().backward()
            state.optimizer.step()
            right = (logits.argmax(1) == y).view(len(seeds), -1).sum(1)
            size = len(y) // len(seeds)
            state.sums += torch.stack([loss.detach().double() * size, right.double()])
            state.step += 1
            bar.update()
            if looking:
                seen = batch * recipe.batch_size + size
                now_loss, now_right = (state.sums.mean(1) / seen).tolist()
                bar.set_postfix_str(f"loss {now_loss:.3f}, accuracy {now_right:.1%}")
            if batch == batches - 1 or state.step == steps:
                _end_epoch(state, recipe, data, held_out, batch + 1, batches)
                if state.step >= steps / 2:
                    _refuse_chance(state.epochs, data, batches, epoch + 1 - recipe.ramp_epochs)
            late = deadline is not None and time.monotonic() > deadline
            if checkpoint and (late or time.monotonic() - saved > every):
                state.write(checkpoint, about)
                saved = time.monotonic()
            if late and state.step < steps:
                raise OutOfTime(f"stopped after step {state.step} of {steps}")
        if recipe.keep == "best":
            model.load_state_dict(state.best)
    if not all(p.isfinite().all() for p in model.parameters()):
        raise TrainingFailed("the last step left weights that are not numbers")
    model.eval()
    if checkpoint:
        Path(checkpoint).unlink(missing_ok=True)
    return state.epochs


def _loss(objective, model, x, y, generator, networks):
    """Mean loss of each network (V,), and logits."""
    if networks == 1:
        loss, logits = objective(model, x, y, generator)
        return loss[None], logits
    each, logits = objective.each(model, x, y, generator)
    return each.view(networks, -1).mean(1), logits


def _which(loss, where):
    bad = [i for i, value in enumerate(loss.tolist()) if not math.isfinite(value)]
    network = f" of network {bad[0]}" if len(loss) > 1 else ""
    return f"the loss{network} is {loss[bad[0]].item()} {where}"


def _end_epoch(state, recipe, data, held_out, done, batches):
    """Note how the epoch went, constrain the weights, judge them on the images held out."""
    seen = min(done * recipe.batch_size, len(data[0][0]))
    for epochs, loss, right in zip(state.epochs, *state.sums.tolist(), strict=True):
        epochs.append({"loss": loss / seen, "accuracy": right / seen})
    if recipe.constraint:
        recipe.constraint(state.model, data[0][0][:1])
    if held_out:
        now = _accuracy(state.model, *held_out, recipe.judge)
        before = [epoch["held_out"] for epoch in state.epochs[0][:-1]]
        state.epochs[0][-1]["held_out"] = now
        if recipe.keep == "best" and now > max(before, default=-1):
            state.best = {name: value.clone() for name, value in state.model.state_dict().items()}


def _accuracy(model, x, y, judge, batch=500):
    """Fraction of images that are right, under the judge's attack if there is one."""
    generator = torch.Generator(x.device).manual_seed(0)  # the same starts after every epoch
    right = 0
    with models.evaluating(model):
        for images, labels in zip(x.split(batch), y.split(batch), strict=True):
            if judge is not None:
                images = judge(model, images, labels, generator)
            with torch.no_grad():
                right += (model(images).argmax(1) == labels).sum().item()
    return right / len(y)


def _refuse_chance(histories, data, batches, full_epochs):
    """Epochs at full radius in which the most frequent label would have been as good an answer."""
    epochs = max(2, math.ceil(EVIDENCE / batches))
    if full_epochs < epochs:
        return
    for i, (history, (_, y)) in enumerate(zip(histories, data, strict=True)):
        shares = torch.bincount(y).double() / len(y)
        guess, entropy = shares.max().item(), torch.special.entr(shares).sum().item()
        recent = history[-epochs:]
        accuracy = sum(epoch["accuracy"] for epoch in recent) / epochs
        # Three standard deviations of the accuracy of guessing.
        luck = 3 * math.sqrt(guess * (1 - guess) / (epochs * len(y)))
        if min(epoch["loss"] for epoch in recent) > 0.99 * entropy and accuracy <= guess + luck:
            network = f" (network {i})" if len(histories) > 1 else ""
            raise TrainingFailed(
                f"stuck at chance{network}: loss {recent[-1]['loss']:.3f}, accuracy "
                f"{accuracy:.1%} after {len(history)} epochs; guessing has {entropy:.3f} and "
                f"{guess:.1%}. Ramp the radius longer or lower it"
            )
