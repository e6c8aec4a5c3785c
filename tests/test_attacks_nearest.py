"""Attacks that look for the nearest adversarial, and several attacks on one image.

Against closed forms on linear models, a grid over all images of two pixels, and another library.
"""

import dataclasses
import math
import warnings

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from astute import data, models, norms, objectives, training
from astute.attacks import PGD, CarliniWagner, DeepFool, Ensemble, fooled

DUAL = {"linf": 1, "l2": 2}
SEED = st.integers(0, 10**6)
QUICK = CarliniWagner(searches=5, steps=60, step_size=0.05, constant=1.0)
NEAREST = [
    DeepFool.foolbox1(norm="l2"),
    DeepFool.foolbox3(norm="l2"),
    DeepFool.foolbox1(norm="linf"),
    DeepFool.foolbox3(norm="linf"),
    CarliniWagner(searches=3, steps=20, step_size=0.02, constant=1.0),
    CarliniWagner.foolbox1(searches=3, steps=20, step_size=0.02, constant=1.0),
]


def made(seed, n=6, k=4):
    """A linear model of 9 pixels, images of middling grey that it gets right."""
    generator = torch.Generator().manual_seed(seed)
    layer = nn.Linear(9, k, bias=False, dtype=torch.float64)
    layer.weight.data = torch.randn(k, 9, generator=generator, dtype=torch.float64)
    model = nn.Sequential(nn.Flatten(), layer).eval().requires_grad_(False)
    x = 0.45 + 0.1 * torch.rand(n, 1, 3, 3, generator=generator, dtype=torch.float64)
    return model, x, model(x).argmax(1)


def kinked(seed, k=3):
    """A small network of 9 pixels, images of all greys, a third of them misclassified."""
    generator = torch.Generator().manual_seed(seed)
    model = models.MLP(sizes=(9, 12, k))(seed=seed).double().eval()
    x = torch.rand(9, 1, 3, 3, generator=generator, dtype=torch.float64)
    with torch.no_grad():
        y = model(x).argmax(1)
    y[::3] = (y[::3] + 1) % k
    return model, x, y


def border(model, x, y, norm):
    """The distance to the nearest border of a linear model, in closed form: (N,)."""
    weight, logits = model[1].weight, model(x)
    away = torch.full_like(logits, torch.inf)
    for j in range(len(weight)):
        fall = (weight[y] - weight[j]).norm(p=DUAL[norm], dim=1)
        gap = logits.gather(1, y[:, None])[:, 0] - logits[:, j]
        away[:, j] = torch.where(y == j, torch.inf, gap / fall)
    return away.amin(1)


def random(seed=0):
    return torch.Generator().manual_seed(seed)


# ---- closed forms


@settings(deadline=None, max_examples=25)
@given(SEED, st.sampled_from(norms.NORMS), st.sampled_from(["step", "total"]))
def test_deepfool_goes_to_the_border_of_linear_classes_and_a_little_beyond(seed, norm, overshoots):
    model, x, y = made(seed)
    attack = DeepFool(norm=norm, overshoot=1e-3, overshoots=overshoots, steps=1)
    far, want = norms.size(attack(model, x, y) - x, norm), border(model, x, y, norm)
    near = want < 0.3  # else the box is in the way
    beyond = 1e-4 if overshoots == "total" else 0  # as in Foolbox 3
    assert torch.allclose(far[near], 1.001 * (want[near] + beyond), rtol=1e-5)
    assert fooled(model, attack(model, x, y), y)[near].all()


def test_carlini_and_wagner_come_within_a_hundredth_of_the_border_of_linear_classes():
    model, x, y = made(0, n=50)
    attack = CarliniWagner(searches=6, steps=150, step_size=0.02, constant=1.0)
    far, want = norms.size(attack(model, x, y) - x, "l2"), border(model, x, y, "l2")
    near = want < 0.3
    assert (far >= want - 1e-9).all()
    assert (far <= 1.01 * want + 1e-3)[near].all()


