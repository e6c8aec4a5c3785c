"""Losses of logits against a loop over classes, and the checks of labels."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from astute import losses


def made(seed, n=6, k=5):
    generator = torch.Generator().manual_seed(seed)
    # Few distinct values, so that ties occur.
    logits = torch.randint(-2, 3, (n, k), generator=generator).double()
    return logits, torch.randint(k, (n,), generator=generator)


def margin_by_loop(logits, y):
    """The margin operator, spelt out."""
    rows = zip(logits.tolist(), y.tolist(), strict=True)
    return [row[t] - max(v for i, v in enumerate(row) if i != t) for row, t in rows]


@settings(deadline=None, max_examples=100)
@given(st.integers(0, 10**6), st.integers(2, 6))
def test_margin_is_the_label_minus_the_best_other(seed, k):
    logits, y = made(seed, k=k)
    assert losses.margin(logits, y).tolist() == margin_by_loop(logits, y)


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 10**6))
def test_a_positive_margin_is_a_right_answer_and_a_tie_is_not(seed):
    logits, y = made(seed)
    best = logits.amax(1)
    alone = (logits == best[:, None]).sum(1) == 1
    right = alone & (logits.gather(1, y[:, None])[:, 0] == best)
    assert torch.equal(losses.margin(logits, y) > 0, right)


def test_a_tie_has_margin_zero():
    assert losses.margin(torch.tensor([[1.0, 1.0]]), torch.tensor([0])).tolist() == [0]


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 10**6))
def test_cross_entropy_is_minus_the_log_of_the_softmax(seed):
    logits, y = made(seed)
    want = [
        math.log(sum(map(math.exp, row))) - row[t]
        for row, t in zip(logits.tolist(), y.tolist(), strict=True)
    ]
    assert losses.cross_entropy(logits, y).tolist() == pytest.approx(want)


def test_cross_entropy_of_huge_logits_stays_finite():
    loss = losses.cross_entropy(torch.tensor([[1e4, 0.0]]), torch.tensor([1]))
    assert loss.tolist() == [1e4]


def test_both_losses_of_the_list_grow_as_the_answer_gets_worse():
    logits, y = torch.tensor([[3.0, 0.0], [1.0, 0.0], [0.0, 2.0]]), torch.zeros(3, dtype=torch.long)
    for loss in losses.LOSSES.values():
        assert (loss(logits, y).diff() > 0).all()


@pytest.mark.parametrize("loss", losses.LOSSES.values())
def test_no_image_depends_on_its_batch(loss):
    logits, y = made(1)
    alone = torch.cat([loss(logits[i : i + 1], y[i : i + 1]) for i in range(len(y))])
    assert torch.equal(loss(logits, y), alone)


def test_logits_are_not_changed():
    logits, y = made(2)
    before = logits.clone()
    losses.margin(logits, y)
    assert torch.equal(logits, before)


@pytest.mark.parametrize(
    ("logits", "y", "words"),
    [
        (torch.zeros(2), [0, 1], r"logits have shape \(N, K\); got \(2,\)"),
        (torch.zeros(2, 3), [0], r"labels are 2 integers, one an image; got torch.int64"),
        (torch.zeros(2, 3), [0.0, 1.0], "labels are 2 integers, one an image; got torch.float32"),
        (torch.zeros(2, 3), [0, 3], r"labels lie in 0..2, as the model has 3 outputs; got 0..3"),
        (torch.zeros(2, 3), [-1, 0], r"labels lie in 0..2, .*; got -1..0"),
        (torch.tensor([[0.0, math.nan]]), [0], "the model returned NaN logits"),
        (torch.tensor([[0.2, 0.8], [1.0, 0.0]]), [0, 1], "sums to 1: probabilities"),
    ],
)
def test_logits_and_labels_that_do_not_belong_together_are_refused(logits, y, words):
    with pytest.raises(ValueError, match=words):
        losses.check_labels(logits, torch.tensor(y))


def test_fitting_logits_and_labels_pass_even_if_there_are_none():
    losses.check_labels(torch.zeros(2, 3), torch.tensor([0, 2]))
    losses.check_labels(torch.zeros(0, 3), torch.zeros(0, dtype=torch.long))
    # One row that sums to 1 does not make probabilities of the others, nor does a negative entry.
    losses.check_labels(torch.tensor([[0.2, 0.8], [3.0, 0.0]]), torch.tensor([0, 1]))
    losses.check_labels(torch.tensor([[2.0, -1.0]]), torch.tensor([0]))
