"""std: square root of the sample variance."""

import math
from dataclasses import replace

from headrace.kernel.aggregate import Plain
from headrace.kernel.aggregates import var
from headrace.kernel.aggregates.var import variance
from headrace.kernel.typing import Floats, Ints


def plain(events: Plain, moment: int, setting: Ints) -> float | None:
    squared = var.plain(events, moment, setting)
    return None if squared is None else math.sqrt(squared)


def finalize(state: Ints, table: Ints, setting: Ints, reals: Floats, moment: int, ints: Ints, floats: Floats) -> int:
    if state[0] < 2:
        return 0
    floats[0] = math.sqrt(variance(state, setting))
    return 1


AGGREGATE = replace(var.AGGREGATE, name="std", plain=plain, finalize=finalize)