def test_the_defaults_of_2019_end_at_the_border_that_their_constants_can_pay_for():
    """Two linear classes: |d|^2 + c max(0, m - v.d) is least at the border, |d| = m / |v|, if c
    exceeds 2 m / |v|^2, and short of it else. The five constants end at 100."""
    model, x, y = made(0, n=40, k=2)
    model[1].weight.data *= 0.0027  # the same classes
    want, slope = border(model, x, y, "l2"), (model[1].weight[0] - model[1].weight[1]).norm()
    least = 2 * want / slope
    x_adv = CarliniWagner.foolbox1()(model, x, y)
    far, found = norms.size(x_adv - x, "l2"), fooled(model, x_adv, y)
    sure = (least - 100).abs() > 5
    assert 0.2 < found.double().mean() < 0.8
    assert torch.equal(found[sure], least[sure] < 100)
    assert (far >= want - 1e-9)[found].all()
    assert torch.allclose(far[found], want[found], rtol=0.02, atol=2e-3)


def one_pixel(pixel, wall, slope, attack):
    """C&W of 2019 in plain numbers, one pixel: classes differ by slope (wall - pixel)."""
    start, nearest = math.atanh((2 * pixel - 1) * 0.999999), None
    origin, c, low, high = (math.tanh(start) + 1) / 2, attack.constant, 0.0, math.inf
    for _ in range(attack.searches):
        w, first, second, before, success = start, 0.0, 0.0, math.inf, False
        for t in range(1, attack.steps + 1):
            x = (math.tanh(w) + 1) / 2
            margin = slope * (wall - x)
            loss = (x - origin) ** 2 + c * max(0.0, margin)
            g = (2 * (x - origin) - c * slope * (margin > 0)) * (1 - math.tanh(w) ** 2) / 2
            if margin < 0:
                success = True
                nearest = x if nearest is None else min(x, nearest)
            first, second = 0.9 * first + 0.1 * g, 0.999 * second + 0.001 * g * g
            step = first / (1 - 0.9**t) / (math.sqrt(second / (1 - 0.999**t)) + attack.tiny)
            w -= attack.step_size * step
            if (t - 1) % math.ceil(attack.steps / 10) == 0:
                if not loss <= 0.9999 * before:
                    break
                before = loss
        low, high = (low, c) if success else (c, high)
        c = 10 * c if math.isinf(high) else (low + high) / 2
    return pixel if nearest is None else nearest


@pytest.mark.parametrize("pixel", [0.0, 0.02, 0.4])
def test_carlini_and_wagner_of_2019_do_what_plain_numbers_do(pixel):
    layer = nn.Linear(1, 2, dtype=torch.float64)
    model = nn.Sequential(nn.Flatten(), layer).eval().requires_grad_(False)
    layer.weight.data = torch.tensor([[0.0], [2.0]], dtype=torch.float64)
    layer.bias.data = torch.tensor([2 * (pixel + 0.1), 0.0], dtype=torch.float64)
    x, y = torch.full((1, 1, 1, 1), pixel, dtype=torch.float64), torch.tensor([0])
    for changes in ({"steps": 200}, {"steps": 100, "step_size": 0.05, "tiny": 1e-8}):
        attack = CarliniWagner.foolbox1(**changes)
        want = one_pixel(pixel, pixel + 0.1, 2.0, attack)
        assert attack(model, x, y).item() == pytest.approx(want, abs=1e-9)


@pytest.mark.parametrize("seed", [4, 11])
def test_no_attack_is_nearer_than_all_images_of_two_pixels_allow(seed):
    """Brute force: every image of a fine grid; the true nearest lies within a cell of the best."""
    model = models.MLP(sizes=(2, 8, 3))(seed=seed).double().eval()
    side = torch.linspace(0, 1, 201, dtype=torch.float64)
    grid = torch.cartesian_prod(side, side).view(-1, 1, 1, 2)
    x = torch.tensor([[0.3, 0.3], [0.7, 0.4], [0.5, 0.9]], dtype=torch.float64).view(3, 1, 1, 2)
    with torch.no_grad():
        answers, y = model(grid).argmax(1), model(x).argmax(1)
    assert len(answers.unique()) > 1
    for image, label in zip(x.split(1), y.split(1), strict=True):
        others = grid[answers != label]
        for norm, attack in (("l2", QUICK), *((m.norm, m) for m in NEAREST[:4])):
            least = norms.size(others - image, norm).min()
            x_adv = attack(model, image, label)
            if fooled(model, x_adv, label):
                assert norms.size(x_adv - image, norm) >= least - 0.005 * math.sqrt(2)
                if attack is QUICK:
                    assert norms.size(x_adv - image, norm) <= 1.05 * least + 0.005


