"""What training minimises, against the loss by hand."""

import gc
import re
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch.utils._python_dispatch import TorchDispatchMode

from astute import attacks, certified, data, losses, models, objectives, training, values
from astute.objectives import (
    GR,
    LLR,
    RST,
    TRADES,
    Adversarial,
    Dual,
    Intervals,
    Natural,
    ranges,
)

ATTACK = attacks.PGD(norm="linf", eps=0.2, step_size=0.1, steps=2, keep="last")


@pytest.fixture
def batch(generator):
    x = torch.rand(6, 1, 28, 28, generator=generator)
    return x, torch.randint(10, (6,), generator=generator)


def random(seed=0):
    return torch.Generator().manual_seed(seed)


def test_natural_is_the_mean_cross_entropy(batch):
    x, y = batch
    model = models.MLP(sizes=(784, 8, 10))(seed=0)
    loss, logits = Natural()(model, x, y)
    assert torch.equal(logits, model(x))
    assert torch.allclose(loss, F.cross_entropy(model(x), y))
    assert loss.requires_grad


def test_adversarial_is_the_mean_cross_entropy_of_attacked_images_alone(batch):
    x, y = batch
    model = models.MLP(sizes=(784, 8, 10))(seed=0)
    loss, logits = Adversarial(attack=ATTACK)(model, x, y, random())
    x_adv = ATTACK(model, x, y, random())
    assert torch.equal(logits, model(x_adv))
    assert torch.allclose(loss, F.cross_entropy(model(x_adv), y))
    assert loss > Natural()(model, x, y)[0]


def test_the_gradient_does_not_flow_through_the_attack(batch):
    x, y = batch
    model = models.MLP(sizes=(784, 8, 10))(seed=0)
    Adversarial(attack=ATTACK)(model, x, y, random())[0].backward()
    got = [p.grad.clone() for p in model.parameters()]
    model.zero_grad()
    F.cross_entropy(model(ATTACK(model, x, y, random())), y).backward()
    for ours, plain in zip(got, model.parameters(), strict=True):
        assert torch.allclose(ours, plain.grad, atol=1e-7)


def test_dropout_is_off_in_the_attack_and_on_in_the_loss(batch):
    x, y = batch
    model = models.CNN1(hidden=8)(seed=0).train()
    seen = []
    model.dropout2.register_forward_hook(lambda module, *_: seen.append(module.training))
    with torch.random.fork_rng(devices=[]):
        Adversarial(attack=ATTACK)(model, x, y, random())
    assert seen == [False, False, True]
    assert all(part.training for part in model.modules())


def test_a_ramp_shrinks_radius_and_step_and_nothing_else():
    half = Adversarial(attack=ATTACK).ramped(0.5)
    assert half == Adversarial(
        attack=attacks.PGD(norm="linf", eps=0.1, step_size=0.05, steps=2, keep="last")
    )
    assert Adversarial(attack=ATTACK).ramped(1) == Adversarial(attack=ATTACK)
    assert Natural().ramped(0.5) == Natural()


# ---- closed forms: a linear model of two classes


FREE = attacks.PGD(
    norm="linf", eps=0.2, step_size=0.2, steps=1, random_start=False, box=False, keep="last"
)


@pytest.fixture
def linear(generator):
    """A linear model of two classes, images and labels, in double precision."""
    model = models.MLP(sizes=(6, 2), bias=False)(seed=0).double()
    with torch.no_grad():
        model.fc1.weight.copy_(torch.randn(2, 6, generator=generator, dtype=torch.float64))
    x = 0.3 + 0.4 * torch.rand(5, 1, 2, 3, generator=generator, dtype=torch.float64)
    return model, x, torch.tensor([0, 1, 1, 0, 1])


def direction(model, y):
    """How the margin grows with the image: (N, D); the margin itself is its product with x."""
    w = model.fc1.weight
    return w[y] - w[1 - y]


def margin(model, x, y):
    return (direction(model, y) * x.flatten(1)).sum(1)


def logistic(margin):
    return F.softplus(-margin)


