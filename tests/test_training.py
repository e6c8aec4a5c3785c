"""Training: the same arguments give the same weights, however often it was interrupted."""

import math
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from astute import ROOT, attacks, models, training, values
from astute.objectives import GR, TRADES, Adversarial, Natural
from astute.training import ClipNorms, CropFlip, OutOfTime, Recipe, ResizedCrop, TrainingFailed

PGD = attacks.PGD(norm="linf", eps=0.2, step_size=0.1, steps=2, keep="last")
RECIPE = Recipe(lr=0.02, epochs=3, batch_size=8)
SMALL = models.MLP(sizes=(16, 8, 3))


def made(n=20, shape=(1, 4, 4), seed=0):
    """Dark and bright images, labels 0 and 1: learnt at once, else the loop would complain."""
    generator = torch.Generator().manual_seed(seed)
    y = torch.arange(n) % 2
    return torch.rand(n, *shape, generator=generator) * 0.5 + 0.5 * y.view(-1, 1, 1, 1), y


def trained(setting=SMALL, objective=None, recipe=RECIPE, *, seed=0, data=None, **options):
    model = setting(seed=seed)
    history = training.train(
        model, *(data or made()), objective or Natural(), recipe, seed=seed, **options
    )
    return model, history


def same(a, b):
    return all(map(torch.equal, a.state_dict().values(), b.state_dict().values()))


# ---- the loop itself


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
@pytest.mark.parametrize("schedule", ["one-cycle", "constant"])
def test_training_a_linear_model_is_a_plain_loop(optimizer, schedule):
    x, y = made()
    recipe = Recipe(
        lr=0.05,
        epochs=2,
        batch_size=8,
        optimizer=optimizer,
        schedule=schedule,
        weight_decay=0.01,
    )
    linear = models.MLP(sizes=(16, 3))
    ours, history = trained(linear, recipe=recipe, seed=5)
    plain, generator = linear(seed=5), torch.Generator().manual_seed(5)
    parameters = list(plain.parameters())
    moments = [[torch.zeros_like(p) for p in parameters] for _ in range(2)]
    step, means = 0, []
    for _ in range(2):
        total, right = 0.0, 0
        for index in torch.randperm(20, generator=generator).split(8):  # 8, 8 and 4 images
            plain.zero_grad()
            logits = plain(x[index])
            loss = F.cross_entropy(logits, y[index])
            loss.backward()
            total, right = (
                total + loss.item() * len(index),
                right + (logits.argmax(1) == y[index]).sum(),
            )
            lr = recipe.lr_at(step, 6)
            step += 1
            with torch.no_grad():
                for p, m, v in zip(parameters, *moments, strict=True):
                    g = p.grad + 0.01 * p
                    if optimizer == "sgd":
                        m.copy_(g if step == 1 else 0.9 * m + g)
                        p -= lr * m
                    else:
                        m.copy_(0.9 * m + 0.1 * g)
                        v.copy_(0.999 * v + 0.001 * g * g)
                        p -= lr * m / (1 - 0.9**step) / ((v / (1 - 0.999**step)).sqrt() + 1e-8)
        means.append({"loss": total / 20, "accuracy": right.item() / 20})
    for a, b in zip(ours.parameters(), parameters, strict=True):
        assert torch.allclose(a, b, atol=1e-5)
    assert [e["accuracy"] for e in history] == [e["accuracy"] for e in means]
    assert [e["loss"] for e in history] == pytest.approx([e["loss"] for e in means], rel=1e-4)


def test_the_learning_rate_rises_from_a_25th_to_its_peak_and_falls_to_zero():
    recipe, n = Recipe(lr=0.5, epochs=1, batch_size=1), 100
    rates = [recipe.lr_at(step, n) for step in range(n + 1)]
    assert rates[0] == pytest.approx(0.5 / 25)
    assert rates[15] == pytest.approx(0.5 * (1 + 1 / 25) / 2)  # half way up
    assert rates[30] == max(rates) == 0.5
    assert rates[65] == pytest.approx(0.25)  # half way down
    assert rates[100] == pytest.approx(0, abs=1e-12)
    assert rates[:31] == sorted(set(rates[:31]))
    assert rates[30:] == sorted(set(rates[30:]), reverse=True)


