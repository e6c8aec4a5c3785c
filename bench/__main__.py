"""``python -m bench [ITEM ...] [--write]``: one line per measurement, ours over the reference."""

import argparse
import importlib
import os
from pathlib import Path

import torch

from . import Row, write


def main():
    """Time the items asked for, on one thread unless told otherwise."""
    items = sorted(p.stem for p in Path(__file__).parent.glob("[a-z]*.py"))
    say = argparse.ArgumentParser("python -m bench", description=__doc__)
    say.add_argument("items", nargs="*", metavar="ITEM", help=", ".join(items))
    say.add_argument("--threads", type=int, default=1)
    say.add_argument("--write", action="store_true", help="keep the rows in bench/results")
    args = say.parse_args()
    if unknown := set(args.items) - set(items):
        say.error(f"no such item: {', '.join(sorted(unknown))}; there are {', '.join(items)}")
    os.environ.setdefault("ASTUTE_QUIET", "1")
    torch.set_num_threads(args.threads)
    for item in args.items or items:
        rows = []
        for found in importlib.import_module(f"bench.{item}").measurements():
            rows.append(Row(*found))
            print(f"{item:<11} {rows[-1]}", flush=True)
        if args.write:
            write(item, rows)


main()