def check(objective, data, expected, generator=None):
    """The loss and its gradient by the weights against a formula of the weights."""
    model, x, y = data
    loss, logits = objective(model, x, y, generator)
    assert all(p.grad is None for p in model.parameters())
    assert logits.shape == (5, 2)
    found, wanted = (
        torch.autograd.grad(value, model.fc1.weight, retain_graph=True)[0]
        for value in (loss, expected)
    )
    assert torch.allclose(loss, expected, atol=1e-12)
    assert torch.allclose(found, wanted, atol=1e-10)


def test_the_loss_of_attacked_images_is_that_of_a_margin_smaller_by_eps_times_the_l1_norm(linear):
    model, x, y = linear
    lost = 0.2 * direction(model, y).abs().sum(1)
    check(Adversarial(attack=FREE), linear, logistic(margin(model, x, y) - lost).mean())


def test_fgsm_from_a_random_start_is_one_long_step_back_into_the_ball(linear):
    model, x, y = linear
    attack = replace(FREE, random_start=True, step_size=0.5)  # from anywhere to the edge
    lost = 0.2 * direction(model, y).abs().sum(1)
    expected = logistic(margin(model, x, y) - lost).mean()
    check(Adversarial(attack=attack), linear, expected, random())


def test_plain_fgsm_is_a_value_of_the_same_class():
    fgsm = attacks.FGSM(eps=0.2, keep="last")
    assert fgsm == replace(FREE, box=True)
    assert Adversarial(attack=fgsm).ramped(0.5).attack == attacks.FGSM(eps=0.1, keep="last")


@pytest.mark.parametrize("weight", [0.5, 2.0])
def test_rst_adds_the_weighted_loss_of_attacked_images(linear, weight):
    model, x, y = linear
    m, lost = margin(model, x, y), 0.2 * direction(model, y).abs().sum(1)
    expected = (logistic(m) + weight * logistic(m - lost)).mean()
    check(RST(attack=FREE, weight=weight), linear, expected)


KL = replace(ATTACK, loss="kl", random_start="gaussian", box=False)


def trades_as_in_the_authors_code(model, x, y, x_adv, beta):
    """https://github.com/yaodongyu/TRADES: the loss after the attack."""
    criterion = torch.nn.KLDivLoss(reduction="sum")
    natural = F.cross_entropy(model(x), y)
    return natural + beta / len(x) * criterion(
        F.log_softmax(model(x_adv), dim=1), F.softmax(model(x), dim=1)
    )


def test_trades_is_the_authors_loss_and_both_sides_are_differentiated(linear):
    model, x, y = linear
    x_adv = KL(model, x, y, random())
    expected = trades_as_in_the_authors_code(model, x, y, x_adv, 3.0)
    check(TRADES(attack=KL, weight=3.0), linear, expected, random())
    logits, detached = model(x_adv), model(x).detach()
    one_sided = F.cross_entropy(model(x), y) + 3 * losses.kl(detached, logits).mean()
    gradients = (torch.autograd.grad(v, model.fc1.weight)[0] for v in (expected, one_sided))
    assert not torch.allclose(*gradients, atol=1e-3)


def test_trades_attacks_the_divergence_to_one_of_its_two_greatest_values(linear):
    """On a linear model these lie where the margin changes by eps times its l1 norm."""
    model, x, y = linear
    m, most = margin(model, x, y), 0.2 * direction(model, y).abs().sum(1)
    p, ends = m.sigmoid(), [(m + sign * most).sigmoid() for sign in (1, -1)]
    values = [p * (p / q).log() + (1 - p) * ((1 - p) / (1 - q)).log() for q in ends]
    attack = replace(KL, steps=3)  # one more, since the start may be on the far side
    loss, _ = TRADES(attack=attack, weight=1.0)(model, x, y, random())
    each = losses.kl(model(x), model(attack(model, x, y, random())))
    assert all(min(abs(k - a), abs(k - b)) < 1e-9 for k, a, b in zip(each, *values, strict=True))
    assert loss.item() == pytest.approx((logistic(m) + each).mean().item())


