"""Does PGD tell the truth on MNIST variants? Stronger attacks, gradient-free ones, transfer."""

from dataclasses import dataclass, replace

import torch

from ... import attacks, intervals, losses, norms, objectives, robustness
from .. import Study, Training, trained
from .mnist import KM, SCALES, evaluation, measured, networks, pgd_trained, scaled_networks
from .variants import Robustness

#: Radii of the curves; from 0.5 on every image can be made grey.
RADII = (0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.75, 1.0)
_FIRST = replace(KM, loss="margin", keep="first")
#: The worst of three: small steps on the margin, steps from corner to corner, no gradient at all.
STRONGEST = attacks.Ensemble(
    norm="linf",
    eps=0.3,
    members=(
        replace(_FIRST, steps=100, restarts=3),
        replace(_FIRST, step_size=0.3, restarts=2),
        attacks.SquareSearch(eps=0.3, queries=500),
    ),
)
#: What each kind of attack breaks by itself, by the name a page shows.
CHECKS = {
    "one step (FGSM)": attacks.FGSM(eps=0.3, keep="last"),
    "margin as loss": replace(KM, loss="margin"),
    "5 restarts": replace(KM, restarts=5, keep="worst"),
    "steps of eps": replace(KM, step_size=0.3, keep="best"),
    "random squares, no gradient": attacks.SquareSearch(eps=0.3, queries=1000),
    "towards grey, no model": attacks.Grey(eps=0.3),
}
#: For a second look at table 7: both columns by an attack that breaks more than K-M.
_CORNERS = replace(_FIRST, step_size=0.3, restarts=3)


def at_radius(attack, eps):
    """An attack at another radius, its steps scaled alike."""
    step = getattr(attack, "step_size", None)
    return replace(attack, eps=eps, **({} if step is None else {"step_size": step * eps / 0.3}))


def _strongest(scale):
    """Every row of table 2's PGD networks under the worst of three kinds of attack."""
    if scale not in SCALES:
        return ()
    attack, size = STRONGEST, 500
    if scale == "smoke":
        eps, size = evaluation(scale)[0].eps, 50
        short = tuple(
            replace(at_radius(one, eps), queries=20)
            if isinstance(one, attacks.SquareSearch)
            else replace(at_radius(one, eps), steps=5)
            for one in STRONGEST.members
        )
        attack = replace(STRONGEST, eps=eps, members=short)
    return tuple(
        Robustness(trained=net, attack=attack, test_size=size)
        for net in pgd_trained(networks(scale)).values()
    )


@dataclass(frozen=True, kw_only=True)
class Transfer:
    """Images attacked on one network, shown to another.

    Attributes
    ----------
    trained, source : Training
        Who is tested, on its own variant's images, and who is attacked with them.
    attack : attacks.PGD
    test_size : int
    """

    trained: Training
    source: Training
    attack: attacks.PGD
    test_size: int

    def measure(self, context):
        model, source = (trained(one, context)[0] for one in (self.trained, self.source))
        x, y = self.trained.split("test", context, self.test_size)
        generator = torch.Generator(x.device).manual_seed(0)
        x_adv = robustness.attacked(source, x, y, self.attack, generator)
        return {
            "clean_accuracy": intervals.proportion((robustness.predict(model, x) == y).cpu()),
            "robust_accuracy": intervals.proportion((robustness.predict(model, x_adv) == y).cpu()),
        }


@dataclass(frozen=True, kw_only=True)
class Curve:
    """Robust accuracy against the radius.

    Attributes
    ----------
    trained : Training
    attack : attacks.PGD
    radii : tuple of float
    test_size : int
    """

    trained: Training
    attack: attacks.PGD
    radii: tuple[float, ...]
    test_size: int

    def measure(self, context):
        model, _ = trained(self.trained, context)
        x, y = self.trained.split("test", context, self.test_size)
        most = torch.bincount(y).max().item() / len(y)
        return {
            "most_frequent": most,
            "curve": robustness.curve(model, x, y, self.attack, self.radii),
        }


@dataclass(frozen=True, kw_only=True)
class LossAlong:
    """Mean loss along the sign of each image's gradient and along random signs, in the box.

    Where gradients are masked the first does not rise above the second. Images whose gradient is
    zero in every pixel, at the image or at a random point of the ball, are counted.

    Attributes
    ----------
    trained : Training
    eps : float
        End of the way, pixel units.
    points : int
    test_size : int
    """

    trained: Training
    eps: float
    points: int
    test_size: int

    def measure(self, context):
        model, _ = trained(self.trained, context)
        x, y = self.trained.split("test", context, self.test_size)
        generator = torch.Generator(x.device).manual_seed(0)

        def slope(images):
            return attacks.gradient(lambda at: losses.cross_entropy(model(at), y), images)

        at_image = slope(x)
        start = (x + norms.random_point(x, "linf", self.eps, generator)).clamp(0, 1)
        at_random = slope(start)
        ways = {
            "gradient": at_image.sign(),
            "random": norms.random_point(x, "linf", 1, generator).sign(),
        }
        steps = [self.eps * k / self.points for k in range(self.points + 1)]
        with torch.no_grad():
            along = {
                name: [
                    losses.cross_entropy(model((x + e * way).clamp(0, 1)), y).mean().item()
                    for e in steps
                ]
                for name, way in ways.items()
            }
        flat = {
            name: intervals.proportion((g.flatten(1).abs().amax(1) == 0).cpu())
            for name, g in (("flat_at_image", at_image), ("flat_at_random", at_random))
        }
        return {"eps": steps, "loss": along, **flat}