def test_the_one_cycle_is_pytorchs():
    """Its last step is PyTorch's last but one: ours ends at 0 after the last step."""
    recipe = Recipe(lr=0.5, epochs=1, batch_size=1)
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=0.5)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=0.5, total_steps=1001, final_div_factor=1e9, cycle_momentum=False
    )
    for step in range(1000):
        assert recipe.lr_at(step, 1000) == pytest.approx(schedule.get_last_lr()[0], abs=2e-3)
        optimizer.step()
        schedule.step()


@pytest.mark.parametrize("steps", [1, 2, 3])
def test_the_shortest_schedules_have_positive_rates(steps):
    recipe = Recipe(lr=0.5, epochs=1, batch_size=1)
    assert all(0 < recipe.lr_at(step, steps) <= 0.5 for step in range(steps))


def test_a_constant_rate_is_constant():
    recipe = Recipe(lr=0.5, epochs=1, batch_size=1, schedule="constant")
    assert {recipe.lr_at(step, 10) for step in range(10)} == {0.5}


def test_milestones_are_pytorchs(generator):
    """In whole epochs: PyTorch's own schedule, stepped once an epoch."""
    recipe = Recipe(lr=0.5, epochs=8, batch_size=5, schedule="steps", milestones=(2, 5), factor=0.2)
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=0.5)
    schedule = torch.optim.lr_scheduler.MultiStepLR(optimizer, [2, 5], gamma=0.2)
    batches, steps = recipe.length(20)
    assert (batches, steps) == (4, 32)
    for step in range(steps):
        assert recipe.lr_at(step, steps, batches) == pytest.approx(schedule.get_last_lr()[0])
        if step % 4 == 3:
            optimizer.step()
            schedule.step()


def test_a_milestone_may_lie_inside_an_epoch():
    recipe = Recipe(lr=1.0, epochs=2, batch_size=5, schedule="steps", milestones=(0.5,))
    rates = [recipe.lr_at(step, 8, 4) for step in range(8)]
    assert rates == pytest.approx([1.0, 1.0] + [0.1] * 6)


def test_a_warm_up_rises_linearly_to_the_schedule():
    recipe = Recipe(lr=0.8, epochs=4, batch_size=5, schedule="constant", warmup_epochs=2)
    rates = [recipe.lr_at(step, 16, 4) for step in range(16)]
    assert rates == pytest.approx([0.1 * min(i + 1, 8) for i in range(16)])


def test_training_ends_after_so_many_steps_though_epochs_are_left():
    recorder = Recorder()
    _, history = trained(objective=recorder, recipe=replace(RECIPE, steps=4))
    assert len(recorder.batches) == 4
    assert len(history) == 2  # the second one is a single batch
    assert 0 <= history[1]["accuracy"] <= 1
    assert RECIPE.length(20) == (3, 9)
    assert replace(RECIPE, steps=4).length(20) == (3, 4)


def test_the_ramp_may_start_above_zero():
    """Ding et al., table 9: from .01 to .3, a thirtieth."""
    recipe = replace(RECIPE, ramp_epochs=2, ramp_from=1 / 30)
    assert recipe.ramp_at(0, 3) == pytest.approx(1 / 30 + 29 / 30 / 6)
    assert recipe.ramp_at(5, 3) == recipe.ramp_at(8, 3) == 1


def test_momentum_is_the_recipes():
    for momentum in (0.0, 0.5):
        recipe = replace(RECIPE, optimizer="sgd", momentum=momentum)
        (group,) = recipe.optimizer_for([nn.Parameter(torch.zeros(2))]).param_groups
        assert group["momentum"] == momentum


def test_single_numbers_have_a_rate_of_their_own():
    """With plain descent and a tenth of the rate they move a tenth as far."""
    recipe = Recipe(
        lr=0.1, epochs=1, batch_size=4, optimizer="sgd", schedule="constant", momentum=0.0
    )
    moved = []
    for scalar_lr in (1.0, 0.1):
        model = nn.Sequential(nn.Flatten(), models.Scalar(), nn.Linear(16, 3))
        with torch.no_grad():
            model[2].weight.copy_(torch.linspace(-1, 1, 48).view(3, 16))
            model[2].bias.zero_()
        before = model[2].weight.clone()
        x, y = made(4)
        training.train(model, x, y, Natural(), replace(recipe, scalar_lr=scalar_lr), seed=0)
        moved.append((model[1].bias.item(), (model[2].weight - before).detach()))
    assert moved[1][0] == pytest.approx(moved[0][0] / 10)
    assert torch.equal(moved[0][1], moved[1][1])