@pytest.mark.parametrize("h", [1.0, 0.01])
@pytest.mark.parametrize(("variant", "counted"), [("published", 1), ("official", 2)])
def test_gr_is_the_squared_slope_along_the_gradient(linear, h, variant, counted):
    model, x, y = linear
    # The direction is held fixed: only the loss at its end is differentiated.
    unit = F.normalize(-direction(model, y).detach(), dim=1)
    ahead = logistic((direction(model, y) * (x.flatten(1) + h * unit)).sum(1))
    loss = logistic(margin(model, x, y))
    expected = (counted * loss + 0.7 / 2 * ((ahead - loss) / h) ** 2).mean()
    check(GR(weight=0.7, h=h, variant=variant), linear, expected)


def test_gr_with_a_short_step_is_half_the_squared_norm_of_the_gradient(linear):
    model, x, y = linear
    slope = margin(model, x, y).neg().sigmoid() * direction(model, y).norm(dim=1)
    penalty = GR(weight=1.0, h=1e-5)(*linear)[0] - Natural()(*linear)[0]
    assert penalty.item() == pytest.approx((slope**2 / 2).mean().item(), rel=1e-4)


def test_llr_is_the_published_loss_and_the_gradient_in_it_is_differentiated(linear):
    model, x, y = linear
    # From the image itself the violation is flat; a step to one side is its greatest there.
    attack = replace(FREE, random_start="gaussian", eps=0.2, step_size=0.1, steps=2)
    objective = LLR(attack=attack, weight=4.0, slope=3.0)
    d, m = direction(model, y), margin(model, x, y)
    gradient = -m.neg().sigmoid()[:, None] * d  # of the loss by the image

    def bent(delta):
        moved = (d.detach() * delta.flatten(1)).sum(1)
        linear = (gradient.detach() * delta.flatten(1)).sum(1)
        return (logistic(m.detach() + moved) - logistic(m.detach()) - linear).abs()

    x_adv = attack.ascend(lambda images: bent(images - x), x, random())
    delta = (x_adv - x).flatten(1)
    change = (gradient * delta).sum(1)
    ahead = logistic(m + (d * delta).sum(1))
    expected = (logistic(m) + 4 * (ahead - logistic(m) - change).abs() + 3 * change.abs()).mean()
    check(objective, linear, expected, random())


def test_the_official_llr_is_a_weak_rst(linear):
    """Zeroed gradient, no -L(x): the loss of a two-step attack, and no penalty on the slope."""
    model, x, y = linear
    attack = replace(FREE, eps=0.2, step_size=0.1, steps=2)
    uphill = -direction(model, y).detach()
    uphill = uphill / uphill.abs().amax(1, keepdim=True)
    delta = torch.empty_like(x).normal_(0, 0.001, generator=random()).flatten(1)
    for _ in range(2):
        delta = delta + 0.1 * uphill
        delta = delta * (0.2 / delta.abs().amax(1, keepdim=True)).clamp(max=1)
    ahead = logistic((direction(model, y) * (x.flatten(1) + delta)).sum(1))
    expected = (logistic(margin(model, x, y)) + 4 * ahead).mean()
    for slope in (0.0, 3.0):
        objective = LLR(attack=attack, weight=4.0, slope=slope, variant="official")
        check(objective, linear, expected, random())


def test_where_the_loss_is_flat_nothing_is_divided_by_zero(linear):
    model, x, y = linear
    torch.nn.init.zeros_(model.fc1.weight)
    for objective in (GR(), LLR(attack=ATTACK), LLR(attack=ATTACK, variant="official")):
        loss, _ = objective(model, x, y, random())
        assert torch.autograd.grad(loss, model.fc1.weight)[0].isfinite().all()


def test_on_a_linear_model_the_certified_loss_is_the_adversarial_one(linear):
    """There intervals are exact; the label's logit and the other's move independently, though."""
    model, x, y = linear
    apart = 0.2 * (model.fc1.weight[y].abs() + model.fc1.weight[1 - y].abs()).sum(1)
    m = margin(model, x, y)
    for natural in (0.0, 0.25):
        expected = (natural * logistic(m) + (1 - natural) * logistic(m - apart)).mean()
        check(Intervals(eps=0.2, natural=natural), linear, expected)


