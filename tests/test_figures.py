"""Figures and tables of the pages: same bytes, words for those who cannot see, honest cells."""

import html
import re

import numpy as np
import pytest
from matplotlib import pyplot as plt

from astute import figures, papers, theory


@pytest.fixture
def shown(monkeypatch):
    """What is put on the page, one dictionary of formats for each call."""
    kept = []
    monkeypatch.setattr(figures.plots, "display", lambda data, raw: kept.append(data))
    with plt.rc_context():
        plt.switch_backend("agg")
        figures.use()
        yield kept


def drawing():
    fig, ax = plt.subplots()
    ax.plot([0, 1], [0, 1], marker="o")
    ax.set_xlabel("eps")
    return fig


def test_a_figure_drawn_twice_has_the_same_bytes_and_no_date(shown):
    figures.show(drawing(), alt="a line")
    figures.show(drawing(), alt="a line")
    assert shown[0] == shown[1]
    assert "<metadata" not in shown[0]["text/html"]
    assert not plt.get_fignums()


def test_a_figure_takes_the_ink_of_the_page_and_keeps_its_letters(shown):
    figures.show(drawing(), alt='a "line" < 1')
    text = shown[0]["text/html"]
    assert 'aria-label="a &quot;line&quot; &lt; 1"' in text
    assert "var(--pst-color-text-muted" in text
    assert ">eps</text>" in text
    assert 'id="axes' not in text
    assert shown[0]["image/png"].startswith(b"\x89PNG")


def test_a_figure_without_words_is_refused(shown):
    fig = drawing()
    with pytest.raises(ValueError, match="say in a sentence what the figure shows"):
        figures.show(fig, alt=" ")
    plt.close(fig)


def test_images_of_all_shapes_stand_in_their_places(shown):
    import torch

    grey, colour = np.zeros((3, 1, 5, 4)), torch.ones(2, 3, 5, 4, requires_grad=True)
    fig = figures.images([grey, [colour[0], None, grey[0, 0]]], titles="abc", rows=["one", "two"])
    axes = np.array(fig.axes).reshape(2, 3)
    assert [len(ax.images) for ax in axes.flat] == [1, 1, 1, 1, 0, 1]
    assert axes[1, 0].images[0].get_array().shape == (5, 4, 3)
    assert axes[0, 2].get_title() == "c"
    assert axes[1, 0].get_ylabel() == "two"
    assert axes[0, 0].images[0].get_clim() == (0, 1)
    plt.close(fig)


def test_an_image_of_a_wrong_shape_is_refused(shown):
    with pytest.raises(ValueError, match=r"shape \(H, W\).*got \(2, 5, 4\)"):
        figures.images([np.zeros((1, 2, 5, 4))])


def test_numbers_stand_right_and_words_left():
    made = figures.table(
        [["smooth", 87.2, {"value": 0.5, "low": 0.25, "high": 0.75}], ["gamma", None, None]],
        ["variant", "paper", "ours [95 % interval]"],
    )
    assert made.align == ["left", "right", "right"]
    assert "| smooth | 87.2 | 50.0 [25.0, 75.0] |" in made._repr_markdown_()
    assert '<td class="text-right">50.0 [25.0, 75.0]</td>' in made._repr_html_()


@pytest.mark.parametrize(
    ("words", "colour"),
    [
        ("HOLDS", "success"),
        ("HOLDS WITH FIX", "warning"),
        ("FALSE AS PRINTED", "danger"),
        ("NOT PROVABLE", "muted"),
        ("reproduced", "success"),
        ("not reproduced", "danger"),
        ("undecided", "warning"),
        ("not measured", "muted"),
    ],
)
def test_a_verdict_becomes_a_badge_of_its_colour(words, colour):
    html = figures.table([[words]], ["verdict"])._repr_html_()
    assert f'<span class="sd-badge sd-bg-{colour} sd-bg-text-{colour}">{words}</span>' in html


def test_every_verdict_of_the_register_has_a_colour():
    from astute import claims, papers

    for word in (*papers.VERDICTS, *claims.VERDICTS):
        assert word.lower() in figures.tables.COLOUR


def test_cells_may_hold_formulas_code_and_links_but_no_markup():
    row = [
        r"$\epsilon < 1$ and `a<b`",
        "[page](x.html#y) **bold**",
        "<script>1</script>",
        "a|[b](f′)",
    ]
    made = figures.table([row], ["1", "2", "3", "4"])
    html = made._repr_html_()
    assert r'<span class="math notranslate nohighlight">\(\epsilon &lt; 1\)</span>' in html
    assert "<code>a&lt;b</code>" in html
    assert '<a href="x.html#y">page</a> <strong>bold</strong>' in html
    assert "<script>" not in html
    assert "a|[b](f′)" in html
    assert r"a\|[b](f′)" in made._repr_markdown_()


def test_large_numbers_keep_their_digits_and_huge_ones_do_not():
    made = figures.table([[-12354.0, 29531.7244, 1e12, 0.00012345]], list("abcd"))
    assert made.rows == [["-12354", "29532", "1e+12", "0.0001234"]]
    assert made.align == ["right"] * 4


def test_a_row_with_a_cell_too_many_is_refused():
    with pytest.raises(ValueError, match="a row has 2 cells"):
        figures.table([[1, 2]], ["one"])


def test_an_empty_table_has_its_headings():
    assert figures.table([], ["one", "two"])._repr_markdown_() == "| one | two |\n| --- | --- |"


def test_glued_numbers_are_plain_and_not_displayed(monkeypatch):
    import myst_nb

    kept = []
    monkeypatch.setattr(myst_nb, "glue", lambda *a, **k: kept.append((a, k)))
    figures.glue("gap", np.float64(0.25))
    assert kept == [(("gap", 0.25), {"display": False})]
    assert type(kept[0][0][1]) is float


def test_a_verdict_box_says_what_is_printed_and_what_was_found():
    evidence = theory.Evidence(
        holds=False, corrected=True, control=True, margin=2.0, found="0 < 2", reference={}
    )
    box = figures.verdict("reg/lemma-3.1", evidence)
    statement = papers.statements()["reg/lemma-3.1"]
    text = html.unescape(re.sub("<[^>]+>", "", box._repr_html_()))
    for words in (statement.statement, statement.corrected, statement.counterexample, "0 < 2"):
        assert words in text
        assert words in str(box)
    assert "sd-bg-warning" in box._repr_html_()
    assert "0 < 2" not in str(figures.verdict("reg/lemma-3.1"))


def test_a_verdict_that_its_evidence_does_not_earn_is_refused():
    evidence = theory.Evidence(holds=True, control=True, margin=1.0, found="x", reference={})
    with pytest.raises(ValueError, match="register says HOLDS WITH FIX, its check earns HOLDS: x"):
        figures.verdict("reg/lemma-3.1", evidence)
    with pytest.raises(ValueError, match=r"no statement 'reg/lemma-9'; `astute statements` lists"):
        figures.verdict("reg/lemma-9")


def test_curves_over_strength_leave_out_what_is_missing():
    rows = {"delta_loss": {"ar4": 0.6, "ar16": 0.5}, "train_acc": {"ar0": None}}
    fig = figures.strengths({"a": [(rows, "o-", "ours")], "b": [({}, "x--", "paper")]})
    lines = {ax: ax.lines for ax in fig.axes if ax.lines}
    assert len(fig.axes) == 8
    assert [line.get_xydata().tolist() for ax in lines.values() for line in ax] == [
        [[4, 0.6], [16, 0.5]]
    ]
    assert lines[fig.axes[0]][0].get_label() == "ours, gap"
