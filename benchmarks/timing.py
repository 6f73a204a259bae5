"""Fair timing of alternatives: taken in turns, medians, printed as ratios to the first."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from types import MappingProxyType


def compare(
    title: str,
    alternatives: Mapping[str, Callable[[], object]],
    rounds: int = 15,
    clock: Callable[[], float] = time.perf_counter,
    targets: Mapping[str, float] = MappingProxyType({}),
) -> None:
    """Run the alternatives A B C A B C ... after one warm-up each; print median milliseconds and ratios to the first.

    targets: alternative -> the ratio that it is to stay below
    """
    for function in alternatives.values():
        function()
    times: dict[str, list[float]] = {name: [] for name in alternatives}
    for _ in range(rounds):
        for name, function in alternatives.items():
            started = clock()
            function()
            times[name].append(1000 * (clock() - started))
    first = next(iter(times.values()))
    print(f"\n{title}")
    for name, values in times.items():
        ratio = statistics.median(a / b for a, b in zip(values, first, strict=True))
        target = f"   target {targets[name]:g}" if name in targets else ""
        print(f"  {name:58s} {statistics.median(values):9.2f} ms   x {ratio:.2f}{target}", flush=True)