# ---- invariants


@settings(deadline=None, max_examples=20)
@given(SEED, st.sampled_from(NEAREST))
def test_what_comes_back_is_an_adversarial_in_the_box_or_the_image(seed, attack):
    model, x, y = kinked(seed)
    before, x_adv = x.clone(), attack(model, x, y)
    assert x_adv.min() >= 0
    assert x_adv.max() <= 1
    assert (x_adv.shape, x_adv.dtype, x_adv.requires_grad) == (x.shape, x.dtype, False)
    assert torch.equal(x, before)
    same = (x_adv == x).flatten(1).all(1)
    assert (fooled(model, x_adv, y) | same).all()
    assert same[fooled(model, x, y)].all()  # a misclassified image is its own adversarial


@pytest.mark.parametrize("attack", NEAREST)
def test_no_image_depends_on_its_batch(attack):
    model, x, y = kinked(6)
    alone = torch.cat([attack(model, x[i : i + 1], y[i : i + 1]) for i in range(len(x))])
    assert torch.allclose(attack(model, x, y), alone, atol=1e-9)


@pytest.mark.parametrize("attack", [*NEAREST, Ensemble.standard(norm="linf", eps=0.2, steps=3)])
@pytest.mark.parametrize("training_mode", [True, False])
def test_mode_gradients_and_global_chance_are_left_alone(attack, training_mode):
    model, x, y = kinked(1)
    model.train(training_mode)
    for parameter in model.parameters():
        parameter.grad = torch.ones_like(parameter)
    state = torch.get_rng_state()
    with torch.no_grad():  # attacks work where gradients are switched off
        attack(model, x, y, random())
    assert torch.equal(torch.get_rng_state(), state)
    assert all(part.training == training_mode for part in model.modules())
    assert all((p.grad == 1).all() and p.requires_grad for p in model.parameters())


@pytest.mark.parametrize("attack", [*NEAREST, Ensemble.standard(norm="l2", eps=0.2, steps=3)])
def test_no_images_are_no_trouble(attack):
    model, x, y = kinked(2)
    assert attack(model, x[:0], y[:0], random()).shape == (0, 1, 3, 3)


@pytest.mark.parametrize("attack", NEAREST)
def test_images_that_are_done_leave_the_batch(attack):
    model, x, y = kinked(4)
    asked = []

    def counted(images):
        asked.append(len(images))
        return model(images)

    attack(counted, x, y)
    assert asked[0] == 9
    assert asked[1] == 6
    assert asked[-1] < 6


def test_more_confidence_takes_a_longer_way_and_wins_by_that_much():
    model, x, y = made(7)
    near = QUICK(model, x, y)
    sure = dataclasses.replace(QUICK, confidence=0.5)
    x_adv = sure(model, x, y)
    logits = model(x_adv)
    done = fooled(model, x_adv, y)
    assert done.any()
    lead = logits.amax(1) - logits.gather(1, y[:, None])[:, 0]
    assert (lead[done] >= 0.5).all()
    assert (norms.size(x_adv - x, "l2") > norms.size(near - x, "l2"))[done].all()


def test_two_candidates_are_the_label_and_its_likeliest_rival():
    """The nearest rival need not be the likeliest; with two candidates nobody looks at it."""
    layer = nn.Linear(2, 3, bias=False, dtype=torch.float64)
    layer.weight.data = torch.tensor([[1.0, 1.0], [0.9, 0.9], [-4.0, 5.7]]).double()
    model = nn.Sequential(nn.Flatten(), layer).eval()
    x, y = torch.full((1, 1, 1, 2), 0.5, dtype=torch.float64), torch.tensor([0])
    few, many = (DeepFool.foolbox1(candidates=n)(model, x, y) for n in (2, 3))
    assert torch.equal(few, x)  # between these two classes the border is black, and a tie
    assert model(many).argmax(1).item() == 2


# ---- another library


