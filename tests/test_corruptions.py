"""Corruptions: closed forms where there are some, and what holds for all; RmCE by hand."""

import numpy as np
import pytest
import torch
from torch import nn

from astute import corruptions, data, papers
from astute.corruptions import (
    KINDS,
    Corruption,
    coordinates,
    group_accuracies,
    images,
    relative_mce,
)
from astute.values import config


def smooth_images(n, channels, side, seed=0):
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(n, channels, 6, 6, generator=generator)
    return torch.nn.functional.interpolate(coarse, (side, side), mode="bicubic").clamp(0, 1)


@pytest.mark.parametrize("kind", KINDS)
def test_images_stay_images_and_depend_on_seed_and_content_alone(kind):
    for channels, side in ((1, 28), (3, 32)):
        x = smooth_images(3, channels, side)
        before = x.clone()
        corrupt = Corruption(kind=kind, severity=3)
        y = corrupt(x)
        assert y.shape == x.shape
        assert y.dtype == x.dtype
        assert 0 <= y.min() <= y.max() <= 1
        levels = 255 * y
        assert (levels - levels.round()).abs().max() < 1e-4
        assert torch.equal(x, before)
        assert not torch.equal(y, x)
        assert torch.equal(corrupt(x[1:]), y[1:])  # not on the place in the batch
        other = Corruption(kind=kind, severity=3, seed=1)(x)
        fixed = {"defocus_blur", "zoom_blur", "brightness", "contrast", "pixelate"}
        assert torch.equal(other, y) == (kind in fixed | {"jpeg_compression"})


@pytest.mark.parametrize("kind", sorted({*KINDS} - {"elastic_transform"}))  # less shift, more waves
def test_the_worst_severity_changes_more_than_the_mildest(kind):
    x = smooth_images(4, 3, 32, seed=1)
    change = [(Corruption(kind=kind, severity=s)(x) - x).square().mean().item() for s in (1, 3, 5)]
    assert change[0] < change[2]
    assert change[1] < 1.3 * change[2]


@pytest.mark.parametrize("kind", KINDS)
def test_large_images_take_the_constants_of_large_images(kind):
    small, large = corruptions.CONSTANTS[kind]
    assert len(small) == len(large) == 5
    x = smooth_images(1, 3, 72, seed=2)
    assert Corruption(kind=kind, severity=1)(x).shape == x.shape


def test_noise_has_the_moments_that_its_constants_say():
    x = torch.full((1, 3, 64, 64), 0.5)
    gauss = Corruption(kind="gaussian_noise", severity=5)(x)
    assert gauss.std().item() == pytest.approx(0.10, rel=0.05)
    shot = Corruption(kind="shot_noise", severity=1)(x)
    assert shot.std().item() == pytest.approx((0.5 / 500) ** 0.5, rel=0.05)
    impulse = Corruption(kind="impulse_noise", severity=5)(x)
    black, white = ((impulse == v).double().mean().item() for v in (0, 1))
    assert black == pytest.approx(0.035, abs=0.007)
    assert white == pytest.approx(0.035, abs=0.007)


def test_brightness_and_contrast_are_their_formulas():
    x = (255 * smooth_images(2, 3, 32)).round() / 255
    bright = Corruption(kind="brightness", severity=4)(x)
    value = x.amax(1, keepdim=True)
    expected = torch.where(value > 0, x / value * (value + 0.2).clamp(max=1), 0.2)
    torch.testing.assert_close(bright, expected, atol=0.51 / 255, rtol=0)
    flat = Corruption(kind="contrast", severity=5)(x)
    mean = x.mean((2, 3), keepdim=True)
    torch.testing.assert_close(flat, 0.15 * (x - mean) + mean, atol=0.51 / 255, rtol=0)


@pytest.mark.parametrize("kind", ["defocus_blur", "glass_blur", "motion_blur", "zoom_blur"])
def test_a_blur_keeps_a_flat_image_and_lowers_the_variation_of_others(kind):
    for severity in corruptions.SEVERITIES:
        corrupt = Corruption(kind=kind, severity=severity)
        flat = torch.full((1, 3, 32, 32), 102 / 255)
        assert torch.equal(corrupt(flat), flat)
    noisy = torch.rand(2, 1, 32, 32, generator=torch.Generator().manual_seed(0))
    if kind != "zoom_blur":
        assert corrupt(noisy).var() < 0.9 * noisy.var()


def test_pixelate_averages_blocks():
    x = (255 * torch.rand(1, 1, 80, 80, generator=torch.Generator().manual_seed(0))).round() / 255
    y = Corruption(kind="pixelate", severity=5)(x)  # a quarter of the side
    blocks = torch.nn.functional.avg_pool2d(x, 4)
    torch.testing.assert_close(y[:, :, ::4, ::4], blocks, atol=1.1 / 255, rtol=0)
    assert torch.equal(y, y[:, :, ::4, ::4].repeat_interleave(4, 2).repeat_interleave(4, 3))


