"""Data variants against numpy and scipy, and what holds for any image."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import (
    gaussian_filter,
    label,
    map_coordinates,
    sobel,
    uniform_filter,
    uniform_filter1d,
)

from astute import data, papers, transforms
from astute.transforms import (
    Band,
    Binarize,
    Chain,
    Edges,
    Gamma,
    Original,
    Saturate,
    Scale,
    Smooth,
)

EVERY = [
    Original(),
    Binarize(),
    *(Smooth(size=s, kind=kind) for s in (1, 2, 3, 8) for kind in ("column", "square")),
    *(Saturate(level=p) for p in (0.5, 1, 1.75, 2, 8, 512, math.inf)),
    *(Gamma(gamma=g) for g in (0.6, 1, 1.4)),
    *(Scale(factor=f) for f in (0, 0.9, 1)),
    Edges(),
    Chain(parts=(Binarize(), Scale(factor=0.5))),
    *(Band(low=low, high=high) for low, high in ((0, 3), (2, 4), (3, math.inf))),
]
LEVELS = torch.arange(256).double().view(1, 1, 16, 16) / 255
SEED = st.integers(0, 10**6)


def made(seed, shape=(3, 2, 9, 11), dtype=torch.float64):
    """8-bit images with many zeros and ones."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.rand(shape, generator=generator, dtype=dtype) * 2 - 0.5
    return (x.clamp(0, 1) * 255).round() / 255


@pytest.mark.parametrize("size", range(1, 9))
def test_column_smoothing_is_scipys_wrapping_average_along_the_rows_axis(size):
    x = made(size)
    mean = uniform_filter1d(x.numpy(), size, axis=2, mode="wrap")
    want = np.maximum(x.numpy(), mean)
    np.testing.assert_allclose(Smooth(size=size)(x).numpy(), want, atol=1e-12)


@pytest.mark.parametrize("size", range(1, 9))
def test_square_smoothing_is_scipys_average_with_zeros_outside(size):
    x = made(size)
    mean = uniform_filter(x.numpy(), size, axes=(2, 3), mode="constant")
    want = np.maximum(x.numpy(), mean)
    np.testing.assert_allclose(Smooth(size=size, kind="square")(x).numpy(), want, atol=1e-12)


