"""Attacks against closed forms on linear models, an independent loop, and another library."""

import math
import warnings

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from astute import data, intervals, losses, models, norms, objectives, training
from astute.attacks import (
    FGSM,
    PGD,
    BisectionFGSM,
    LineSearchFGSM,
    check_images,
    fooled,
    least_margin,
)

DUAL = {"linf": 1, "l2": 2}
SEED = st.integers(0, 10**6)


def linear(weight, bias=None):
    """A network that is one matrix (K, D)."""
    k, d = weight.shape
    layer = nn.Linear(d, k, bias=bias is not None, dtype=weight.dtype)
    layer.weight.data.copy_(weight)
    if bias is not None:
        layer.bias.data.copy_(bias)
    return nn.Sequential(nn.Flatten(), layer).eval()


def made(seed, n=5, shape=(1, 4, 4), k=2, low=0.0, high=1.0):
    """Images in [low, high], labels and a random linear model, double precision."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.rand(n, *shape, generator=generator, dtype=torch.float64) * (high - low) + low
    y = torch.randint(k, (n,), generator=generator)
    weight = torch.randn(k, math.prod(shape), generator=generator, dtype=torch.float64)
    return linear(weight), x, y, weight


def margins(model, x, y):
    with torch.no_grad():
        return losses.margin(model(x), y)


def random(seed=0):
    return torch.Generator().manual_seed(seed)


# ---- closed forms


@settings(deadline=None, max_examples=25)
@given(SEED, st.sampled_from(norms.NORMS), st.sampled_from(["ce", "margin"]), st.booleans())
def test_on_two_linear_classes_the_margin_falls_by_eps_times_the_dual_norm(
    seed, norm, loss, random_start
):
    model, x, y, weight = made(seed, low=0.4, high=0.6)  # the box is out of reach
    eps = 0.1
    attack = PGD(norm=norm, eps=eps, step_size=eps, steps=20, random_start=random_start, loss=loss)
    fall = eps * (weight[0] - weight[1]).norm(p=DUAL[norm])
    least = margins(model, x, y) - fall
    after = margins(model, attack(model, x, y, random(seed)), y)
    # In l2 a random start is forgotten by a factor of two a step at worst.
    assert torch.allclose(after, least, atol=1e-9 if norm == "linf" else 1e-4)


@pytest.mark.parametrize("norm", norms.NORMS)
def test_one_fast_step_is_the_optimum_of_two_linear_classes(norm):
    model, x, y, weight = made(1, low=0.4, high=0.6)
    fall = 0.1 * (weight[0] - weight[1]).norm(p=DUAL[norm])
    after = margins(model, FGSM(norm=norm, eps=0.1)(model, x, y), y)
    assert torch.allclose(after, margins(model, x, y) - fall)


@settings(deadline=None, max_examples=25)
@given(SEED)
def test_at_the_border_of_the_box_each_pixel_goes_as_far_as_there_is_room(seed):
    model, x, y, weight = made(seed)
    x = x.round(decimals=1)  # many pixels at 0 and 1
    eps = 0.15
    attack = PGD(norm="linf", eps=eps, step_size=0.04, steps=10)
    sign = 1 - 2 * y[:, None]
    slope = sign * (weight[0] - weight[1])  # of the margin
    flat = x.flatten(1)
    room = torch.where(slope > 0, flat, 1 - flat).clamp(max=eps)
    least = margins(model, x, y) - (slope.abs() * room).sum(1)
    assert torch.allclose(margins(model, attack(model, x, y, random(seed)), y), least)


@settings(deadline=None, max_examples=25)
@given(SEED, st.sampled_from(norms.NORMS), st.sampled_from(["ce", "margin"]), st.integers(3, 5))
def test_no_attack_on_linear_classes_beats_the_closed_form(seed, norm, loss, k):
    """Per image the least margin is min over j of m_j - eps ||w_y - w_j||*."""
    model, x, y, weight = made(seed, k=k, low=0.4, high=0.6)
    eps = 0.1
    attack = PGD(norm=norm, eps=eps, step_size=eps / 3, steps=15, loss=loss)
    least = []
    for image, label in zip(x.flatten(1), y.tolist(), strict=True):
        others = [j for j in range(k) if j != label]
        least.append(
            min(
                (weight[label] - weight[j]) @ image
                - eps * (weight[label] - weight[j]).norm(p=DUAL[norm])
                for j in others
            )
        )
    after = margins(model, attack(model, x, y, random(seed)), y)
    assert (after >= torch.stack(least) - 1e-9).all()


@pytest.mark.parametrize(("norm", "fall"), [("linf", 2), ("l2", math.sqrt(2))])
def test_with_a_pixel_a_class_the_margin_attack_attains_the_optimum(norm, fall):
    """w_y - w_j has entries 1 and -1: its dual norm is 2 in linf and sqrt 2 in l2."""
    model = linear(torch.eye(5, dtype=torch.float64))
    x = torch.tensor([[0.6, 0.5, 0.42, 0.41, 0.4]], dtype=torch.float64).view(1, 1, 1, 5)
    y = torch.tensor([0])
    attack = PGD(norm=norm, eps=0.1, step_size=0.1, steps=1, random_start=False, loss="margin")
    assert margins(model, attack(model, x, y), y).item() == pytest.approx(0.1 - fall * 0.1)


@pytest.mark.parametrize("loss", ["ce", "margin"])
def test_classes_on_one_line_fall_by_their_distance_on_it(loss):
    """All differences of weights are parallel, so every step has one sign and is the best."""
    direction = made(2)[3][0]
    weight = torch.tensor([0.0, 1.0, 3.0]).double()[:, None] * direction
    model, x, y = linear(weight), made(2, low=0.4, high=0.6)[1], torch.zeros(5, dtype=torch.long)
    after = margins(model, FGSM(eps=0.1, loss=loss)(model, x, y), y)
    falls = [0.1 * s * direction.norm(p=1) for s in (1, 3)]
    others = [x.flatten(1) @ direction * -s - fall for s, fall in zip((1, 3), falls, strict=True)]
    assert torch.allclose(after, torch.minimum(*others)) or loss == "ce"
    assert (after >= torch.minimum(*others) - 1e-9).all()


# ---- an independent loop


def plain_pgd(model, x, y, eps, step_size, steps, norm, box, generator):
    """The formula of PROTOCOLS 1.4, spelt out on images instead of perturbations."""

    def inside(x_adv):
        delta = x_adv - x
        if norm == "linf":
            delta = delta.clamp(-eps, eps)
        else:
            length = delta.pow(2).sum((1, 2, 3), keepdim=True).sqrt()
            delta = torch.where(length > eps, delta / length * eps, delta)
        return (x + delta).clamp(0, 1) if box else x + delta

    x_adv = inside(x + norms.random_point(x, norm, eps, generator))
    for _ in range(steps):
        x_adv = x_adv.clone().requires_grad_()
        loss = nn.functional.cross_entropy(model(x_adv), y, reduction="sum")
        loss.backward()
        g = x_adv.grad
        g = g.sign() if norm == "linf" else g / g.pow(2).sum((1, 2, 3), keepdim=True).sqrt()
        x_adv = inside(x_adv.detach() + step_size * g)
    return x_adv


@pytest.mark.parametrize("box", [True, False])
@pytest.mark.parametrize("norm", norms.NORMS)
def test_the_last_iterate_is_that_of_a_plain_loop(norm, box):
    model = models.MLP(sizes=(16, 12, 4))(seed=0).double()
    _, x, y, _ = made(3, k=4)
    for steps in (1, 2, 7):
        kw = {"norm": norm, "eps": 0.3, "step_size": 0.1, "steps": steps, "box": box}
        ours = PGD(**kw, keep="last")(model, x, y, random(4))
        theirs = plain_pgd(model, x, y, generator=random(4), **kw)
        model.zero_grad()
        assert torch.allclose(ours, theirs, atol=1e-9)


def test_the_first_draw_of_the_start_is_uniform_in_the_ball():
    """With steps of length 0 the start itself comes back, cut at the box."""
    model, x, y, _ = made(5)
    attack = PGD(norm="linf", eps=0.2, step_size=0, steps=1, keep="last")
    start = x + (2 * torch.rand(x.shape, generator=random(6), dtype=x.dtype) - 1) * 0.2
    assert torch.allclose(attack(model, x, y, random(6)), start.clamp(0, 1))


# ---- invariants


@settings(deadline=None, max_examples=40)
@given(
    SEED,
    st.sampled_from(norms.NORMS),
    st.floats(0, 1),
    st.floats(0, 2),
    st.integers(1, 4),
    st.booleans(),
    st.sampled_from(["worst", "last"]),
    st.sampled_from([torch.float32, torch.float64]),
)
def test_attacked_images_stay_in_ball_and_box(
    seed, norm, eps, step_size, steps, random_start, keep, dtype
):
    _, x, y, _ = made(seed, k=3)
    x = x.to(dtype)
    model = models.MLP(sizes=(16, 8, 3))(seed=seed).to(dtype)
    attack = PGD(
        norm=norm, eps=eps, step_size=step_size, steps=steps, random_start=random_start, keep=keep
    )
    before = x.clone()
    x_adv = attack(model, x, y, random(seed))
    tiny = 1e-6 if dtype == torch.float32 else 1e-12
    assert (norms.size(x_adv - x, norm) <= eps + tiny).all()
    assert x_adv.min() >= 0
    assert x_adv.max() <= 1
    assert (x_adv.shape, x_adv.dtype, x_adv.requires_grad) == (x.shape, dtype, False)
    assert torch.equal(x, before)


@settings(deadline=None, max_examples=25)
@given(SEED, st.sampled_from(norms.NORMS), st.integers(1, 3))
def test_the_worst_kept_is_never_better_than_clean_nor_than_any_restart(seed, norm, restarts):
    _, x, y, _ = made(seed, k=3)
    model = models.MLP(sizes=(16, 8, 3))(seed=seed).double()
    kw = {"norm": norm, "eps": 0.2, "step_size": 0.1, "steps": 3}
    worst = margins(model, PGD(**kw, restarts=restarts)(model, x, y, random(seed)), y)
    # The same draws, one restart after the other, by hand.
    generator, runs = random(seed), [margins(model, x, y)]
    for _ in range(restarts):
        runs.append(margins(model, PGD(**kw, keep="last")(model, x, y, generator), y))
    assert torch.equal(worst, torch.stack(runs).amin(0))


def test_an_overshooting_attack_gives_the_clean_image_back():
    """One step far too long for a kinked model leaves the margin larger: the image itself is kept.

    The margin 1 - 10 |v - 0.5 - 0.001| + ... is built from ReLUs, with its minimum close by.
    """
    hidden = nn.Linear(1, 2)
    hidden.weight.data = torch.tensor([[1.0], [-1.0]])
    hidden.bias.data = torch.tensor([-0.5, 0.5])
    out = nn.Linear(2, 2)
    out.weight.data = torch.tensor([[10.0, 10.0], [0.0, 0.0]])
    out.bias.data = torch.zeros(2)
    model = nn.Sequential(nn.Flatten(), hidden, nn.ReLU(), out)  # margin of class 0: 10 |v - 0.5|
    x, y = torch.full((1, 1, 1, 1), 0.51), torch.tensor([0])
    attack = {"norm": "linf", "eps": 0.2, "step_size": 0.2, "steps": 1, "random_start": False}
    last = PGD(**attack, keep="last")(model, x, y)
    assert margins(model, last, y) > margins(model, x, y)
    assert torch.equal(PGD(**attack)(model, x, y), x)


@pytest.mark.parametrize("norm", norms.NORMS)
@pytest.mark.parametrize("keep", ["worst", "last"])
def test_without_a_random_start_no_image_depends_on_its_batch(norm, keep):
    model = models.MLP(sizes=(16, 12, 4))(seed=0).double()
    _, x, y, _ = made(8, n=7, k=4)
    attack = PGD(norm=norm, eps=0.3, step_size=0.1, steps=5, random_start=False, keep=keep)
    together = attack(model, x, y)
    alone = torch.cat([attack(model, x[i : i + 1], y[i : i + 1]) for i in range(len(x))])
    assert torch.allclose(together, alone, atol=1e-9)


@pytest.mark.parametrize("norm", norms.NORMS)
def test_a_radius_of_zero_returns_the_images(norm):
    model, x, y, _ = made(9)
    assert torch.equal(PGD(norm=norm, eps=0, step_size=0.1, steps=3)(model, x, y, random()), x)


def test_without_the_box_pixels_leave_it_as_far_as_the_ball_goes():
    model, x, y, weight = made(10)
    free = PGD(norm="linf", eps=0.3, step_size=0.3, steps=3, box=False)(model, x, y, random())
    assert free.min() < 0
    assert free.max() > 1
    fall = 0.3 * (weight[0] - weight[1]).norm(p=1)
    assert torch.allclose(margins(model, free, y), margins(model, x, y) - fall)


def test_where_the_loss_is_flat_the_image_stays():
    model, x, y, _ = made(11)
    model[1].weight.data.zero_()
    for norm in norms.NORMS:
        attack = PGD(norm=norm, eps=0.3, step_size=0.1, steps=3, random_start=False, keep="last")
        assert torch.equal(attack(model, x, y), x)


def test_the_generator_decides_the_attack_and_the_global_one_is_left_alone():
    model = models.MLP(sizes=(16, 12, 4))(seed=0)
    _, x, y, _ = made(12, k=4)
    x, attack = x.float(), PGD(norm="linf", eps=0.3, step_size=0.1, steps=2, keep="last")
    before = torch.get_rng_state()
    first, again, other = (attack(model, x, y, random(seed)) for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert torch.equal(torch.get_rng_state(), before)


def test_restarts_draw_new_starts():
    """Steps of length 0: two restarts, two starts; the worse one of each image is kept."""
    model, x, y, _ = made(13)
    attack = PGD(norm="linf", eps=0.2, step_size=0, steps=1, restarts=2)
    worst = attack(model, x, y, random(3))
    generator = random(3)
    one = PGD(norm="linf", eps=0.2, step_size=0, steps=1, keep="last")
    starts = [one(model, x, y, generator) for _ in range(2)]
    assert not torch.equal(*starts)
    assert torch.equal(worst, least_margin(model, [x, *starts], y))


@pytest.mark.parametrize("training_mode", [True, False])
def test_the_models_mode_and_gradients_are_left_alone(training_mode):
    model = models.CNN1(hidden=8)(seed=0).train(training_mode)
    for parameter in model.parameters():
        parameter.grad = torch.ones_like(parameter)
    x, y = torch.rand(3, 1, 28, 28, generator=random()), torch.tensor([0, 1, 2])
    with torch.random.fork_rng(devices=[]):
        PGD(norm="linf", eps=0.1, step_size=0.05, steps=2)(model, x, y, random())
    assert all(part.training == training_mode for part in model.modules())
    assert all((p.grad == 1).all() and p.requires_grad for p in model.parameters())


def test_a_model_with_dropout_is_attacked_as_it_predicts():
    """In evaluation mode two calls agree to the bit: no part of the model is switched on."""
    model = models.CNN1(hidden=8)(seed=0).eval()
    x, y = torch.rand(3, 1, 28, 28, generator=random()), torch.tensor([0, 1, 2])
    attack = FGSM(eps=0.1)
    assert torch.equal(attack(model, x, y), attack(model, x, y))


def test_an_attack_works_where_gradients_are_switched_off():
    model, x, y, _ = made(14)
    want = FGSM(eps=0.1)(model, x, y)
    with torch.no_grad():
        assert torch.equal(FGSM(eps=0.1)(model, x, y), want)
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    assert torch.equal(FGSM(eps=0.1)(model, x, y), want)


def test_no_images_are_no_trouble():
    model, x, y, _ = made(15)
    for norm in norms.NORMS:
        attack = PGD(norm=norm, eps=0.1, step_size=0.1, steps=1)
        assert attack(model, x[:0], y[:0], random()).shape == (0, 1, 4, 4)


def test_fgsm_is_pgd_with_one_full_step_and_takes_its_changes():
    fast = FGSM(norm="l2", eps=0.5, box=False, keep="last")
    assert fast == PGD(
        norm="l2", eps=0.5, step_size=0.5, steps=1, random_start=False, box=False, keep="last"
    )


def test_least_margin_picks_per_image():
    model = linear(torch.tensor([[1.0], [0.0]]))
    a, b = torch.tensor([[0.1], [0.9]]), torch.tensor([[0.2], [0.3]])
    y = torch.tensor([0, 0])
    got = least_margin(model, [a.view(2, 1, 1, 1), b.view(2, 1, 1, 1)], y)
    assert got.flatten().tolist() == pytest.approx([0.1, 0.3])


# ---- all iterates, and early finishing


def iterates(model, x, y, generator, **settings):
    """The image and every iterate of every restart, by attacks of growing length: (1 + ..., N)."""
    restarts, steps = settings.pop("restarts"), settings.pop("steps")
    found, start = [x], PGD(**settings | {"step_size": 0}, steps=1, keep="last")
    for _ in range(restarts):
        state = generator.get_state()
        found.append(start(model, x, y, generator))
        for length in range(1, steps + 1):
            generator.set_state(state)
            found.append(PGD(**settings, steps=length, keep="last")(model, x, y, generator))
    return torch.stack(found)


@settings(deadline=None, max_examples=20)
@given(SEED, st.sampled_from(norms.NORMS), st.sampled_from(["ce", "margin", "kl"]), st.booleans())
def test_best_is_the_least_margin_and_first_the_first_success_of_all_iterates(
    seed, norm, loss, box
):
    _, x, y, _ = made(seed, n=8, k=3)
    model = models.MLP(sizes=(16, 8, 3))(seed=seed).double()
    y = torch.where(torch.arange(8) < 6, model(x).argmax(1), y)  # most are right
    kw = {"norm": norm, "eps": 0.2, "step_size": 0.07, "steps": 3, "restarts": 2}
    kw |= {"loss": loss, "box": box}
    every = iterates(model, x, y, random(seed), **kw)
    of_every = torch.stack([margins(model, images, y) for images in every])
    broken = torch.stack([fooled(model, images, y) for images in every])
    best = PGD(**kw, keep="best")(model, x, y, random(seed))
    first = PGD(**kw, keep="first")(model, x, y, random(seed))
    assert torch.allclose(margins(model, best, y), of_every.amin(0), atol=1e-9)
    lap = torch.where(broken.any(0), broken.int().argmax(0), of_every.argmin(0))
    assert torch.allclose(first, every[lap, torch.arange(8)], atol=1e-9)
    assert torch.equal(fooled(model, first, y), fooled(model, best, y))


def test_broken_images_are_not_asked_about_again():
    model, x, y, _ = made(2, n=12, k=3)
    asked = []

    def counted(images):
        asked.append(len(images))
        return model(images)

    attack = PGD(norm="linf", eps=0.3, step_size=0.02, steps=10, random_start=False, keep="first")
    x_adv = attack(counted, x, y)
    right = (model(x).argmax(1) == y).sum().item()
    assert asked[:2] == [12, right]
    assert asked == sorted(asked, reverse=True)
    assert asked[-1] < right
    # Alone or together: who has left does not matter to who stays.
    alone = torch.cat([attack(model, x[i : i + 1], y[i : i + 1]) for i in range(len(x))])
    assert torch.allclose(x_adv, alone, atol=1e-12)


def test_a_start_does_not_depend_on_when_other_images_finish():
    """The last image is attacked alike whether the others are broken at once or never."""
    model, x, y, _ = made(5, n=6, k=3)
    x[-1] = 0.5
    y = model(x).argmax(1)
    attack = PGD(norm="linf", eps=0.02, step_size=0.01, steps=2, restarts=3, keep="first")
    never, at_once = y.clone(), (y + 1) % 3
    at_once[-1] = y[-1]
    got = [attack(model, x, labels, random(1))[-1] for labels in (never, at_once)]
    assert torch.equal(*got)


@pytest.mark.parametrize("keep", ["best", "first"])
def test_misclassified_images_and_none_at_all_are_no_trouble(keep):
    model, x, y, _ = made(3)
    wrong = 1 - model(x).argmax(1)
    attack = PGD(norm="linf", eps=0.1, step_size=0.05, steps=2, keep=keep)
    if keep == "first":
        assert torch.equal(attack(model, x, wrong, random()), x)
    assert attack(model, x[:0], y[:0], random()).shape == (0, 1, 4, 4)


def test_success_is_asked_of_the_images_and_a_tie_goes_to_the_first_class():
    model = linear(torch.tensor([[1.0], [0.0]]))
    x = torch.tensor([0.5, 0.0, 0.5]).view(3, 1, 1, 1)
    assert fooled(model, x, torch.tensor([0, 1, 1])).tolist() == [False, True, True]


# ---- along one line


@settings(deadline=None, max_examples=20)
@given(SEED)
def test_both_searches_find_where_two_linear_classes_meet(seed):
    model, x, y, weight = made(seed, low=0.4, high=0.6)
    y = model(x).argmax(1)
    slope = (weight[0] - weight[1]).norm(p=1)
    want = margins(model, x, y) / slope
    want = torch.where(want < 0.4, want, torch.inf)  # else the box is in the way
    for attack, within in ((LineSearchFGSM(grid=200), 1 / 200), (BisectionFGSM(), 1 / 1000)):
        x_adv, e = attack.search(model, x, y)
        near = want.isfinite()
        assert (e[near] >= want[near] - 1e-9).all()
        assert (e[near] <= want[near] + within).all()
        assert torch.equal(e.isfinite(), fooled(model, x_adv, y))
        assert torch.allclose(norms.size(x_adv - x, "linf")[near], e[near])


def test_a_misclassified_image_needs_no_step():
    model, x, _, _ = made(4)
    wrong = 1 - model(x).argmax(1)
    for attack in (LineSearchFGSM(grid=10), BisectionFGSM()):
        x_adv, e = attack.search(model, x, wrong)
        assert torch.equal(x_adv, x)
        assert e.tolist() == [0] * 5


def test_bisection_asks_seventeen_times_where_the_line_search_asks_a_thousand():
    model, x, y, _ = made(6)
    asked = []

    def counted(images):
        asked.append(len(images))
        return model(images)

    BisectionFGSM()(counted, x, y)
    assert len(asked) <= 1 + 9 + 8


# ---- another library


@pytest.fixture(scope="module")
def digits():
    """A network that knows the digits fairly well, and 300 of them."""
    train, test = data.load("digits", limit=700), data.load("digits", "test", limit=300)
    model = models.MLP(sizes=(784, 32, 10))(seed=0)
    recipe = training.Recipe(lr=3e-3, epochs=5, batch_size=50)
    training.train(model, train.x, train.y, objectives.Natural(), recipe, seed=0)
    return model, test.x, test.y


@pytest.fixture(scope="module")
def foolbox():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip("foolbox")


def theirs(foolbox, attack, model, x, y, eps):
    wrapped = foolbox.PyTorchModel(model, bounds=(0, 1), device="cpu")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return attack(wrapped, x, y, epsilons=eps)[1].detach()


@pytest.mark.parametrize(("norm", "eps"), [("linf", 0.1), ("l2", 1.0)])
def test_foolbox_makes_the_same_fast_images(foolbox, digits, norm, eps):
    model, x, y = digits
    name = {"linf": "LinfFastGradientAttack", "l2": "L2FastGradientAttack"}[norm]
    other = theirs(foolbox, getattr(foolbox.attacks, name)(), model, x, y, eps)
    ours = FGSM(norm=norm, eps=eps, keep="last")(model, x, y)
    assert torch.allclose(ours, other, atol=1e-6)


@pytest.mark.parametrize(("norm", "eps", "name"), [("linf", 0.1, "LinfPGD"), ("l2", 1.2, "L2PGD")])
def test_foolbox_measures_the_same_robust_accuracy(foolbox, digits, norm, eps, name):
    model, x, y = digits
    step_size, steps = eps / 6, 12
    attack = getattr(foolbox.attacks, name)(abs_stepsize=step_size, steps=steps)
    other = (model(theirs(foolbox, attack, model, x, y, eps)).argmax(1) == y).float().mean().item()
    ours = PGD(norm=norm, eps=eps, step_size=step_size, steps=steps, keep="last")
    right = (model(ours(model, x, y, random())).argmax(1) == y).detach()
    measured = intervals.proportion(right)
    assert 0.1 < measured["value"] < 0.9  # else agreement would mean little
    assert measured["low"] <= other <= measured["high"]


# ---- refusals


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"eps": 8}, r"eps is in pixel units, \[0, 1\]; got 8. For 8-bit levels write 8 / 255"),
        ({"eps": -0.1}, "eps is in pixel units"),
        ({"eps": math.nan}, "eps is in pixel units"),
        ({"norm": "l1"}, "norm is one of linf, l2; got 'l1'"),
        ({"step_size": -1}, "step_size is not negative"),
        ({"step_size": math.nan}, "step_size is not negative"),
        ({"steps": 0}, "steps and restarts are at least 1; got 0.1, 0, 1"),
        ({"restarts": 0}, "steps and restarts are at least 1; got 0.1, 3, 0"),
        ({"restarts": 2, "random_start": False}, "2 restarts from one fixed start"),
        ({"loss": "cw"}, 'loss is "ce", "margin" or "kl"; got \'cw\''),
        ({"keep": "all"}, 'keep is "worst", "last", "best" or "first"; got \'all\''),
    ],
)
def test_settings_that_make_no_sense_are_refused(change, words):
    with pytest.raises(ValueError, match=words):
        PGD(**{"norm": "linf", "eps": 0.1, "step_size": 0.1, "steps": 3} | change)


@pytest.mark.parametrize("keep", ["worst", "last"])
@pytest.mark.parametrize(
    ("x", "y", "words"),
    [
        (255.0, [0, 1], r"images lie in \[0, 1\]; got 255..255. Divide 8-bit levels by 255"),
        (-0.1, [0, 1], r"images lie in \[0, 1\]; got -0.1..-0.1"),
        (math.nan, [0, 1], r"images lie in \[0, 1\]; got nan"),
        (0.5, [0, 2], "labels lie in 0..1, as the model has 2 outputs; got 0..2"),
        (0.5, [-1, 0], "labels lie in 0..1"),
        (0.5, [0], "labels are 2 integers, one an image"),
        (0.5, [0.0, 1.0], "labels are 2 integers, one an image; got torch.float32"),
    ],
)
def test_images_and_labels_that_make_no_sense_are_refused(x, y, words, keep):
    model = made(0)[0]
    images = torch.full((2, 1, 4, 4), x, dtype=torch.float64)
    with pytest.raises(ValueError, match=words):
        PGD(norm="linf", eps=0.1, step_size=0.1, steps=1, keep=keep)(
            model, images, torch.tensor(y), random()
        )


def test_8_bit_integers_are_refused():
    with pytest.raises(ValueError, match=r"images are floats .*; got torch\.uint8"):
        check_images(torch.zeros(1, 1, 4, 4, dtype=torch.uint8))


@pytest.mark.parametrize("keep", ["worst", "last", "best", "first"])
def test_probabilities_are_refused_where_logits_are_needed(keep):
    model, x, y, _ = made(0)
    attack = PGD(norm="linf", eps=0.1, step_size=0.1, steps=1, keep=keep)
    with pytest.raises(ValueError, match=r"sums to 1: probabilities, .* Remove the softmax"):
        attack(nn.Sequential(*model, nn.Softmax(1)), x, y, random())


@pytest.mark.parametrize("change", [{"reach": 8}, {"octaves": -1}, {"halvings": -1}])
def test_a_bisection_that_makes_no_sense_is_refused(change):
    with pytest.raises(ValueError, match=r"pixel units|not negative; got"):
        BisectionFGSM(**change)


def test_a_model_that_returns_nan_is_refused():
    model, x, y, _ = made(0)
    model[1].weight.data.fill_(math.nan)
    with pytest.raises(ValueError, match="the model returned NaN logits"):
        FGSM(eps=0.1)(model, x, y)
