"""How the weights move, as values: optimiser, schedule, length, augmentation, what is kept."""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F

from .. import models, spectra, values

OPTIMIZERS = ("adam", "sgd")
SCHEDULES = ("one-cycle", "constant", "steps")


@dataclass(frozen=True, kw_only=True)
class CropFlip:
    """Images moved by up to ``pad`` pixels, at random, and mirrored every other time.

    Attributes
    ----------
    pad : int
        Pixels added on every side before an image of the old size is cut out.
    mode : {"zeros", "reflect"}
        What is added: black, or the image mirrored at its border.
    flip : bool
    """

    pad: int = 4
    mode: str = "zeros"
    flip: bool = True

    def __post_init__(self):
        if self.mode not in ("zeros", "reflect") or self.pad < 0:
            raise ValueError(
                f'mode is "zeros" or "reflect", pad is not negative; got {self.mode!r}, {self.pad}'
            )

    def __call__(self, x, generator=None):
        """(N, C, H, W) -> (N, C, H, W), every image by chances of its own."""
        n, _, high, wide = x.shape
        chance = {"generator": generator, "device": x.device}
        corner = torch.randint(0, 2 * self.pad + 1, (n, 2), **chance)
        rows, columns = (
            corner[:, i, None] + torch.arange(side, device=x.device)
            for i, side in enumerate((high, wide))
        )
        if self.flip:
            mirrored = torch.rand((n, 1), **chance) < 0.5
            columns = torch.where(mirrored, columns.flip(1), columns)
        mode = "constant" if self.mode == "zeros" else "reflect"
        padded = F.pad(x, [self.pad] * 4, mode=mode)
        which = torch.arange(n, device=x.device)[:, None, None]
        return padded[which, :, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)