def test_a_rough_surface_fills_its_range_and_wraps_round():
    chance = np.random.default_rng(0)
    smooth, rough = (images._plasma(64, decay, chance) for decay in (3, 1.2))
    for surface in (smooth, rough):
        assert surface.min() == 0
        assert surface.max() == 1
        steps = abs(np.diff(surface, axis=0))
        assert abs(surface[0] - surface[-1]).mean() < 3 * steps.mean()
    assert abs(np.diff(rough, axis=0)).mean() > 2 * abs(np.diff(smooth, axis=0)).mean()


def test_an_elastic_transform_without_waves_or_shift_is_the_identity():
    image = smooth_images(1, 3, 32)[0].double().permute(1, 2, 0).numpy()
    same = images._elastic_transform(image, np.random.default_rng(0), 0, 0.1, 0)
    np.testing.assert_allclose(same, image, atol=1e-9)


def test_kinds_and_constants_are_those_of_the_reference_table():
    rows = papers.table("reference_alexnet_imagenet_c")
    assert tuple(row["corruption"] for row in rows) == KINDS
    groups = {row["corruption"]: row["category"] for row in rows}
    assert groups == {k: g for g, kinds in corruptions.GROUPS.items() for k in kinds}
    assert config(Corruption(kind="fog", severity=2)) == {
        "type": "Corruption",
        "kind": "fog",
        "severity": 2,
        "seed": 0,
        "version": 1,
    }


def test_accuracies_are_counted_for_every_kind_and_severity():
    part = data.load("digits", "test", limit=8)
    model = nn.Sequential(nn.Flatten(), nn.Linear(784, 10)).eval()
    nn.init.zeros_(model[1].weight)
    model[1].bias.data = torch.nn.functional.one_hot(part.y[0], 10).float()
    found = corruptions.accuracies(model, part.x, part.y, severities=(1, 5))
    assert list(found) == ["clean", *KINDS]
    share = (part.y == part.y[0]).double().mean().item()
    assert found["clean"]["value"] == pytest.approx(share)
    assert all(p["value"] == pytest.approx(share) for kind in KINDS for p in found[kind])
    assert all(len(found[kind]) == 2 for kind in KINDS)


def test_relative_mce_is_a_mean_of_ratios_and_not_a_ratio_of_means():
    base = {"fog": [0.4, 0.2], "snow": [0.45, 0.45]}
    model = {"fog": [0.5, 0.3], "snow": [0.5, 0.4]}
    expected = ((0.7 * 2 - 0.8) / 0.4 + (0.7 * 2 - 0.9) / 0.1) / 2
    assert relative_mce(0.7, model, 0.5, base) == pytest.approx(expected)
    assert relative_mce(0.5, base, 0.5, base) == pytest.approx(1)
    assert relative_mce(0.6, {k: [v + 0.1 for v in vs] for k, vs in base.items()}, 0.5, base) == (
        pytest.approx(1)
    )
    place = coordinates(0.7, model, 0.5, base)
    assert place["accuracy"] == pytest.approx(0.4)
    assert place["robustness"] == pytest.approx(1 - expected)


def test_group_accuracies_are_means_over_their_kinds():
    corrupted = {kind: [i / 100, i / 100 + 0.02] for i, kind in enumerate(KINDS)}
    assert group_accuracies(corrupted) == pytest.approx(
        {"noise": 0.02, "blur": 0.055, "weather": 0.095, "digital": 0.135}
    )


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: Corruption(kind="rain", severity=1), "kind is one of gaussian_noise, .*'rain'"),
        (lambda: Corruption(kind="fog", severity=6), "severity is 1, 2, 3, 4 or 5; got 6"),
        (lambda: Corruption(kind="fog", severity=1, version=2), "version 1 .*; 2 asked"),
        (lambda: Corruption(kind="fog", severity=1)(torch.zeros(1, 3, 32)), "sides of at least 8"),
        (lambda: Corruption(kind="fog", severity=1)(torch.full((1, 3, 9, 9), 9.0)), "Divide 8-bit"),
        (lambda: relative_mce(0.5, {"fog": [0.1]}, 0.5, {"snow": [0.1]}), "same kinds"),
        (lambda: relative_mce(50, {"fog": [0.1]}, 0.5, {"fog": [0.1]}), "fractions.*got 0.1..50"),
        (lambda: relative_mce(0.5, {"fog": [0.1]}, 0.5, {"fog": [0.5]}), "loses nothing under fog"),
        (lambda: group_accuracies({"fog": [0.5]}), "the 15 kinds"),
    ],
)
def test_what_makes_no_sense_is_refused(call, words):
    with pytest.raises(ValueError, match=words):
        call()