@pytest.mark.parametrize("box", [False, True])
@pytest.mark.parametrize(
    "setting", [models.LeNet(width=0.125), models.CNN1(hidden=8), models.ConvNet()], ids=str
)
def test_ranges_are_the_certificates_and_hold_what_lies_in_the_ball(setting, box, generator):
    model = setting(seed=0).eval().double()
    x = torch.rand(3, 1, 28, 28, generator=generator, dtype=torch.float64)
    low, high = ranges(model, x, 0.05, box)
    for ours, theirs in zip(
        (low, high), certified.interval_bounds(model, x, 0.05, box), strict=True
    ):
        assert torch.allclose(ours, theirs)
    for _ in range(20):
        noise = 0.1 * torch.rand(x.shape, generator=generator, dtype=x.dtype) - 0.05
        logits = model((x + noise).clamp(0, 1) if box else x + noise)
        assert (low <= logits).all()
        assert (logits <= high).all()


def test_training_with_intervals_lowers_the_certified_error(generator):
    """What it is for, in the small: two kinds of images that a tenth can't confuse."""
    y = torch.arange(40) % 2
    x = torch.rand(40, 1, 4, 4, generator=generator) * 0.3 + 0.7 * y.view(-1, 1, 1, 1)
    recipe = training.Recipe(lr=0.02, epochs=15, batch_size=10, ramp_epochs=5)
    model = models.MLP(sizes=(16, 30, 2))(seed=0)
    training.train(model, x, y, Intervals(eps=0.1), recipe, seed=0)
    bounds = certified.interval_bounds(model, x, 0.1)
    own, other = bounds.low.gather(1, y[:, None]), bounds.high.gather(1, 1 - y[:, None])
    assert (own > other).all()
    assert (model(x).argmax(1) == y).all()


# ---- precision


@pytest.mark.parametrize(
    "make",
    [
        lambda **o: Adversarial(attack=ATTACK, **o),
        lambda **o: RST(attack=ATTACK, weight=1.0, mode="eval", **o),
        lambda **o: TRADES(attack=replace(ATTACK, loss="kl"), weight=1.0, **o),
    ],
)
def test_only_products_inside_the_attack_are_rounded(batch, make):
    x, y = batch
    model = models.LeNet(width=0.125)(seed=0).train()
    seen = []
    model.conv2.register_forward_hook(lambda layer, _, out: seen.append(out.dtype))
    loss, logits = make(precision="bfloat16")(model, x, y, random())
    single = len(seen) - ATTACK.steps - ("TRADES" in f"{make(precision='bfloat16')}")
    assert seen == [torch.bfloat16] * (len(seen) - single) + [torch.float32] * single
    assert loss.dtype == logits.dtype == torch.float32
    exact, _ = make()(model, x, y, random())
    assert loss.item() == pytest.approx(exact.item(), rel=0.02)
    loss.backward()
    assert all(p.grad.dtype == torch.float32 for p in model.parameters())


def test_the_precision_is_part_of_the_configuration_only_if_it_was_chosen():
    assert "precision" not in values.config(Adversarial(attack=ATTACK))
    assert (
        values.config(Adversarial(attack=ATTACK, precision="bfloat16"))["precision"] == "bfloat16"
    )
    with pytest.raises(ValueError, match='precision is "float32" or "bfloat16"; got \'half\''):
        Adversarial(attack=ATTACK, precision="half")


# ---- graphs of a GPU, as far as a CPU can tell


def test_a_model_is_captured_once_for_every_shape_and_follows_its_weights(batch, monkeypatch):
    x, y = batch
    captured = []

    def capture(function, samples):
        captured.append(tuple(samples[0].shape))
        assert samples[0].requires_grad
        return function

    monkeypatch.setattr(torch.cuda, "make_graphed_callables", capture)
    model = models.MLP(sizes=(784, 8, 10))(seed=0)
    for part in (x, x[:2], x):
        graph = objectives.inner._graph(model, part, ("eval", "float32"))
        assert torch.equal(graph(part), model(part))
    assert captured == [(6, 1, 28, 28), (2, 1, 28, 28)]
    torch.nn.init.zeros_(model.fc2.weight)
    assert torch.equal(graph(x), model(x))
    x_adv = ATTACK(graph, x, y, random())
    assert torch.equal(x_adv, ATTACK(model, x, y, random()))
    del model
    gc.collect()
    assert not objectives.inner._GRAPHS  # a graph keeps no network alive