@dataclass(frozen=True, kw_only=True)
class ResizedCrop:
    """A random part of the image, brought to ``size`` and mirrored every other time.

    As Szegedy et al. (2015) and torchvision's ``RandomResizedCrop``, but for corners that lie
    between pixels, and parts that stick out are cut at the border rather than drawn again.

    Attributes
    ----------
    size : int
        Side of the result, pixels.
    scale : (float, float)
        Least and greatest area, as fractions of the image.
    ratio : (float, float)
        Least and greatest width over height, drawn evenly in its logarithm.
    flip : bool
    """

    size: int
    scale: tuple[float, float] = (0.08, 1.0)
    ratio: tuple[float, float] = (3 / 4, 4 / 3)
    flip: bool = True

    def __call__(self, x, generator=None):
        """(N, C, H, W) -> (N, C, size, size)."""
        n = len(x)
        chance = torch.rand((n, 5), generator=generator, device=x.device, dtype=x.dtype)
        area = self.scale[0] + (self.scale[1] - self.scale[0]) * chance[:, 0]
        low, high = map(math.log, self.ratio)
        ratio = (low + (high - low) * chance[:, 1]).exp()
        # In units of half the image, whose coordinates run from -1 to 1.
        width, height = (area * ratio).sqrt().clamp(max=1), (area / ratio).sqrt().clamp(max=1)
        along, down = ((2 * chance[:, i] - 1) * (1 - s) for i, s in ((2, width), (3, height)))
        if self.flip:
            width = torch.where(chance[:, 4] < 0.5, -width, width)
        zero = torch.zeros_like(area)
        theta = torch.stack([width, zero, along, zero, height, down], 1).view(n, 2, 3)
        grid = F.affine_grid(theta, [n, x.shape[1], self.size, self.size], align_corners=False)
        found = F.grid_sample(x, grid, padding_mode="border", align_corners=False)
        return found.clamp(0, 1)


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How the weights move.

    Attributes
    ----------
    lr : float
        Learning rate on the mean loss; the peak of a one-cycle schedule.
    epochs, batch_size : int
    optimizer : {"adam", "sgd"}
        With PyTorch's defaults.
    schedule : {"one-cycle", "constant", "steps"}
        One-cycle: a cosine from lr/25 up to lr over the first 30 % of steps, then down to 0.
        Steps: times ``factor`` after each of the ``milestones``.
    ramp_epochs : int
        Epochs over which an adversarial radius grows linearly to its full size; 0 for none.
    weight_decay : float
    momentum : float
        Of "sgd".
    milestones : tuple of float
        Epochs, rising.
    factor : float
    warmup_epochs : float
        Epochs over which the learning rate grows linearly to what the schedule says.
    steps : int or None
        Batches after which training ends, though epochs are left.
    ramp_from : float
        Fraction of the radius at which the ramp starts.
    scalar_lr : float
        What the learning rate of parameters with a single entry is multiplied by; a tenth for the
        biases of `models.Fixup` in its authors' code.
    augmentation : callable or None
        A value such as `CropFlip`, called on every batch and the generator.
    constraint : callable or None
        A value called on the model and one image after every epoch, such as one that clips the
        spectra of its layers.
    held_out : int
        The last so many training images are not trained on; after every epoch the model's accuracy
        on them is measured.
    judge : callable or None
        The attack under which it is measured; None for the images as they are.
    keep : {"last", "best"}
        The weights after the last epoch, or after the first of those with the highest accuracy on
        the images held out.
    """

    lr: float
    epochs: int
    batch_size: int
    optimizer: str = "adam"
    schedule: str = "one-cycle"
    ramp_epochs: int = 0
    weight_decay: float = 0.0
    momentum: float = values.added(0.9)
    milestones: tuple[float, ...] = values.added(())
    factor: float = values.added(0.1)
    warmup_epochs: float = values.added(0.0)
    steps: int | None = values.added(None)
    ramp_from: float = values.added(0.0)
    scalar_lr: float = values.added(1.0)
    augmentation: object = values.added(None)
    constraint: object = values.added(None)
    held_out: int = values.added(0)
    judge: object = values.added(None)
    keep: str = values.added("last")

    def __post_init__(self):
        if self.optimizer not in OPTIMIZERS or self.schedule not in SCHEDULES:
            raise ValueError(
                'optimizer is "adam" or "sgd", schedule is "one-cycle", "constant" or "steps"; got '
                f"{self.optimizer!r}, {self.schedule!r}"
            )
        if self.epochs < 1 or self.batch_size < 1:
            raise ValueError(
                f"epochs and batch_size are at least 1; got {self.epochs}, {self.batch_size}"
            )
        if bool(self.milestones) != (self.schedule == "steps"):
            raise ValueError(
                'milestones belong to the schedule "steps", which needs them; got '
                f"{self.schedule!r}, {self.milestones}"
            )
        if list(self.milestones) != sorted(self.milestones):
            raise ValueError(f"milestones are epochs, rising; got {self.milestones}")
        if self.keep not in ("last", "best") or (self.keep == "best" and not self.held_out):
            raise ValueError(
                'keep is "last" or "best", the latter with images held_out to judge by; got '
                f"{self.keep!r}, {self.held_out}"
            )
        if self.judge is not None and not self.held_out:
            raise ValueError("the judge attacks the images held_out, which are none")

    def length(self, n):
        """Batches of an epoch of ``n`` images, and of the whole training."""
        batches = math.ceil(n / self.batch_size)
        return batches, min(batches * self.epochs, self.steps or math.inf)

    def lr_at(self, step, steps, batches=None):
        """Learning rate of step ``step`` of ``steps``, with ``batches`` steps an epoch."""
        epoch = step / (batches or steps / self.epochs)
        early = (
            min(1.0, (epoch + 1 / (batches or 1)) / self.warmup_epochs)
            if (self.warmup_epochs)
            else 1.0
        )
        if self.schedule == "constant":
            return self.lr * early
        if self.schedule == "steps":
            return self.lr * early * self.factor ** sum(epoch >= m for m in self.milestones)
        peak = max(1, round(0.3 * steps))
        if step < peak:
            rise = 1 / 25 + 24 / 25 * (1 - math.cos(math.pi * step / peak)) / 2
            return self.lr * early * rise
        return self.lr * early * (1 + math.cos(math.pi * (step - peak) / max(1, steps - peak))) / 2

    def ramp_at(self, step, batches):
        """Fraction of an adversarial radius at step ``step``."""
        grown = min(1.0, (step + 1) / (batches * self.ramp_epochs or 1))
        return self.ramp_from + (1 - self.ramp_from) * grown

    def optimizer_for(self, parameters, scalar=lambda p: p.numel() == 1):
        """A fresh optimiser over ``parameters``; its groups have a ``factor`` of the rate."""
        parameters = list(parameters)
        groups = [{"params": parameters, "factor": 1.0}]
        if self.scalar_lr != 1:
            groups = [
                {"params": [p for p in parameters if scalar(p) == single], "factor": factor}
                for single, factor in ((False, 1.0), (True, self.scalar_lr))
            ]
        groups = [group for group in groups if group["params"]]
        if self.optimizer == "adam":
            return torch.optim.Adam(groups, lr=self.lr, weight_decay=self.weight_decay)
        return torch.optim.SGD(
            groups, lr=self.lr, momentum=self.momentum, weight_decay=self.weight_decay
        )


@dataclass(frozen=True, kw_only=True)
class ClipNorms:
    """Every layer's spectral norm brought to a bound, as a recipe's constraint.

    Wen, Li & Jia, appendix ("SP 1", "SP 3", "SP 5"), at the end of every epoch.

    Attributes
    ----------
    bound : float
    rounds : int
        As for `spectra.clip_norms`.
    """

    bound: float
    rounds: int = 20

    def __call__(self, model, image):
        with models.evaluating(model):
            spectra.clip_norms(model, image.shape[1:], self.bound, self.rounds)
