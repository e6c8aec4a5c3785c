"""How fast a network's output changes near images: the local Lipschitz estimate of Yang et al."""

from dataclasses import dataclass

import torch

from . import attacks, fused, losses, norms, progress


@dataclass(frozen=True, kw_only=True)
class LocalLipschitz:
    """max ||f(x) - f(x')||_1 / ||x - x'||_inf over x' with ||x - x'||_inf <= eps, image by image.

    Estimated from below, by signed gradient steps on the ratio from a Gaussian start.

    Attributes
    ----------
    eps : float
        Radius of the linf ball, pixel units.
    step_size : float
        Pixel units; 0.003 at every eps in the code of Yang et al.: ten steps do not reach the
        border of eps = 0.1.
    steps : int
    output : {"logits", "probabilities"}
        What f is. The slides say probabilities; their numbers, up to 32,228, are of logits.
    direction : {"ascent", "official"}
        The official code differentiates minus the ratio and adds the step: it walks downhill, and
        what it returns is neither a maximum nor a bound.
    keep : {"last", "best"}
        The last iterate, as in the code, or the iterate of the greatest ratio.
    offset : float
        Added to every pixel's difference below the fraction line, as in the code.

    Examples
    --------
    A linear map with rows w_k has the ratio sum_k ||w_k||_1 at best, and one step finds it from
    anywhere if all rows agree in sign.

    >>> model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(4, 2, bias=False)).eval()
    >>> _ = torch.nn.init.ones_(model[1].weight)
    >>> estimate = LocalLipschitz(eps=0.1, step_size=0.05, steps=5, keep="best")
    >>> estimate(model, torch.full((1, 1, 2, 2), 0.5)).round().tolist()
    [8.0]
    """

    eps: float
    step_size: float = 0.003
    steps: int = 10
    output: str = "logits"
    direction: str = "ascent"
    keep: str = "last"
    offset: float = 1e-6

    def __post_init__(self):
        norms.check("linf", self.eps)
        if not self.step_size >= 0 or self.steps < 0 or not self.offset >= 0:
            raise ValueError(
                "step_size, steps and offset are not negative; got "
                f"{self.step_size:g}, {self.steps}, {self.offset:g}"
            )
        for field, allowed in (
            ("output", ("logits", "probabilities")),
            ("direction", ("ascent", "official")),
            ("keep", ("last", "best")),
        ):
            if getattr(self, field) not in allowed:
                raise ValueError(
                    f"{field} is {' or '.join(map(repr, allowed))}; got {getattr(self, field)!r}"
                )

    def __call__(self, model, x, generator=None, batch_size=500):
        """Every image's ratio at the point that was found: (N, C, H, W) -> (N,).

        The search asks a copy of the model that is quicker to differentiate (`fused`); the ratio
        of the point it finds is the model's own.

        Raises
        ------
        ValueError
            If the model is in training mode, returns NaN or, as logits, probabilities; if the
            images leave [0, 1].
        """
        if model.training:
            raise ValueError("a measure needs the model in evaluation mode; call model.eval()")
        attacks.check_images(x)
        quick, found = fused.fused(model, x.dtype), []
        with progress.bar(total=len(x), desc="local Lipschitz", unit="image") as bar:
            for part in x.split(batch_size):
                found.append(self._search(model, quick, part, generator))
                bar.update(len(part))
        return torch.cat(found) if found else x.new_zeros(0)

    @torch.no_grad()
    def _search(self, model, quick, x, generator):
        logits = model(x)
        losses.check_labels(logits, logits.argmax(1))
        reference = self._output(logits)

        def ratio(f, images):
            change = (self._output(f(images)) - reference).abs().sum(1)
            # The code adds its offset to every entry of the signed difference.
            return change / norms.size(images - x + self.offset, "linf")

        sign = 1 if self.direction == "ascent" else -1
        x_adv = x + 0.001 * torch.empty_like(x).normal_(generator=generator)
        best, point = None, x_adv
        for _ in range(self.steps):
            step, value = attacks.gradient(lambda v: ratio(quick, v), x_adv, also_value=True)
            if self.keep == "best":
                better = torch.ones_like(value, dtype=torch.bool) if best is None else value > best
                best = value if best is None else torch.maximum(best, value)
                point = torch.where(better.view(-1, *[1] * (x.dim() - 1)), x_adv, point)
            x_adv = x_adv + sign * self.step_size * step.sign()
            x_adv = (x + (x_adv - x).clamp(-self.eps, self.eps)).clamp(0, 1)
        last = ratio(model, x_adv)
        return torch.maximum(ratio(model, point), last) if self.keep == "best" else last

    def _output(self, logits):
        return logits if self.output == "logits" else logits.softmax(1)