def test_settings_added_later_leave_old_names_alone():
    assert set(values.config(RECIPE)) == {
        *("type", "lr", "epochs", "batch_size", "optimizer", "schedule"),
        *("ramp_epochs", "weight_decay"),
    }
    assert values.digest(RECIPE) != values.digest(replace(RECIPE, steps=5))


# ---- augmentation


@pytest.mark.parametrize("mode", ["zeros", "reflect"])
def test_every_image_is_a_shifted_or_mirrored_copy_of_itself(mode, generator):
    x = torch.rand(40, 2, 5, 6, generator=generator)
    found = CropFlip(pad=2, mode=mode)(x, generator)
    padded = F.pad(x, [2] * 4, mode="constant" if mode == "zeros" else "reflect")
    seen = set()
    for one, wide in zip(found, padded, strict=True):
        copies = {
            (i, j, flip): crop.flip(2) if flip else crop
            for i in range(5)
            for j in range(5)
            for flip in (False, True)
            for crop in [wide[:, i : i + 5, j : j + 6]]
        }
        fits = [key for key, crop in copies.items() if torch.equal(crop, one)]
        assert len(fits) == 1
        seen |= set(fits)
    assert len(seen) > 20
    assert len({flip for _, _, flip in seen}) == 2


def test_without_padding_and_mirror_nothing_changes(generator):
    x = torch.rand(3, 3, 4, 4, generator=generator)
    assert torch.equal(CropFlip(pad=0, flip=False)(x, generator), x)


def test_augmentation_is_decided_by_the_generator():
    x = made()[0]
    for value in (CropFlip(), ResizedCrop(size=4)):
        first, again = (value(x, torch.Generator().manual_seed(s)) for s in (1, 1))
        assert torch.equal(first, again)
        assert not torch.equal(first, value(x, torch.Generator().manual_seed(2)))


def test_an_unknown_padding_is_refused():
    with pytest.raises(ValueError, match=r"mode is .*; got 'edge', 4"):
        CropFlip(mode="edge")


def test_the_whole_image_in_its_own_size_is_the_image(generator):
    x = torch.rand(3, 2, 6, 6, generator=generator)
    whole = ResizedCrop(size=6, scale=(1, 1), ratio=(1, 1), flip=False)(x, generator)
    assert torch.allclose(whole, x, atol=1e-6)
    many = x.repeat(20, 1, 1, 1)
    mirrored = ResizedCrop(size=6, scale=(1, 1), ratio=(1, 1))(many, generator)
    same, flipped = (
        (mirrored - other).abs().amax((1, 2, 3)) < 1e-6 for other in (many, many.flip(3))
    )
    assert (same != flipped).all()
    assert 10 < same.sum() < 50


def test_a_part_of_a_slope_has_the_steepness_of_its_size(generator):
    """On an image that rises evenly to the right, a crop of width w rises by w a pixel."""
    side = 64
    x = torch.linspace(0, 1, side).expand(200, 1, side, side)
    crop = ResizedCrop(size=16, scale=(0.25, 0.25), ratio=(1, 1), flip=False)(x, generator)
    rise = (crop[:, 0, 8, 12] - crop[:, 0, 8, 4]) / 8
    assert torch.allclose(rise, torch.tensor(0.5 * side / 16 / (side - 1)), atol=1e-3)
    middle = crop[:, 0].mean((1, 2))
    assert middle.min() < 0.3 and middle.max() > 0.7  # noqa: PT018
    assert 0.25 - 0.02 <= middle.min() <= middle.max() <= 0.75 + 0.02


# ---- what happens after an epoch


class Noted:
    """A constraint or a judge that notes when it was called, and does nothing."""

    def __init__(self):
        self.calls = []

    def __call__(self, model, image, y=None, generator=None):
        self.calls.append((tuple(image.shape), model.training))
        return image


def test_a_constraint_is_called_after_every_epoch():
    noted = Noted()
    recipe = replace(RECIPE)
    object.__setattr__(recipe, "constraint", noted)
    trained(recipe=recipe)
    assert noted.calls == [((1, 1, 4, 4), True)] * 3


def test_clipped_norms_end_below_their_bound():
    bound = 0.7
    recipe = Recipe(lr=0.05, epochs=3, batch_size=4, schedule="constant")
    free, _ = trained(recipe=recipe)
    assert max(torch.linalg.matrix_norm(w, 2) for w in weights(free)) > bound
    clipped, _ = trained(recipe=replace(recipe, constraint=ClipNorms(bound=bound)))
    assert max(torch.linalg.matrix_norm(w, 2) for w in weights(clipped)) <= bound * (1 + 1e-5)