def _checks(scale):
    """`CHECKS` at the radius of a scale; the searches are too long for "smoke"."""
    eps = evaluation(scale)[0].eps
    return {
        name: at_radius(check, eps)
        for name, check in CHECKS.items()
        if scale != "smoke" or not isinstance(check, attacks.SquareSearch)
    }


def _masking(scale):
    """Each check by itself, on the networks of binarised and of original data."""
    if scale not in SCALES:
        return ()
    nets, (attack, size) = networks(scale), evaluation(scale)
    size = min(size, 500)
    runs = []
    for label in ("binarized", "original"):
        net = nets[label, "Adversarial"]
        runs += [
            Robustness(trained=net, attack=check, test_size=size)
            for check in _checks(scale).values()
        ]
        runs += [
            Transfer(trained=net, source=source, attack=attack, test_size=size)
            for source in (
                nets[label, "Natural"],
                nets["original" if label == "binarized" else "binarized", "Adversarial"],
            )
        ]
        runs += [
            LossAlong(trained=net, eps=0.5, points=20, test_size=size),
            Curve(trained=net, attack=replace(attack, keep="first"), radii=RADII, test_size=size),
        ]
    return tuple(runs)


def _name(run):
    """What a check is called on a page."""
    if isinstance(run, Robustness):
        names = {a: name for scale in SCALES for name, a in _checks(scale).items()}
        return names[run.attack]
    which = "the same" if run.source.variant == run.trained.variant else "the other"
    kind = "standard" if isinstance(run.source.objective, objectives.Natural) else "PGD"
    return f"made on the {kind} network of {which} data"


def checks(found):
    """Runs of `sens/table2` and `sens/masking` as rows, one attack a row; on the same images."""
    attacked = [
        (run, record)
        for run, record in found
        if isinstance(run, Transfer) or (isinstance(run, Robustness) and run.attack not in _plain())
    ]
    boxed = {
        run.trained: record
        for run, record in found
        if isinstance(run, Robustness) and run.attack in _plain()
    }
    first, rows = {"attack": "table 2: PGD, 40 steps, the last"}, {}
    for run, record in attacked:
        label, name = run.trained.variant.label, _name(run)
        rows.setdefault(name, {"attack": name})[label] = measured(record, "robust_accuracy")
        before = boxed.get(run.trained)
        first[label] = measured(before, "robust_accuracy", run.test_size)
    return [first, *rows.values()]


def _plain():
    """The attacks of table 2, scale by scale."""
    return [evaluation(scale)[0] for scale in SCALES]


def worst_of_three(found):
    """Runs of `sens/table2` and `sens/table2-strongest` as rows, a variant a row."""
    boxed = {
        run.trained: record for run, record in found if not isinstance(run.attack, attacks.Ensemble)
    }
    return [
        {
            "variant": run.trained.variant.label,
            "robust_acc": measured(boxed.get(run.trained), "robust_accuracy", run.test_size),
            "strongest": measured(record, "robust_accuracy"),
        }
        for run, record in found
        if isinstance(run.attack, attacks.Ensemble)
    ]


def _second_look(scale):
    """Where K-M is too weak: table 1's scaled networks, table 7's with and without the box."""
    if scale != "cpu":
        return ()
    scaled = [(run.trained, STRONGEST) for run in scaled_networks(scale)[:2]]
    nets = pgd_trained(networks(scale))
    boxes = [
        (nets[label], replace(_CORNERS, box=box))
        for label in ("binarized", "original")
        for box in (True, False)
    ]
    return tuple(
        Robustness(trained=net, attack=attack, test_size=500) for net, attack in (*scaled, *boxes)
    )


def second_look(found):
    """Runs of `sens/second-look`, `sens/table2-strongest` as rows, a network and attack a row."""
    rows = {}
    for run, record in found:
        three = isinstance(run.attack, attacks.Ensemble)
        key = run.trained.variant.label, "worst of three" if three else "steps of eps"
        row = rows.setdefault(key, {"variant": key[0], "attack": key[1]})
        side = "in_box" if three or run.attack.box else "without_box"
        row[side] = measured(record, "robust_accuracy")
    return list(rows.values())


STUDIES = (
    Study(
        id="sens/table2-strongest",
        title="Every PGD network of table 2 under the worst of three kinds of attack",
        runs=_strongest,
        minutes={"smoke": 0.02, "cpu": 0.7},
    ),
    Study(
        id="sens/second-look",
        title="Tables 1 and 7 by stronger attacks, where K-M is too weak",
        runs=_second_look,
        minutes={"cpu": 0.6},
    ),
    Study(
        id="sens/masking",
        title="Are gradients masked? Binarised and original MNIST, check by check",
        runs=_masking,
        minutes={"smoke": 0.01, "cpu": 0.2},
    ),
)
