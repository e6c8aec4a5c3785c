"""PGD against the least work it needs, K forward and input-gradient passes, and against foolbox."""

import foolbox
import torch

from astute import attacks, losses, models

from . import ratio

EPS, STEPS = 0.3, 40


def measurements(width=1.0, batch=128):
    """Yield (what, ratio) pairs; the reference is the loop that only differentiates."""
    model = models.LeNet(width=width)(seed=0).eval()
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(batch, 1, 28, 28, generator=generator)
    y = torch.randint(10, (batch,), generator=generator)
    fast = models.LeNet(width=width)(seed=0).eval().to(memory_format=torch.channels_last)
    attack = attacks.PGD(norm="linf", eps=EPS, step_size=0.01, steps=STEPS, keep="last")

    def least():
        for _ in range(STEPS):
            images = x.clone().requires_grad_()
            torch.autograd.grad(losses.cross_entropy(model(images), y).sum(), images)

    peer = foolbox.attacks.LinfPGD(steps=STEPS, abs_stepsize=0.01, rel_stepsize=None)
    wrapped = foolbox.PyTorchModel(model, bounds=(0, 1), device="cpu")
    label = f"PGD-{STEPS} on LENET({width:g}), batch {batch}"
    yield f"{label}: ours, channels last", ratio(lambda: attack(fast, x, y), least, 3)
    yield f"{label}: ours, same layout", ratio(lambda: attack(model, x, y), least, 3)
    yield f"{label}: foolbox", ratio(lambda: peer(wrapped, x, y, epsilons=EPS), least, 3)