def weights(model):
    return [part.weight for part in model.modules() if isinstance(part, nn.Linear)]


def test_images_held_out_are_not_trained_on_but_judged():
    x, y = made(24)
    recorder = Recorder()
    recipe = replace(RECIPE, held_out=4)
    _, history = trained(objective=recorder, data=(x, y), recipe=recipe)
    plain, other = trained(data=(x[:20], y[:20]))
    seen = {tuple(row) for images, _ in recorder.batches for row in images.flatten(1).tolist()}
    assert not seen & {tuple(row) for row in x[20:].flatten(1).tolist()}
    right = (plain(x[20:]).argmax(1) == y[20:]).float().mean().item()
    assert history[-1]["held_out"] == right
    assert [{k: e[k] for k in ("loss", "accuracy")} for e in history] == other


def test_the_first_best_epoch_is_kept():
    """By the rule: the weights a shorter training with the same steps ends with."""
    generator = torch.Generator().manual_seed(3)
    x, y = torch.rand(40, 1, 4, 4, generator=generator), torch.arange(40) % 3
    recipe = Recipe(
        lr=0.05, epochs=12, batch_size=8, schedule="constant", held_out=16, keep="best", judge=PGD
    )
    best, history = trained(recipe=recipe, data=(x, y), seed=2)
    scores = [epoch["held_out"] for epoch in history]
    first = scores.index(max(scores))
    assert first < 11  # or the rule would not show
    shorter, _ = trained(recipe=replace(recipe, epochs=first + 1, keep="last"), data=(x, y), seed=2)
    assert same(best, shorter)
    last, _ = trained(recipe=replace(recipe, keep="last"), data=(x, y), seed=2)
    assert not same(best, last)


def test_all_images_can_not_be_held_out():
    with pytest.raises(ValueError, match="20 of 20 images can't be held out"):
        trained(recipe=replace(RECIPE, held_out=20))


class Recorder:
    """An objective that notes what the loop asks of it."""

    def __init__(self):
        self.fractions, self.batches = [], []

    def ramped(self, fraction):
        self.fractions.append(fraction)
        return self

    def __call__(self, model, x, y, generator):
        self.batches.append((x, y))
        return Natural()(model, x, y)


def test_the_radius_grows_evenly_over_the_first_epochs():
    recorder = Recorder()
    trained(objective=recorder, recipe=Recipe(lr=0.02, epochs=4, batch_size=5, ramp_epochs=2))
    assert recorder.fractions == pytest.approx([i / 8 for i in range(1, 8)])  # then the full one
    assert len(recorder.batches) == 16


def test_every_epoch_sees_every_image_once_and_in_a_new_order():
    x, y = made()
    recorder = Recorder()
    trained(objective=recorder, data=(x, y))
    epochs = [recorder.batches[i : i + 3] for i in (0, 3, 6)]
    orders = [torch.cat([b[0] for b in epoch]).flatten(1) for epoch in epochs]
    assert [len(b[0]) for b in epochs[0]] == [8, 8, 4]
    for order in orders:
        rows = sorted(map(tuple, order.tolist()))
        assert rows == sorted(map(tuple, x.flatten(1).tolist()))
    assert not torch.equal(orders[0], orders[1])


def test_the_model_is_left_in_evaluation_mode_and_has_learnt():
    recipe = Recipe(lr=0.05, epochs=12, batch_size=8)
    model, history = trained(recipe=recipe)
    x, y = made()
    assert not any(part.training for part in model.modules())
    assert (model(x).argmax(1) == y).all()
    assert len(history) == 12
    assert history[-1]["accuracy"] == 1


# ---- chance


@pytest.mark.parametrize("objective", [Natural(), Adversarial(attack=PGD)])
def test_the_same_seed_gives_the_same_weights_and_another_does_not(objective):
    first, history = trained(objective=objective)
    torch.rand(3)  # the caller's generator plays no part
    again, history_again = trained(objective=objective)
    assert same(first, again)
    assert history == history_again
    model = SMALL(seed=0)
    training.train(model, *made(), objective, RECIPE, seed=1)
    assert not same(first, model)


def test_the_global_generator_is_left_alone():
    before = torch.get_rng_state()
    trained(models.CNN1(hidden=8), recipe=Recipe(lr=1e-3, epochs=1, batch_size=8), data=big())
    assert torch.equal(torch.get_rng_state(), before)