@pytest.fixture(scope="module")
def digits():
    """A network that knows the digits fairly well, and 60 of them."""
    train, test = data.load("digits", limit=700), data.load("digits", "test", limit=60)
    model = models.MLP(sizes=(784, 32, 10))(seed=0)
    recipe = training.Recipe(lr=3e-3, epochs=5, batch_size=50)
    training.train(model, train.x, train.y, objectives.Natural(), recipe, seed=0)
    return model.eval(), test.x, test.y


@pytest.fixture(scope="module")
def foolbox():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip("foolbox")


def theirs(foolbox, attack, model, x, y):
    wrapped = foolbox.PyTorchModel(model, bounds=(0, 1), device="cpu")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return attack(wrapped, x, y, epsilons=None)[0]


@pytest.mark.parametrize("norm", norms.NORMS)
def test_deepfool_is_foolboxs(digits, foolbox, norm):
    model, x, y = digits
    peer = {"l2": "L2DeepFoolAttack", "linf": "LinfDeepFoolAttack"}[norm]
    other = theirs(foolbox, getattr(foolbox.attacks, peer)(), model, x, y)
    ours = DeepFool.foolbox3(norm=norm)(model, x, y)
    assert fooled(model, ours, y).all()
    assert torch.allclose(ours, other, atol=1e-4)


@pytest.mark.parametrize("abort_early", [True, False])
def test_carlini_and_wagner_are_foolboxs_and_their_median_no_larger(digits, foolbox, abort_early):
    model, x, y = digits
    x, y = x[:30], y[:30]
    peer = foolbox.attacks.L2CarliniWagnerAttack(
        binary_search_steps=4, steps=60, stepsize=0.02, initial_const=0.1, abort_early=abort_early
    )
    other = theirs(foolbox, peer, model, x, y)
    attack = CarliniWagner(
        searches=4, steps=60, step_size=0.02, constant=0.1, abort_early=abort_early
    )
    ours = attack(model, x, y)
    both = fooled(model, ours, y) & ~fooled(model, x, y) & (other != 0).flatten(1).any(1)
    far, their = (norms.size(images - x, "l2")[both] for images in (ours, other))
    assert both.float().mean() > 0.5
    assert far.median() <= 1.0001 * their.median()
    if not abort_early:
        assert torch.allclose(far, their, rtol=0.02)


# ---- several attacks


def test_the_ensemble_is_at_least_as_strong_as_each_of_its_members():
    model, x, y = kinked(5)
    settings = {"norm": "linf", "eps": 0.08, "step_size": 0.03, "steps": 3, "keep": "first"}
    members = (
        PGD(**settings, random_start=False),
        DeepFool.foolbox3(norm="linf"),
        PGD(**settings, loss="margin", random_start=False),
    )
    attack = Ensemble(norm="linf", eps=0.08, members=members)
    x_adv = attack(model, x, y)
    assert (norms.size(x_adv - x, "linf") <= 0.08 + 1e-9).all()
    broken = fooled(model, x_adv, y)
    for member in members:
        alone = member(model, x, y)
        inside = norms.size(alone - x, "linf") <= 0.08
        assert broken[fooled(model, alone, y) & inside].all()


def test_later_members_see_only_what_still_stands():
    _, x, y = made(8)
    seen = []

    def member(model, x, y, generator):
        seen.append(len(x))
        return x if len(seen) > 1 else torch.where(torch.arange(6).view(-1, 1, 1, 1) < 2, 1 - x, x)

    flip = nn.Sequential(nn.Flatten(), nn.Linear(9, 2, bias=False, dtype=torch.float64))
    flip[1].weight.data = torch.tensor([[1.0] * 9, [-1.0] * 9], dtype=torch.float64)
    shifted = lambda images: flip(images - 0.5)  # noqa: E731 -- a model is anything callable
    x = x.clamp(max=0.49)
    y = torch.ones(6, dtype=torch.long)
    Ensemble(norm="linf", eps=1.0, members=(member, member))(shifted, x, y)
    assert seen == [6, 4]


