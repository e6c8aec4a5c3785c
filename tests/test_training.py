"""Training: the same arguments give the same weights, however often it was interrupted."""

import math
import os
import signal
import subprocess
import sys
import time

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from astute import ROOT, attacks, models, training
from astute.objectives import Adversarial, Natural
from astute.training import OutOfTime, Recipe, TrainingFailed

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
}


@pytest.mark.parametrize("case", CASES)
def test_stopped_after_every_step_and_resumed_training_ends_with_the_same_weights(case, tmp_path):
    setting, objective, data, optimizer = CASES[case]
    x, y = data()
    recipe = Recipe(lr=0.01, epochs=3, batch_size=8, ramp_epochs=1, optimizer=optimizer)

    def fresh():
        model = setting(seed=0)
        return model.to(memory_format=torch.channels_last) if case == "channels last" else model

    whole = fresh()
    history = training.train(whole, x, y, objective, recipe, seed=0)
    steps = 3 * math.ceil(len(x) / 8)
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

    monkeypatch.setattr(training.safetensors.torch, "save_file", full)
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


def test_nothing_to_learn_fails_as_stuck_at_chance():
    """Constant images with labels in equal parts: no network beats log K."""
    x, y = torch.full((30, 1, 4, 4), 0.5), torch.arange(30) % 3
    recipe = Recipe(lr=1e-4, epochs=9, batch_size=30)
    with pytest.raises(
        TrainingFailed, match=r"stuck at chance: loss .* after \d epochs, log 3 is 1.099"
    ):
        trained(models.MLP(sizes=(16, 3)), recipe=recipe, data=(x, y))


def test_a_ramp_is_no_time_to_judge_by():
    """Chance is only spoken of after two epochs at full radius."""
    x, y = torch.full((30, 1, 4, 4), 0.5), torch.arange(30) % 3
    recipe = Recipe(lr=1e-4, epochs=6, batch_size=30, ramp_epochs=5)
    assert len(trained(models.MLP(sizes=(16, 3)), recipe=recipe, data=(x, y))[1]) == 6
    recipe = Recipe(lr=1e-4, epochs=7, batch_size=30, ramp_epochs=5)
    with pytest.raises(TrainingFailed, match="after 7 epochs"):
        trained(models.MLP(sizes=(16, 3)), recipe=recipe, data=(x, y))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"optimizer": "lion"}, "optimizer is \"adam\" or \"sgd\", .*; got 'lion', 'one-cycle'"),
        ({"schedule": "step"}, "schedule is \"one-cycle\" or \"constant\"; got 'adam', 'step'"),
        ({"epochs": 0}, "epochs and batch_size are at least 1; got 0, 8"),
        ({"batch_size": 0}, "epochs and batch_size are at least 1; got 3, 0"),
    ],
)
def test_recipes_that_make_no_sense_are_refused(change, words):
    with pytest.raises(ValueError, match=words):
        Recipe(**{"lr": 1e-3, "epochs": 3, "batch_size": 8} | change)