def test_without_a_gpu_nothing_is_captured(batch, monkeypatch):
    monkeypatch.setenv("ASTUTE_CAPTURE", "1")
    monkeypatch.setattr(torch.cuda, "make_graphed_callables", None)
    model = models.MLP(sizes=(784, 8, 10))(seed=0)
    assert Adversarial(attack=ATTACK)(model, *batch, random())[0] > 0


# ---- all of them


OBJECTIVES = [
    Natural(),
    Adversarial(attack=ATTACK),
    RST(attack=ATTACK, weight=1.0),
    TRADES(attack=KL, weight=3.0),
    Intervals(eps=0.1),
    GR(),
    GR(variant="official"),
    LLR(attack=ATTACK),
    LLR(attack=ATTACK, variant="official"),
]


@pytest.mark.parametrize("kind", ["natural", "adversarial", "rst", "gr", "llr"])
def test_the_batch_is_averaged(batch, kind):
    """Twice the same images, the same loss: no learning rate depends on the size of a batch."""
    x, y = batch
    still = replace(ATTACK, random_start=False)
    objective = {
        "natural": Natural(),
        "adversarial": Adversarial(attack=still),
        "rst": RST(attack=still, weight=1.0),
        "gr": GR(),
        "llr": LLR(attack=still),
    }[kind]
    model = models.MLP(sizes=(784, 8, 10))(seed=0)
    once, twice = (objective(model, torch.cat([x] * n), torch.cat([y] * n))[0] for n in (1, 2))
    assert once.item() == pytest.approx(twice.item(), rel=1e-5)


@pytest.mark.parametrize(
    ("objective", "expected"),
    [
        (Adversarial(attack=ATTACK), [False, False, True]),
        (Adversarial(attack=ATTACK, mode="train"), [True, True, True]),
        (RST(attack=ATTACK, weight=1.0), [True, True, True, True]),
        (RST(attack=ATTACK, weight=1.0, mode="eval"), [False, False, True, True]),
        (TRADES(attack=KL, weight=1.0), [False, False, False, True, True]),
        (GR(), [True, True]),
        (LLR(attack=ATTACK), [False] * 4 + [True] * 2),
        (LLR(attack=ATTACK, variant="official"), [False, False, True, True]),
    ],
    ids=lambda o: f"{o}"[:40],
)
def test_the_model_is_attacked_in_the_mode_that_was_asked_for(batch, objective, expected):
    x, y = batch
    model = models.CNN1(hidden=8)(seed=0).train()
    seen = []
    model.dropout2.register_forward_hook(lambda module, *_: seen.append(module.training))
    with torch.random.fork_rng(devices=[]):
        objective(model, x, y, random())
    assert seen == expected
    assert all(part.training for part in model.modules())


@pytest.mark.parametrize("objective", OBJECTIVES, ids=lambda o: f"{o}"[:40])
def test_a_ramp_shrinks_the_attack_of_whatever_has_one(objective):
    half = objective.ramped(0.5)
    if isinstance(objective, Natural | GR):
        assert half == objective
    elif isinstance(objective, Intervals):
        assert half == Intervals(eps=0.05)
    else:
        attack = objective.attack
        smaller = replace(attack, eps=attack.eps / 2, step_size=attack.step_size / 2)
        assert half == replace(objective, attack=smaller)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (
            lambda: Adversarial(attack=ATTACK, mode="test"),
            'mode is "eval" or "train"; got \'test\'',
        ),
        (lambda: RST(attack=ATTACK, weight=1, mode=""), 'mode is "eval" or "train"; got \'\''),
        (lambda: TRADES(attack=ATTACK, weight=1), "TRADES attacks the loss \"kl\"; got 'ce'"),
        (lambda: GR(variant="quirky"), 'variant is "published" or "official"; got \'quirky\''),
        (lambda: LLR(attack=ATTACK, variant=""), 'variant is "published" or "official"; got \'\''),
        (lambda: Intervals(eps=8), "eps is in pixel units, [0, 1]; got 8. For 8-bit levels write"),
        (lambda: Intervals(eps=0.1, natural=2), "natural is a weight in [0, 1]; got 2"),
        (
            lambda: ranges(
                models.WideResNet(depth=10, width=1)(seed=0), torch.zeros(1, 3, 8, 8), 0
            ),
            "intervals do not cover PreactivationBlock",
        ),
        (lambda: GR(h=0), "h is a step, pixel units, more than 0; got 0"),
    ],
)
def test_what_is_no_choice_is_refused(make, words):
    with pytest.raises(ValueError, match=re.escape(words)):
        make()


