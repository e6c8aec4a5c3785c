"""Settings become the same plain data, and the same name, on every machine and in every order."""

import json
import math
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from astute import attacks, models, transforms, values

EVALUATION = attacks.PGD(norm="linf", eps=0.3, step_size=0.01, steps=40, keep="last")
NAME = st.text(max_size=3)
PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | NAME,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAME, inner, max_size=3),
    max_leaves=5,
)


@dataclass(frozen=True, kw_only=True)
class Outer:
    inner: object
    sizes: tuple = ()


def test_a_dataclass_becomes_its_type_and_all_its_fields():
    assert values.config(Outer(inner=models.LeNet(width=0.25), sizes=(1, 2))) == {
        "type": "Outer",
        "inner": {"type": "LeNet", "width": 0.25, "classes": 10},
        "sizes": [1, 2],
    }


def test_nothing_of_an_attack_is_left_out_of_its_configuration():
    for change in (
        {"norm": "l2"},
        {"eps": 0.2},
        {"step_size": 0.02},
        {"steps": 41},
        {"random_start": False},
        {"restarts": 2},
        {"box": False},
        {"loss": "margin"},
        {"keep": "worst"},
    ):
        other = attacks.PGD(**{k: v for k, v in vars(EVALUATION).items()} | change)
        assert values.digest(other) != values.digest(EVALUATION), change


def test_the_name_of_a_known_configuration_never_changes():
    """A new digest here would orphan every committed record: change it on purpose only."""
    assert values.digest(EVALUATION) == "8e89a8856c"
    assert values.digest(["cpu", transforms.Saturate(level=math.inf)]) == "531ba85e4f"
    assert values.digest({}) == "44136fa355"  # the head of sha256("{}")


@settings(deadline=None, max_examples=40)
@given(PLAIN)
def test_configuration_is_json_and_survives_a_round_trip(value):
    once = values.config(value)
    text = json.dumps(once, allow_nan=False)
    assert values.config(json.loads(text)) == once
    assert values.digest(json.loads(text)) == values.digest(value)


@settings(deadline=None, max_examples=40)
@given(st.dictionaries(NAME, PLAIN, max_size=4), st.randoms())
def test_the_order_of_keys_does_not_matter(mapping, random):
    items = list(mapping.items())
    random.shuffle(items)
    assert values.digest(dict(items)) == values.digest(mapping)


def test_equal_settings_have_equal_names():
    """4 and 4.0 are one level: Python says the two settings are equal, so must their names."""
    whole, decimal = transforms.Saturate(level=4), transforms.Saturate(level=4.0)
    assert whole == decimal
    assert values.digest(whole) == values.digest(decimal)


def test_infinity_has_a_name_and_a_sign():
    assert values.config([math.inf, -math.inf]) == ["inf", "-inf"]


def test_nan_is_refused():
    with pytest.raises(ValueError, match="a setting is NaN"):
        values.config({"lr": [math.nan]})


@pytest.mark.parametrize("value", [np.zeros(2), {1, 2}, print, models.LeNet, b"x"])
def test_what_is_not_plain_is_refused_by_its_type(value):
    with pytest.raises(TypeError, match="plain data or a dataclass; got "):
        values.config(value)