def test_what_lies_outside_the_ball_is_brought_back_before_it_counts():
    model, x, y = made(9)
    nearest = border(model, x, y, "l2")
    eps = nearest.median().item()
    attack = Ensemble(norm="l2", eps=eps, members=(DeepFool.foolbox3(overshoot=1e-4),))
    x_adv = attack(model, x, y)
    assert (norms.size(x_adv - x, "l2") <= eps + 1e-9).all()
    assert not fooled(model, x_adv, y)[nearest > eps].any()


# ---- refusals


@pytest.mark.parametrize(
    ("attack", "change", "words"),
    [
        (DeepFool.foolbox1, {"norm": "l1"}, "norm is one of linf, l2; got 'l1'"),
        (DeepFool.foolbox1, {"steps": 0}, "steps is at least 1, .*; got 0, 10, 0.05"),
        (DeepFool.foolbox1, {"candidates": 1}, "candidates at least 2, .*; got 100, 1, 0.05"),
        (DeepFool.foolbox1, {"overshoot": -1}, "overshoot not negative"),
        (DeepFool.foolbox1, {"overshoots": "all"}, "overshoots is .*; got 'all'"),
        (CarliniWagner, {"steps": 0}, "searches and steps are at least 1, .*; got 5, 0"),
        (CarliniWagner, {"constant": 0}, "step_size and constant positive; got"),
        (CarliniWagner, {"confidence": -1}, "confidence is not negative; got -1"),
        (CarliniWagner, {"patience": "some"}, 'patience is "least" or "none"; got \'some\''),
        (Ensemble, {"norm": "linf", "eps": 8, "members": (1,)}, "write 8 / 255"),
        (Ensemble, {"norm": "linf", "eps": 0.1, "members": ()}, "at least one member"),
        (
            Ensemble,
            {"norm": "linf", "eps": 0.1, "members": (DeepFool.foolbox1(),)},
            "all members attack the linf ball of 0.1; got one with l2, 0.1",
        ),
    ],
)
def test_settings_that_make_no_sense_are_refused(attack, change, words):
    with pytest.raises(ValueError, match=words):
        attack(**change)


@pytest.mark.parametrize("attack", [*NEAREST, Ensemble.standard(norm="linf", eps=0.1)])
@pytest.mark.parametrize(
    ("x", "y", "softmax", "words"),
    [
        (255.0, [0, 1], False, r"images lie in \[0, 1\]; got 255..255. Divide 8-bit levels by 255"),
        (0.5, [0, 4], False, "labels lie in 0..3, as the model has 4 outputs; got 0..4"),
        (0.5, [0], False, "labels are 2 integers, one an image"),
        (math.nan, [0, 1], False, r"images lie in \[0, 1\]; got nan"),
        (0.5, [0, 1], True, "probabilities"),
    ],
)
def test_images_labels_and_models_that_make_no_sense_are_refused(attack, x, y, softmax, words):
    model = made(0)[0]
    model = nn.Sequential(model, nn.Softmax(1)) if softmax else model
    images = torch.full((2, 1, 3, 3), x, dtype=torch.float64)
    with pytest.raises(ValueError, match=words):
        attack(model, images, torch.tensor(y), random())


def test_the_defaults_are_those_of_the_library_in_2019_and_today():
    assert DeepFool.foolbox1() == DeepFool(
        norm="l2", steps=100, candidates=10, overshoot=0.05, overshoots="step"
    )
    assert DeepFool.foolbox3(norm="linf") == DeepFool(norm="linf")
    for attack, want in (
        (CarliniWagner.foolbox1(), (5, 1000, 0.005, 0.01, 0.0, True, "none", 1e-7)),
        (CarliniWagner.foolbox3(), (9, 10_000, 0.01, 1e-3, 0.0, True, "least", 1e-8)),
    ):
        assert dataclasses.astuple(attack) == want


def test_todays_defaults_are_the_installed_librarys(foolbox):
    ours, peer = DeepFool.foolbox3(), foolbox.attacks.L2DeepFoolAttack()
    for name in ("steps", "candidates", "overshoot"):
        assert getattr(ours, name) == getattr(peer, name)
    ours, peer = CarliniWagner.foolbox3(), foolbox.attacks.L2CarliniWagnerAttack()
    assert (ours.searches, ours.steps) == (peer.binary_search_steps, peer.steps)
    assert (ours.step_size, ours.constant) == (peer.stepsize, peer.initial_const)
