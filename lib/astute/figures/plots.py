"""Pictures: legible in light and dark, the same bytes from run to run."""

import html
import io
import re

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from IPython.display import display
from PIL import Image

INK = "#6b7280"  # axes and letters: replaced by the page's own colour when shown
CYCLE = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")  # Okabe & Ito, 2008
STYLE = {
    **dict.fromkeys(("figure.facecolor", "axes.facecolor", "savefig.facecolor"), "none"),
    **dict.fromkeys(("text.color", "axes.labelcolor", "axes.edgecolor"), INK),
    **dict.fromkeys(("xtick.color", "ytick.color", "grid.color"), INK),
    **dict.fromkeys(("axes.spines.top", "axes.spines.right", "legend.frameon"), False),
    "axes.prop_cycle": mpl.cycler(color=CYCLE),
    "axes.titlesize": "medium",
    "figure.figsize": (5.6, 3.4),
    "figure.constrained_layout.use": True,
    "grid.alpha": 0.3,
    "svg.fonttype": "none",  # letters stay letters: they scale, and a search finds them
    "svg.hashsalt": "astute",
}


def use():
    """Set the style of all figures that follow on this page."""
    plt.rcParams.update(STYLE)


def show(fig, *, alt):
    """Put a figure on the page and close it: inline SVG for the web, PNG for LaTeX.

    An inline SVG sees the page's style sheet, so that axes and letters take its ink in light and
    in dark; an ``<img>`` would get a pale box instead. ``alt`` says in words what is to be seen.
    """
    if not alt.strip():
        raise ValueError("alt is empty; say in a sentence what the figure shows")
    svg, raw, png = io.StringIO(), io.BytesIO(), io.BytesIO()
    common = {"bbox_inches": "tight", "dpi": 110}
    fig.savefig(svg, format="svg", metadata={"Date": None}, transparent=True, **common)
    fig.savefig(raw, format="png", facecolor="white", **common)
    Image.open(raw).convert("RGB").quantize(64).save(png, "png", optimize=True)
    plt.close(fig)
    text = svg.getvalue()
    text = re.sub(r"<metadata>.*?</metadata>", "", text[text.index("<svg") :], flags=re.S)
    text = re.sub(
        r'<g id="[^"]*"', "<g", text
    )  # every figure has an axes_1, a page has many figures
    text = re.sub(INK, f"var(--pst-color-text-muted, {INK})", text, flags=re.I)
    label = f'<svg role="img" aria-label="{html.escape(alt)}"'
    text = f'<div class="astute-figure">{text.replace("<svg", label, 1)}</div>'
    display({"text/html": text, "image/png": png.getvalue(), "text/plain": alt}, raw=True)


def images(grid, *, titles=(), rows=(), cmap="gray", limits=(0.0, 1.0), size=0.9):
    """Rows of small images, each pixel a sharp square.

    Parameters
    ----------
    grid : sequence of rows, each a sequence of images
        An image has shape (H, W), (1, H, W) or (3, H, W) and values in [0, 1]; so ``[x[:8],
        x_adv[:8]]`` shows two batches one above the other. ``None`` leaves a place empty.
    titles, rows : sequence of str
        Words above the columns and left of the rows.
    limits : (float, float)
        Values drawn darkest and lightest; (-eps, eps) with ``cmap="RdBu"`` suits a perturbation.
    size : float
        Side of an image, in inches.

    Returns
    -------
    matplotlib.figure.Figure
        To be given to :func:`show`.
    """
    grid = [[None if image is None else _pixels(image) for image in row] for row in grid]
    shape = len(grid), max(map(len, grid))
    area = (size * shape[1], size * shape[0])
    fig, axes = plt.subplots(*shape, figsize=area, squeeze=False)
    fig.get_layout_engine().set(w_pad=0.02, h_pad=0.02, wspace=0, hspace=0)
    for (i, j), ax in np.ndenumerate(axes):
        ax.set(xticks=[], yticks=[])
        image = grid[i][j] if j < len(grid[i]) else None
        ax.spines[:].set(visible=image is not None, linewidth=0.4)
        if image is not None:
            ax.imshow(image, cmap=cmap, vmin=limits[0], vmax=limits[1], interpolation="none")
    for ax, words in zip(axes[0], titles, strict=False):
        ax.set_title(words, fontsize="small")
    for ax, words in zip(axes[:, 0], rows, strict=False):
        ax.set_ylabel(words, fontsize="small", rotation=0, ha="right", va="center")
    return fig


def _pixels(image):
    """One image as matplotlib takes it: (H, W), (1, H, W) or (3, H, W) -> (H, W) or (H, W, 3)."""
    image = np.asarray(image.detach().cpu() if hasattr(image, "detach") else image, dtype=float)
    if image.ndim == 3 and image.shape[0] in (1, 3):
        image = np.moveaxis(image, 0, -1).clip(0, 1) if image.shape[0] == 3 else image[0]
    elif image.ndim != 2:
        raise ValueError(f"an image has shape (H, W), (1, H, W) or (3, H, W); got {image.shape}")
    return image


#: Panels of `strengths`: their titles and the metrics of the regularisation paper's tables.
PANELS = {
    "gap of losses, nats": ("delta_loss",),
    "gap of accuracies": ("delta_acc",),
    "losses, nats": ("train_loss", "test_loss"),
    "accuracies": ("train_acc", "test_acc"),
}


def strengths(curves, *, shared=False):
    """Gaps, losses and accuracies against adversarial strength: figures 3, 6 and 7 of Wen et al.

    Parameters
    ----------
    curves : dict of str to list of (dict, str, str)
        By the name of a row of panels: {metric: row with cells ``ar0`` to ``ar16``}, a style of
        line, and whose numbers these are. Missing cells are left out.
    shared : bool
        Whether all panels of a metric have one scale.

    Returns
    -------
    matplotlib.figure.Figure
        To be given to :func:`show`.
    """
    size = (9, 2.2 * len(curves))
    alike = {"sharex": True, "sharey": "col" if shared else "none", "squeeze": False}
    fig, axes = plt.subplots(len(curves), 4, figsize=size, **alike)
    for line, (name, sources) in zip(axes, curves.items(), strict=True):
        line[0].set_ylabel(name)
        for ax, (title, metrics) in zip(line, PANELS.items(), strict=True):
            for source, metric in ((s, m) for s in sources for m in metrics):
                _curve(ax, metric, *source)
            ax.set(xticks=[0, 4, 8, 16])
            ax.set_title(title, fontsize="small")
            if ax in axes[0, [0, 3]] and ax.lines:
                ax.legend(fontsize="xx-small")
    fig.supxlabel("strength, of 255", fontsize="small")
    return fig


def _curve(ax, metric, rows, style, whose):
    """One metric over strength: training in the first colour, test and gaps in the second."""
    cells = {a: rows.get(metric, {}).get(f"ar{a}") for a in (0, 4, 8, 16)}
    pairs = [(a, value) for a, value in cells.items() if value is not None]
    word = {"train": "training", "delta": "gap"}.get(metric.split("_")[0], "test")
    if pairs:
        shown = {"color": f"C{word != 'training':d}", "label": f"{whose}, {word}"}
        ax.plot(*zip(*pairs, strict=True), style, ms=4, **shown)