def test_the_global_generator_is_left_alone_after_a_failure():
    before = torch.get_rng_state()
    x, y = made()
    with pytest.raises(TrainingFailed):
        trained(data=(x * math.nan, y))
    assert torch.equal(torch.get_rng_state(), before)


# ---- interruptions


def big():
    return made(16, (1, 28, 28))


def colour():
    return made(16, (3, 8, 8))


class Hurried:
    """An objective that counts its calls, to see that a resumed training does not start over."""

    def __init__(self, objective):
        self.objective, self.calls = objective, 0

    def ramped(self, fraction):
        inner = self.objective.ramped(fraction)

        def call(*args):
            self.calls += 1
            return inner(*args)

        return call

    def __call__(self, *args):
        self.calls += 1
        return self.objective(*args)


CASES = {
    "natural": (SMALL, Natural(), made, "adam"),
    "sgd": (SMALL, Natural(), made, "sgd"),
    "random starts": (SMALL, Adversarial(attack=PGD), made, "adam"),
    "dropout": (models.CNN1(hidden=8), Adversarial(attack=PGD), big, "adam"),
    "channels last": (models.LeNet(width=0.125), Natural(), big, "adam"),
    "augmented": (SMALL, Adversarial(attack=PGD), made, "adam"),
    "the best epoch": (SMALL, Natural(), lambda: made(24), "adam"),
    "batch statistics": (models.WideResNet(depth=10, width=0.125), Natural(), colour, "sgd"),
}
EXTRA = {
    "augmented": {"augmentation": CropFlip(pad=1, mode="reflect")},
    "the best epoch": {"held_out": 4, "keep": "best", "judge": PGD},
}


@pytest.mark.parametrize("case", CASES)
def test_stopped_after_every_step_and_resumed_training_ends_with_the_same_weights(case, tmp_path):
    setting, objective, data, optimizer = CASES[case]
    x, y = data()
    recipe = Recipe(
        lr=0.01,
        epochs=3,
        batch_size=8,
        ramp_epochs=1,
        optimizer=optimizer,
        **EXTRA.get(case, {}),
    )

    def fresh():
        model = setting(seed=0)
        return model.to(memory_format=torch.channels_last) if case == "channels last" else model

    whole = fresh()
    history = training.train(whole, x, y, objective, recipe, seed=0)
    steps = 3 * math.ceil((len(x) - recipe.held_out) / 8)
    counted, path = Hurried(objective), tmp_path / "deep" / "checkpoint.safetensors"
    for stops in range(100):
        model = fresh()
        late = {"checkpoint": path, "deadline": time.monotonic()}
        try:
            resumed = training.train(model, x, y, counted, recipe, seed=0, **late)
            break
        except OutOfTime:
            assert training.load(path)[1]["step"] == stops + 1
            torch.rand(stops + 1)  # what happens in between does not matter
    assert same(whole, model)
    assert resumed == history
    assert stops + 1 == counted.calls == steps
    assert list(path.parent.iterdir()) == []


def test_a_checkpoint_that_is_never_needed_changes_nothing(tmp_path):
    path = tmp_path / "checkpoint"
    with_it, history = trained(objective=Adversarial(attack=PGD), checkpoint=path, every=0)
    without, other = trained(objective=Adversarial(attack=PGD))
    assert same(with_it, without)
    assert history == other
    assert not path.exists()


def test_a_deadline_without_a_checkpoint_still_stops():
    with pytest.raises(OutOfTime, match="stopped after step 1 of 9"):
        trained(deadline=time.monotonic())


def test_a_deadline_met_by_the_last_step_lets_training_end():
    recipe = Recipe(lr=1e-3, epochs=1, batch_size=20)
    assert len(trained(recipe=recipe, deadline=time.monotonic())[1]) == 1


KILLED = """
import sys, time, torch
sys.path.insert(0, {tests!r})
import test_training as t
class Slow(t.Hurried):
    def __call__(self, *args):
        time.sleep(0.02)
        return super().__call__(*args)
t.trained(objective=Slow(t.Adversarial(attack=t.PGD)), recipe=t.LONG, checkpoint={path!r}, every=0)
"""
LONG = Recipe(lr=0.02, epochs=30, batch_size=2, schedule="constant")


