"""The local Lipschitz estimate against the passes it needs, and against the published loop."""

import torch

from astute import lipschitz, models

from . import Row, ratios

STEPS = 10


def measurements(images=500):
    """Yield one row: K forward and backward passes on the model as it is are the reference."""
    model = models.LeNet(width=1.0)(seed=0).eval()
    x = torch.rand(images, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    estimate = lipschitz.LocalLipschitz(eps=0.1, steps=STEPS)

    def passes():
        for _ in range(STEPS):
            v = x.clone().requires_grad_()
            model(v).abs().sum().backward()

    def published(size=16):
        for part in x.split(size):
            x_adv = part + 0.001 * torch.randn_like(part)
            for _ in range(STEPS):
                x_adv = x_adv.detach().requires_grad_()
                change = (model(part) - model(x_adv)).abs().sum(1)
                ratio = change / (x_adv - part + 1e-6).flatten(1).norm(p=torch.inf, dim=1)
                (-ratio.mean()).backward()
                x_adv = x_adv.detach() + 0.003 * x_adv.grad.sign()
                x_adv = (part + (x_adv - part).clamp(-0.1, 0.1)).clamp(0, 1)

    times = ratios({"ours": lambda: estimate(model, x), "published loop": published}, passes, 3)
    yield Row(
        f"local Lipschitz estimate, LENET(1), {images} images; {STEPS} x (forward + backward)",
        times.pop("ours"),
        0.8,
        times,
    )