@pytest.mark.parametrize("size", [2, 3, 4, 5])
def test_one_bright_pixel_spreads_to_the_rows_whose_window_holds_it(size):
    """The window of an even size has its extra tap above: it reaches one row further down."""
    x = torch.zeros(1, 1, 9, 5, dtype=torch.float64)
    x[0, 0, 8, 2] = 1
    want = torch.zeros_like(x)
    for row in range(-((size - 1) // 2), size // 2 + 1):
        want[0, 0, (8 + row) % 9, 2] = 1 / size
    want[0, 0, 8, 2] = 1
    assert torch.allclose(Smooth(size=size)(x), want)


@pytest.mark.parametrize("kind", ["column", "square"])
def test_smoothing_over_one_pixel_changes_nothing(kind):
    assert torch.equal(Smooth(size=1, kind=kind)(made(0)), made(0))


@settings(deadline=None, max_examples=40)
@given(SEED, st.integers(1, 8), st.sampled_from(["column", "square"]))
def test_smoothing_only_brightens_and_never_beyond_one(seed, size, kind):
    x = made(seed, dtype=torch.float32)
    smooth = Smooth(size=size, kind=kind)(x)
    assert (smooth >= x).all()
    assert smooth.max() <= 1


@pytest.mark.parametrize("kind", ["column", "square"])
def test_white_stays_white(kind):
    white = torch.ones(1, 1, 12, 12)
    for size in range(1, 13):
        assert Smooth(size=size, kind=kind)(white).max() == 1


@settings(deadline=None, max_examples=40)
@given(SEED, st.floats(0.2, 1000))
def test_saturation_is_the_papers_formula(seed, level):
    x = made(seed)
    v = 2 * x.numpy() - 1
    want = np.sign(v) * np.abs(v) ** (2 / level) / 2 + 0.5
    np.testing.assert_allclose(Saturate(level=level)(x).numpy(), want, atol=1e-12)


@pytest.mark.parametrize("level", [0.5, 1, 1.75, 3, 16, 512, math.inf])
def test_saturation_keeps_the_order_of_levels_and_is_odd_about_a_half(level):
    y = Saturate(level=level)(LEVELS).flatten()
    assert (y.diff() >= 0).all()
    assert torch.allclose(y + y.flip(0), torch.ones(256).double())
    assert y[0] == 0
    assert y[-1] == 1


def test_saturation_two_is_the_identity_to_the_last_bit():
    assert torch.equal(Saturate(level=2)(made(0)), made(0))


def test_infinite_saturation_is_the_limit_and_binarises_8_bit_levels():
    infinite = Saturate(level=math.inf)(LEVELS)
    assert torch.equal(infinite, Binarize()(LEVELS))
    assert torch.equal(infinite, (LEVELS > 0.5).double())
    assert torch.allclose(Saturate(level=1e9)(LEVELS), infinite, atol=1e-6)


def test_a_half_is_rounded_up():
    half = torch.full((1, 1, 1, 1), 0.5)
    assert Binarize()(half) == Saturate(level=math.inf)(half) == 1
    assert Binarize()(torch.nextafter(half, torch.zeros(1))) == 0


def test_more_saturation_pushes_every_pixel_further_out():
    for low, high in ((1, 2), (2, 4), (4, 64)):
        inner, outer = (abs(Saturate(level=p)(LEVELS) - 0.5) for p in (low, high))
        assert (outer >= inner).all()


def test_gamma_is_a_power():
    np.testing.assert_allclose(Gamma(gamma=0.6)(LEVELS), LEVELS.numpy() ** 0.6)
    assert torch.equal(Gamma(gamma=1)(LEVELS), LEVELS)


@pytest.mark.parametrize(
    "variant", [Saturate(level=3), Saturate(level=math.inf), Gamma(gamma=0.6)], ids=str
)
@pytest.mark.parametrize("extra", [0, 1])
def test_looking_levels_up_changes_a_rounding_at_most_and_other_pixels_are_computed(
    variant, extra, generator
):
    levels = torch.randint(0, 256, (2 * transforms.BLOCK + 2 + extra,), generator=generator) / 255
    x = levels.view(-1, 1, 1, 1)

    def computed():
        return torch.cat([variant(part) for part in x.split(1000)])  # too few for a table

    torch.testing.assert_close(variant(x), computed(), rtol=0, atol=1e-7)
    x[-2] += 0.3 / 255  # the last block is no longer of levels
    torch.testing.assert_close(variant(x), computed(), rtol=0, atol=1e-7)


def canny(plane, sigma, low, high):
    """Canny's edges of one (H, W) array in double precision, pixel by pixel."""
    whole = gaussian_filter(np.ones_like(plane), sigma, mode="constant", truncate=4)
    smoothed = gaussian_filter(plane, sigma, mode="constant", truncate=4) / whole
    i, j = sobel(smoothed, 0), sobel(smoothed, 1)
    length = np.hypot(i, j)
    crest = np.zeros(plane.shape, bool)
    for r, c in np.argwhere(length[1:-1, 1:-1] >= low) + 1:
        a, b = np.abs([i[r, c], j[r, c]]) / np.abs([i[r, c], j[r, c]]).max()
        # One step along the gradient, to the side of the square of eight neighbours.
        ahead, behind = (
            map_coordinates(
                length, [[r + s * a * np.sign(i[r, c])], [c + s * b * np.sign(j[r, c])]], order=1
            )
            for s in (1, -1)
        )
        crest[r, c] = max(ahead[0], behind[0]) <= length[r, c] * (1 + 1e-12)
    parts, _ = label(crest, np.ones((3, 3)))
    return np.isin(parts, parts[crest & (length >= high)]) & crest


@pytest.mark.parametrize("sigma", [0.7, 1.0, 2.0])
def test_edges_are_those_of_canny_pixel_by_pixel(sigma, generator):
    x = torch.randn(6, 2, 20, 17, generator=generator, dtype=torch.float64)
    for _ in range(2):
        x = torch.nn.functional.avg_pool2d(x, 3, 1, 1)
    x = (x + 0.5).clamp(0, 1)
    found = Edges(sigma=sigma, low=0.2, high=0.5)(x)
    expected = [[canny(c.numpy(), sigma, 0.2, 0.5) for c in image] for image in x]
    assert np.array_equal(found.numpy(), np.array(expected))
    assert 0.02 < found.mean() < 0.4


def test_edges_are_scikit_images():
    feature = pytest.importorskip("skimage.feature", reason="scikit-image is not installed")
    x = data.load("digits", limit=40).x
    expected = np.stack([feature.canny(image[0].astype(np.float64)) for image in x.numpy()])
    assert (Edges()(x)[:, 0].bool().numpy() != expected).mean() <= 3e-5
    assert expected.mean() > 0.05


def test_scaling_shrinks_every_distance_by_its_factor():
    x = made(4)
    a, b = Scale(factor=0.7)(x).flatten(1)[:2]
    before = (x[0] - x[1]).flatten()
    assert torch.allclose(a - b, 0.7 * before)
    assert (Scale(factor=0)(x) == 0.5).all()
    assert torch.allclose(Scale(factor=1)(x), x)


def test_the_labels_are_the_rows_of_the_papers_table_2():
    variants = [Binarize(), Original(), *(Smooth(size=s) for s in range(2, 9))]
    assert [v.label for v in variants] == [r["variant"] for r in papers.table("sens_table2")]


def test_the_labels_are_the_rows_of_the_papers_table_3():
    levels = (1, 1.5, 1.75, 2, 2.25, 2.5, 3, 4, 8, 16, 64, 128, 256, math.inf)
    labels = [Saturate(level=p).label for p in levels]
    assert labels == [r["variant"] for r in papers.table("sens_table3")]


def test_no_two_variants_of_one_kind_share_a_label():
    for kind in (Smooth, Saturate, Gamma, Scale):
        labels = [repr(v.label) for v in EVERY if isinstance(v, kind)]
        kinds = 2 if kind is Smooth else 1  # the two readings of a size have one label
        assert len(set(labels)) * kinds == len(labels)


@pytest.mark.parametrize("variant", EVERY, ids=str)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_every_variant_stays_in_the_box_with_shape_and_dtype(variant, dtype):
    x = made(5, dtype=dtype)
    y = variant(x)
    assert y.shape == x.shape
    assert y.dtype == dtype
    assert y.min() >= 0
    assert y.max() <= 1


@pytest.mark.parametrize("variant", EVERY, ids=str)
def test_no_variant_changes_or_shares_its_argument(variant):
    x = made(6)
    y = variant(x)
    assert y.data_ptr() != x.data_ptr()
    y.zero_()
    assert torch.equal(x, made(6))


@pytest.mark.parametrize("variant", EVERY, ids=str)
def test_no_image_depends_on_its_batch(variant):
    x = made(7)
    alone = torch.cat([variant(x[i : i + 1]) for i in range(len(x))])
    assert torch.equal(variant(x), alone)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Smooth(size=3, kind="row"), 'kind is "column" or "square"; got \'row\''),
        (lambda: Smooth(size=0), "size is a number of pixels, at least 1; got 0"),
        (lambda: Smooth(size=10)(torch.zeros(1, 1, 9, 11)), "at most the image side 9; got 10"),
        (lambda: Saturate(level=0), "level is positive, or inf to binarise; got 0"),
        (lambda: Saturate(level=math.nan), "level is positive, or inf to binarise; got nan"),
        (lambda: Gamma(gamma=0), "gamma is a positive number; got 0"),
        (lambda: Gamma(gamma=math.inf), "gamma is a positive number; got inf"),
        (lambda: Scale(factor=1.1), r"factor lies in \[0, 1\], else pixels leave the box; got 1.1"),
        (lambda: Edges(sigma=0), "sigma is positive, and 0 < low <= high; got 0, 0.1, 0.2"),
        (lambda: Edges(low=0.3), "low <= high; got 1, 0.3, 0.2"),
        (lambda: Scale(factor=-0.1), r"factor lies in \[0, 1\]"),
    ],
)
def test_levels_that_make_no_sense_are_refused(make, words):
    with pytest.raises(ValueError, match=words):
        make()


