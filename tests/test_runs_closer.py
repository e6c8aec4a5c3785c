"""The slides' studies on sets so small that their answers are known."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from astute import data, intervals, runs
from astute.runs import closer
from astute.runs.closer import methods
from astute.runs.closer.separation import NearestNeighbour


class Line:
    """A context whose images are points: class 0 at 0.2, class 1 at 0.8."""

    def load(self, name, split, limit=None):
        x = [0.2, 0.8] if split == "train" else [0.1, 0.3, 0.45, 0.9]
        y = [0, 1] if split == "train" else [0, 0, 0, 1]
        return SimpleNamespace(x=torch.tensor(x).view(-1, 1, 1, 1), y=torch.tensor(y))


@pytest.mark.parametrize(("eps", "safe"), [(0.04, 4), (0.1, 3), (0.25, 2), (0.45, 0)])
def test_on_a_line_certificate_and_attack_of_the_nearest_neighbour_meet(eps, safe):
    # the border is at 0.5: a point is safe if it is farther from it than eps
    found = NearestNeighbour(data="line", eps=eps, tested=4, rivals=1).measure(Line())
    assert found["accuracy"]["value"] == 1
    assert intervals.outcomes(found["certified"]).sum() == safe
    assert intervals.outcomes(found["attacked"]).sum() == safe


def test_no_image_is_certified_and_fooled():
    run = NearestNeighbour(data="digits", eps=0.08, tested=40, rivals=10)
    found = run.measure(runs.Context())
    certified, astute = (intervals.outcomes(found[k]) for k in ("certified", "attacked"))
    assert 0 < certified.sum() < len(certified)
    assert not (certified & ~astute).any()


def test_the_closest_pair_is_as_far_apart_as_it_says():
    (run, *_) = runs.study("closer/closest-pairs").at("smoke")
    result = run.measure(runs.Context())
    pair = closer.pixels(result)
    assert pair.shape == (2, 1, 28, 28)
    assert round(255 * np.abs(pair[0] - pair[1]).max()) == result["levels"]
    train = data.pixels("digits").x
    assert np.array_equal((255 * pair[1]).round(), train[result["places"][1]])


def test_the_official_variants_stand_for_their_methods_only_when_asked():
    planned = [(run, None) for run in runs.study("closer/mnist").at("cpu")]
    labels = {
        variants: [
            (r["method"], r["parameter"]) for r in methods.mnist_table(planned, "best", variants)
        ]
        for variants in ("published", "official", "both")
    }
    assert len(labels["published"]) == len(labels["official"]) == 10
    assert len(set(labels["both"])) == 12
    assert set(labels["published"]) == set(labels["official"])


def test_pairs_of_the_dropout_table_are_without_and_with():
    rows = [
        {"dataset": "d", "method": "AT", "parameter": None, "dropout": word}
        for word in ("True", "False")
    ]
    rows.append({"dataset": "d", "method": "GR", "parameter": None, "dropout": "False"})
    ((name, without, with_),) = closer.dropout_pairs(rows)
    assert (name, without["dropout"], with_["dropout"]) == ("d AT", "False", "True")
