"""Figures and tables of the pages: legible in light and dark, the same bytes from run to run."""

from .boxes import PARTS, Boxes, Verdict, errata, glue, verdict
from .plots import CYCLE, INK, PANELS, STYLE, images, show, strengths, use
from .tables import BADGES, PLUS_MINUS, Table, beside, cell, interval, judgements, table

__all__ = [
    "BADGES",
    "CYCLE",
    "INK",
    "PANELS",
    "PARTS",
    "PLUS_MINUS",
    "STYLE",
    "Boxes",
    "Table",
    "Verdict",
    "beside",
    "cell",
    "errata",
    "glue",
    "images",
    "interval",
    "judgements",
    "show",
    "strengths",
    "table",
    "use",
    "verdict",
]