def test_every_variant_of_the_module_is_tested_here():
    public = {v for v in vars(transforms).values() if hasattr(v, "label")}
    assert public == {type(v) for v in EVERY}


@pytest.mark.parametrize("size", [(8, 8), (7, 10)])
def test_a_band_is_what_a_full_fourier_transform_keeps(size):
    x = torch.rand(2, 3, *size, generator=torch.Generator().manual_seed(0))
    rows, columns = (np.fft.fftfreq(n, 1 / n) for n in size)
    length = np.hypot(rows[:, None], columns)
    for low, high in ((0, 2), (1.5, 3), (3, np.inf)):
        kept = np.fft.fft2(x.numpy()) * ((length >= low) & (length < high))
        expected = np.fft.ifft2(kept).real
        assert np.allclose(Band(low=low, high=high).part(x), expected, atol=1e-6)


def test_adjoining_bands_add_up_to_the_image():
    x = data.natural_patches(4)
    bands = [Band(high=6), Band(low=6, high=12), Band(low=12)]
    assert torch.allclose(sum(band.part(x) for band in bands), x, atol=1e-6)
    shown = [band(x) for band in bands]
    assert all(0 <= part.min() <= part.max() <= 1 for part in shown)


def test_a_flat_image_is_all_low_frequency_and_a_band_without_it_is_grey():
    x = torch.full((1, 1, 6, 6), 0.3)
    assert torch.allclose(Band(high=1)(x), x)
    assert torch.allclose(Band(low=1)(x), torch.full_like(x, 0.5))


def test_an_empty_band_is_refused():
    with pytest.raises(ValueError, match="from low to a higher frequency; got 3 to 3"):
        Band(low=3, high=3)
