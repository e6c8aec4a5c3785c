"""The live page embeds what the library finds, and its script finds the same."""

import base64
import json
import math
import re
import shutil
import subprocess

import numpy as np
import pytest
import torch

from astute import ROOT, live, transforms
from astute.live import Setting

SCRIPT = ROOT / "book/_static/variants.js"
NODE = shutil.which("node")


@pytest.fixture(scope="module")
def page():
    return live.Page()


@pytest.fixture(scope="module")
def embedded(page):
    """What a browser reads out of the page."""
    held = re.search(r'<script type="application/json">(.*?)</script>', page._repr_html_(), re.S)
    return json.loads(held[1])


def pixels(embedded):
    levels = np.frombuffer(base64.b64decode(embedded["pixels"]), np.uint8)
    return torch.tensor(levels.reshape(embedded["shape"])).double() / 255


def test_the_embedded_numbers_are_the_librarys_of_the_embedded_images(embedded):
    x, y = pixels(embedded), torch.tensor(embedded["labels"])
    assert y.bincount().tolist() == [3] * 10
    assert len(embedded["checks"]) == len(live.CHECKS)
    for check, setting in zip(embedded["checks"], live.CHECKS, strict=True):
        told = {k: math.inf if v == "inf" else v for k, v in check["setting"].items()}
        assert Setting(**told) == setting
        found = live.numbers(setting, x, y)
        assert check["volume"] == pytest.approx(found["volume"], abs=1e-9)
        assert check["distance"] == pytest.approx(found["distance"], abs=1e-6)
        assert check["histogram"] == pytest.approx(found["histogram"], abs=1e-12)


def test_the_embedded_numbers_follow_from_the_definitions(embedded):
    """By loops over pixels and images, without the library."""
    x, y, eps = pixels(embedded).numpy(), embedded["labels"], embedded["eps"]
    room = np.minimum(x + eps, 1) - np.maximum(x - eps, 0)
    first = embedded["checks"][0]
    assert first["volume"] == pytest.approx(np.log2(room).sum() / 30)
    near = [
        np.mean(sorted(np.linalg.norm(x[i] - x[j]) for j in range(30) if y[j] != y[i])[:3])
        for i in range(30)
    ]
    nearest = [min(near[i] for i in range(30) if y[i] == label) for label in range(10)]
    assert first["distance"] == pytest.approx(np.mean(nearest), rel=1e-6)
    assert first["histogram"][0] == pytest.approx((x < 1 / embedded["bins"]).mean())


def test_steps_come_in_the_order_of_the_sliders_and_neutral_ones_are_left_out():
    x = torch.rand(2, 1, 9, 9, generator=torch.Generator().manual_seed(0))
    assert Setting()(x) is x
    both = transforms.Gamma(gamma=2.0)(transforms.Saturate(level=4)(x))
    assert torch.equal(Setting(level=4, gamma=2.0)(x), both)
    assert not torch.equal(both, transforms.Saturate(level=4)(transforms.Gamma(gamma=2.0)(x)))


def test_no_histogram_hangs_on_a_rounding(embedded):
    """Sums and quotients are the same everywhere; powers may differ in the last bit."""
    x = pixels(embedded)
    for setting in live.CHECKS:
        at = live.BINS * setting(x)
        gap = (at - at.round()).abs()[(at > 1e-6) & (at < live.BINS - 1e-6)]
        if setting.gamma != 1 or setting.level not in (2, math.inf):
            assert gap.min() > 1e-9, setting


@pytest.mark.skipif(NODE is None, reason="needs node to run the page's script outside a browser")
def test_the_script_meets_the_librarys_numbers(embedded):
    program = (
        f"const v = require({json.dumps(str(SCRIPT))});"
        "const data = JSON.parse(require('fs').readFileSync(0, 'utf8'));"
        "const bent = structuredClone(data); bent.checks[5].distance += 0.001;"
        "console.log(JSON.stringify([v.check(data), v.check(bent)]));"
    )
    command = [NODE, "-e", program]
    done = subprocess.run(
        command, input=json.dumps(embedded), capture_output=True, text=True, check=True
    )
    off, bent = json.loads(done.stdout)
    assert off["agrees"]
    assert off["settings"] == len(live.CHECKS)
    assert off["volume"] < 1e-8
    assert off["distance"] < 1e-5
    assert not bent["agrees"]


def test_the_page_loads_its_script_from_the_book_and_nothing_from_elsewhere(page):
    found = re.findall(r'src="([^"]+)"', page._repr_html_())
    assert found == [f"../../_static/{SCRIPT.name}"]
    assert SCRIPT.exists()
    code = SCRIPT.read_text()
    urls = set(re.findall(r"https?://[^\"']+", code))
    assert urls == {"http://www.w3.org/2000/svg"}  # the name of a namespace; nothing is fetched
    assert not re.search(r"\b(fetch|XMLHttpRequest|import|eval|innerHTML)\b", code)


def test_without_a_browser_the_page_says_where_to_look(page):
    assert "need JavaScript" in str(page)
    assert "need JavaScript" in page._repr_html_()
