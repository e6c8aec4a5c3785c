"""Speed as ratios within one run: ours over a reference, timed in turn, medians of the pairs."""

import statistics
import time


def ratio(ours, reference, pairs=5):
    """Median of (seconds of ``ours``) / (seconds of ``reference``) over interleaved pairs.

    Both are called once before, so that neither pays for what is done once.
    """
    ours(), reference()
    found = []
    for _ in range(pairs):
        marks = [time.perf_counter()]
        for function in (ours, reference):
            function()
            marks.append(time.perf_counter())
        found.append((marks[1] - marks[0]) / (marks[2] - marks[1]))
    return statistics.median(found)
