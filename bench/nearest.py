"""DeepFool and Carlini-Wagner against foolbox: same network, images and settings.

The ratio is of seconds; the note has both median l2 distances, since a quick attack that goes too
far would be no gain. Ours attacks the fused copy; the other column is ours on foolbox's network.
"""

import torch

from astute import attacks, fused, norms

from . import Row, peer, ratios
from .attacks import printed, trained


def measurements():
    """Yield rows of `Row`; none where foolbox is not installed."""
    foolbox = peer("foolbox")
    if not foolbox:
        return
    model, x, y = trained(1.0)
    yield _row("DeepFool l2 on LENET(1), 128 digits, over foolbox",
               model, x, y, attacks.DeepFool.foolbox3(), foolbox.attacks.L2DeepFoolAttack(),
               foolbox, 1 / 3)  # fmt: skip
    model, x, y = trained(0.25)
    yield _row("Carlini-Wagner l2 on LENET(.25), 4 x 100 steps, 24 digits, over foolbox",
               model, x[:24], y[:24],
               attacks.CarliniWagner(searches=4, steps=100, step_size=0.01),
               foolbox.attacks.L2CarliniWagnerAttack(
                   binary_search_steps=4, steps=100, stepsize=0.01, initial_const=0.01),
               foolbox, 0.90)  # fmt: skip


def _row(label, model, x, y, attack, other, foolbox, goal):
    reference, copy = printed(model), fused.fused(model)
    wrapped = foolbox.PyTorchModel(reference, bounds=(0, 1), device="cpu")
    images = {}

    def ours():
        images["ours"] = attack(copy, x, y)

    def theirs():
        images["theirs"] = other(wrapped, x, y, epsilons=None)[1]

    functions = {"ours": ours, "ours, network as printed": lambda: attack(reference, x, y)}
    found = ratios(functions, theirs, pairs=2)
    right = ~attacks.fooled(model, x, y)
    far = []
    for x_adv in images.values():
        # What does not fool the model lies infinitely far.
        size = norms.size(x_adv - x, "l2")[right]
        done = attacks.fooled(model, x_adv, y)[right] & (x_adv != 0).flatten(1).any(1)[right]
        far.append(torch.where(done, size, torch.inf).median().item())
    note = "median distance {1:.4f}, foolbox {0:.4f}".format(*far)
    return Row(label, found.pop("ours"), goal, found, note)