class Products(TorchDispatchMode):
    """Notes the shape of every product, and what is asked of a convolution's backward pass."""

    def __init__(self):
        super().__init__()
        self.shapes, self.masks = [], []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        found = function(*args, **kwargs or {})
        if function is torch.ops.aten.convolution_backward.default:
            self.masks.append(args[-1])
        elif function is torch.ops.aten.mm.default:
            self.shapes.append(tuple(found.shape))
        return found


def test_an_attack_computes_no_gradient_of_a_weight(batch):
    x, y = batch
    model = models.LeNet(width=0.125)(seed=0)
    with Products() as seen:
        ATTACK(model, x, y, random())
    # the second convolution's, by its input alone; the first one's is a product of ours
    assert seen.masks == [[True, False, False]] * ATTACK.steps
    assert seen.shapes == [(6, 128), (6, 392), (25, 6 * 28 * 28)] * ATTACK.steps
    with Products() as seen:
        F.cross_entropy(model(x), y).backward()
    assert [True, True, True] in seen.masks  # so would they look
    assert (128, 392) in seen.shapes


@pytest.mark.parametrize("objective", OBJECTIVES, ids=lambda o: f"{o}"[:40])
def test_the_images_are_not_changed(batch, objective):
    x, y = batch
    before = x.clone()
    objective(models.MLP(sizes=(784, 8, 10))(seed=0), x, y, random())
    assert torch.equal(x, before)


def test_the_dual_objective_is_exact_for_a_linear_model(generator):
    model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(9, 3)).double()
    x = torch.rand(5, 1, 3, 3, generator=generator).double()
    y = torch.tensor([0, 1, 2, 0, 1])
    loss, logits = Dual(eps=0.1)(model, x, y)
    loss.backward()
    got = [p.grad.clone() for p in model.parameters()]
    model.zero_grad()
    weight = model[1].weight
    apart = (weight[y][:, None] - weight).abs().sum(2)  # ||w_y - w_k||_1
    scores = model(x)
    worst = scores - scores.gather(1, y[:, None]) + 0.1 * apart
    expected = F.cross_entropy(worst, y)
    expected.backward()
    assert torch.allclose(loss, expected)
    assert torch.equal(logits, scores)
    for ours, plain in zip(got, model.parameters(), strict=True):
        assert torch.allclose(ours, plain.grad)


def test_training_by_the_dual_certifies_what_natural_training_does_not():
    digits = data.load("digits", limit=300)
    x, y = digits.x[:, :, ::4, ::4], digits.y
    recipe = training.Recipe(lr=1e-2, epochs=40, batch_size=50, ramp_epochs=20)
    errors = {}
    for objective in (Natural(), Dual(eps=0.05)):
        model = models.MLP(sizes=(49, 12, 10))(seed=0)
        training.train(model, x, y, objective, recipe, seed=0)
        found = certified.certified_error(model, x, y, eps=0.05)
        errors[type(objective).__name__] = found["value"]
        survives = attacks.PGD(norm="linf", eps=0.05, step_size=0.01, steps=20)(model, x, y)
        wrong = (model(survives).argmax(1) != y).float().mean().item()
        assert wrong <= found["value"]
    assert errors["Dual"] < errors["Natural"] - 0.2