def test_a_killed_training_resumes_to_the_same_weights(tmp_path):
    path = tmp_path / "checkpoint"
    script = KILLED.format(tests=str(ROOT / "tests"), path=str(path))
    environment = os.environ | {"PYTHONPATH": str(ROOT / "lib"), "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen([sys.executable, "-c", script], env=environment)
    try:
        step = 0
        for _ in range(6000):
            step = training.load(path)[1]["step"] if path.exists() else 0
            if step >= 10 or process.poll() is not None:
                break
            time.sleep(0.01)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert process.returncode == -signal.SIGKILL  # it was killed, it had not ended
    assert step <= training.load(path)[1]["step"] < 300
    counted = Hurried(Adversarial(attack=PGD))
    resumed, history = trained(objective=counted, recipe=LONG, checkpoint=path)
    whole, other = trained(objective=Adversarial(attack=PGD), recipe=LONG)
    assert counted.calls <= 300 - step
    assert same(resumed, whole)
    assert history == other


def checkpoint(tmp_path):
    path = tmp_path / "checkpoint"
    with pytest.raises(OutOfTime):
        trained(checkpoint=path, deadline=time.monotonic())
    return path


def test_a_truncated_checkpoint_is_refused_by_name(tmp_path):
    path = checkpoint(tmp_path)
    whole = path.read_bytes()
    for length in (0, 1, 7, 8, 9, 100, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(ValueError, match="checkpoint is not a whole file of ours; delete it"):
            trained(checkpoint=path)
    path.unlink()
    assert same(trained(checkpoint=path)[0], trained()[0])


OTHERS = {
    "recipe": {"recipe": replace(RECIPE, lr=0.01)},
    "seed": {"seed": 1},
    "data": {"data": made(seed=1)},
    "objective": {"objective": Adversarial(attack=PGD)},
    "network": {"setting": models.MLP(sizes=(16, 9, 3))},
}


@pytest.mark.parametrize("part", OTHERS)
def test_a_checkpoint_of_another_training_is_refused_and_left_alone(part, tmp_path):
    path = checkpoint(tmp_path)
    before = path.read_bytes()
    with pytest.raises(ValueError, match=f"of another training: another {part}; delete it"):
        trained(**OTHERS[part], checkpoint=path)
    assert path.read_bytes() == before
    assert same(trained(checkpoint=path)[0], trained()[0])


# ---- side by side


TWINS = {
    "dense": (models.MLP(sizes=(16, 8, 3)), made, Adversarial(attack=PGD)),
    "without biases": (models.MLP(sizes=(16, 8, 3), bias=False), made, Natural()),
    "convolutions": (models.LeNet(width=0.125), big, Adversarial(attack=PGD)),
    "strides": (models.ConvNet(), big, GR()),
    "a gaussian start": (
        models.MLP(sizes=(16, 8, 3)),
        made,
        TRADES(attack=replace(PGD, loss="kl", random_start="gaussian"), weight=2.0),
    ),
}


@pytest.mark.parametrize("case", TWINS)
def test_side_by_side_each_network_is_trained_as_if_alone(case):
    """Same data or not, each with chances of its own, in double precision."""
    setting, data, objective = TWINS[case]
    recipe = Recipe(
        lr=0.01,
        epochs=2,
        batch_size=8,
        ramp_epochs=1,
        weight_decay=0.01,
        augmentation=CropFlip(pad=1),
    )
    x, y = data()
    parts = [(x.double(), y), (x.double().flip(0) ** 2, y), (x.double(), y)]
    seeds = [5, 6, 7]
    alone, histories = [], []
    for seed, part in zip(seeds, parts, strict=True):
        alone.append(setting(seed=seed).double())
        histories.append(training.train(alone[-1], *part, objective, recipe, seed=seed))
    together = [setting(seed=seed).double() for seed in seeds]
    found = training.train_together(together, parts, objective, recipe, seeds=seeds)
    for one, other in zip(alone, together, strict=True):
        assert not other.training
        for a, b in zip(one.parameters(), other.parameters(), strict=True):
            assert torch.allclose(a, b, atol=1e-9)
    for one, other in zip(histories, found, strict=True):
        assert [e["accuracy"] for e in one] == [e["accuracy"] for e in other]
        assert [e["loss"] for e in one] == pytest.approx([e["loss"] for e in other])


def test_side_by_side_training_stops_and_resumes_too(tmp_path):
    path = tmp_path / "checkpoint"
    x, y = made()

    def go(**options):
        nets = [SMALL(seed=s) for s in (0, 1)]
        history = training.train_together(
            nets, [(x, y), (x, y)], Adversarial(attack=PGD), RECIPE, seeds=[0, 1], **options
        )
        return nets, history

    whole, history = go()
    for _ in range(8):
        with pytest.raises(OutOfTime):
            go(checkpoint=path, deadline=time.monotonic())
    resumed, again = go(checkpoint=path)
    assert all(map(same, whole, resumed))
    assert history == again


def test_one_of_several_that_fails_is_named():
    x, y = made()
    networks = [SMALL(seed=0), SMALL(seed=1)]
    with pytest.raises(TrainingFailed, match="the loss of network 1 is nan at step 0"):
        training.train_together(
            networks, [(x, y), (x * math.nan, y)], Natural(), RECIPE, seeds=[0, 1]
        )
    recipe = Recipe(lr=1e-4, epochs=60, batch_size=10)
    networks = [LINEAR(seed=0), LINEAR(seed=1)]
    with pytest.raises(TrainingFailed, match=r"stuck at chance \(network 1\)"):
        training.train_together(
            networks, [made(30), grey()], Natural(), replace(recipe, lr=0.01), seeds=[0, 1]
        )


@pytest.mark.parametrize(
    ("networks", "words"),
    [
        ([models.CNN1(hidden=8)] * 2, "Dropout2d has no place in networks side by side"),
        ([SMALL, models.MLP(sizes=(16, 9, 3))], "are nn.Sequential of one architecture"),
        ([models.WideResNet(depth=10, width=0.125)] * 2, "PreactivationBlock has no place"),
    ],
)
def test_networks_that_can_not_stand_side_by_side_are_refused(networks, words):
    x, y = made()
    with pytest.raises(ValueError, match=words):
        training.train_together(
            [setting(seed=0) for setting in networks],
            [(x, y), (x, y)],
            Natural(),
            RECIPE,
            seeds=[0, 1],
        )


def test_side_by_side_everybody_needs_data_and_a_seed():
    with pytest.raises(ValueError, match="as many networks as data sets and seeds; got 2, 1 and 2"):
        training.train_together([SMALL(seed=0)] * 2, [made()], Natural(), RECIPE, seeds=[0, 1])
    with pytest.raises(ValueError, match="trained on as many images each"):
        training.train_together(
            [SMALL(seed=0)] * 2, [made(), made(10)], Natural(), RECIPE, seeds=[0, 1]
        )
    with pytest.raises(ValueError, match="no images held out and no constraint"):
        training.train_together(
            [SMALL(seed=0)], [made()], Natural(), replace(RECIPE, held_out=2), seeds=[0]
        )


# ---- files


@pytest.mark.parametrize(
    "content", [b"{}", b"\xff" * 64, b"\x02\0\0\0\0\0\0\0{}", b"PK\x03\x04" * 9]
)
def test_a_file_of_another_kind_is_refused_by_name(tmp_path, content):
    path = tmp_path / "weights"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="weights is not a whole file of ours"):
        training.load(path)


def test_tensors_and_facts_come_back(tmp_path, generator):
    tensors = {"a": torch.rand(2, 3, generator=generator).T, "b": torch.tensor(4)}
    training.save(tmp_path / "new" / "file", tensors, words=["x"], number=0.1)
    back, about = training.load(tmp_path / "new" / "file")
    assert all(torch.equal(back[name], tensors[name]) for name in tensors)
    assert about == {"words": ["x"], "number": 0.1}
    assert [p.name for p in (tmp_path / "new").iterdir()] == ["file"]


def test_whoever_reads_the_old_file_goes_on_reading_it_whole(tmp_path):
    """A new file takes the old one's name in one step; nothing is written into the old one."""
    path, old = tmp_path / "file", tmp_path / "old"
    training.save(path, {"a": torch.zeros(1)}, version=1)
    old.hardlink_to(path)
    training.save(path, {"a": torch.ones(1)}, version=2)
    assert training.load(old)[1] == {"version": 1}
    assert training.load(path)[1] == {"version": 2}


def test_a_file_that_cannot_be_written_whole_leaves_the_old_one(tmp_path, monkeypatch):
    path = tmp_path / "file"
    training.save(path, {"a": torch.zeros(1)}, version=1)

    def full(tensors, target, metadata):
        target.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(training.files.safetensors.torch, "save_file", full)
    with pytest.raises(OSError, match="No space left"):
        training.save(path, {"a": torch.ones(1)}, version=2)
    assert training.load(path)[1] == {"version": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


# ---- failures


def test_a_loss_that_is_not_a_number_fails_in_words():
    x, y = made()
    with pytest.raises(TrainingFailed, match="the loss is nan at step 0 of 9"):
        trained(data=(x * math.nan, y))


@pytest.mark.parametrize("objective", [Natural(), Adversarial(attack=PGD)])
def test_weights_that_explode_fail_in_words(objective):
    """Whichever notices first, the attack or the loss: the training failed, not the caller."""
    recipe = Recipe(lr=1e38, epochs=3, batch_size=8, optimizer="sgd", schedule="constant")
    with pytest.raises(TrainingFailed):
        trained(objective=objective, recipe=recipe)


def grey(n=30, labels=3):
    """Images with nothing in them, labels in equal parts."""
    return torch.full((n, 1, 4, 4), 0.5), torch.arange(n) % labels


LINEAR = models.MLP(sizes=(16, 3))


def test_nothing_to_learn_fails_as_stuck_at_chance():
    """Constant images with labels in equal parts: no network beats log K."""
    recipe = Recipe(lr=1e-4, epochs=60, batch_size=10)
    words = r"stuck at chance: loss .*, accuracy .* after 34 epochs; guessing has 1.099 and 33.3%"
    with pytest.raises(TrainingFailed, match=words):
        trained(LINEAR, recipe=recipe, data=grey())


def test_a_tiny_set_is_given_a_hundred_steps():
    recipe = Recipe(lr=1e-4, epochs=9, batch_size=30)
    assert len(trained(LINEAR, recipe=recipe, data=grey())[1]) == 9


def test_a_ramp_is_no_time_to_judge_by():
    """Chance is only spoken of after enough epochs at full radius."""
    recipe = {"lr": 1e-4, "batch_size": 1, "ramp_epochs": 5}
    assert len(trained(LINEAR, recipe=Recipe(epochs=8, **recipe), data=grey())[1]) == 8
    with pytest.raises(TrainingFailed, match="after 9 epochs"):
        trained(LINEAR, recipe=Recipe(epochs=9, **recipe), data=grey())


def test_the_most_frequent_label_is_the_chance_of_uneven_sets():
    """Its share is above 1 / K, and the loss of guessing below log K."""
    x, y = grey(40)
    y = torch.where(torch.arange(40) < 24, 0, y)
    recipe = Recipe(lr=0.02, epochs=80, batch_size=10)
    with pytest.raises(TrainingFailed, match=r"guessing has 0.736 and 75.0%"):
        trained(LINEAR, recipe=recipe, data=(x, y))


class Heavy:
    """Three times the loss, so that it lies above log K for long: that alone is no failure."""

    def __call__(self, model, x, y, generator):
        loss, logits = Natural()(model, x, y)
        return 1 + 3 * loss, logits


def test_a_large_loss_with_good_answers_is_no_chance():
    recipe = Recipe(lr=0.05, epochs=40, batch_size=4, schedule="constant")
    _, history = trained(recipe=recipe, objective=Heavy())
    assert history[-1]["accuracy"] > 0.8
    assert min(epoch["loss"] for epoch in history) > math.log(2)


class Cliff:
    """A loss that is a number while its gradient is none."""

    def __call__(self, model, x, y, generator):
        logits = model(x)
        return (logits - logits.detach()).abs().sqrt().sum(), logits


def test_weights_that_are_no_numbers_after_the_last_step_fail_in_words():
    recipe = Recipe(lr=1e-3, epochs=1, batch_size=20)
    with pytest.raises(TrainingFailed, match="left weights that are not numbers"):
        trained(objective=Cliff(), recipe=recipe)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"optimizer": "lion"}, "optimizer is \"adam\" or \"sgd\", .*; got 'lion', 'one-cycle'"),
        ({"schedule": "step"}, "\"constant\" or \"steps\"; got 'adam', 'step'"),
        ({"epochs": 0}, "epochs and batch_size are at least 1; got 0, 8"),
        ({"batch_size": 0}, "epochs and batch_size are at least 1; got 3, 0"),
        ({"schedule": "steps"}, "schedule \"steps\", which needs them; got 'steps', "),
        ({"milestones": (1,)}, 'milestones belong to the schedule "steps"'),
        ({"milestones": (2, 1), "schedule": "steps"}, "milestones are epochs, rising; got "),
        ({"keep": "first"}, 'keep is "last" or "best", .*; got \'first\', 0'),
        ({"keep": "best"}, "with images held_out to judge by; got 'best', 0"),
        ({"judge": PGD}, "the judge attacks the images held_out, which are none"),
    ],
)
def test_recipes_that_make_no_sense_are_refused(change, words):
    with pytest.raises(ValueError, match=words):
        Recipe(**{"lr": 1e-3, "epochs": 3, "batch_size": 8} | change)
