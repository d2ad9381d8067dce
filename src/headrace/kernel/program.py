"""Programs: all that is asked of the events of an entity as numbers, which one compiled call carries out.

The sweeps that it calls are those of ``compile``; a request has so few events that to call them one by one, each with
its dozen arrays, would take longer than all of their work.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numba import njit

from headrace.kernel.edges import edges
from headrace.kernel.layout import side_by_side
from headrace.kernel.placing import bits_in_order, scatter
from headrace.kernel.typing import Bools, Counts, Ints

NOTHING, POSITION, WHOLE, SCALED, AS_IS, ORDERED, GIVEN = range(7)
"""How values are prepared: zeros; places of the events; whole numbers, or floats, in units of the resolution; words as
they are; floats in ascending order; or by Python, as they are given."""
PREPARED, LIVE, SWEEP, SETTING = 3, 2, 12, 8
"""Numbers that a program has for each of these."""


def program(parts: Sequence[Any]) -> Ints:
    """Return a program: before each part how many numbers it has.

    Args:
        parts: arrays, in the order in which ``run`` takes them up.
    """
    flat = [np.asarray(part, dtype=np.int64).ravel() for part in parts]
    return np.concatenate([np.concatenate([[len(part)], part]) for part in flat]).astype(np.int64)


def call(code: int, *of_the_sweep: Any) -> None:
    """Call the sweep of the aggregate that a code names; ``compile.runner`` writes it for those that it is made for.

    Arguments behind the code are those of ``running.sweep``, and ``additive``.
    """


def run(
    program: Ints,
    starts: Ints,
    matrix: Ints,
    there: Bools,
    moment: Ints,
    more: Ints,
    holds: Bools,
    found: Ints,
    valid: Bools,
    words: Ints,
    counts: Counts,
) -> None:
    """Carry a program out; this file is compiled with ``call`` in place, see ``compile.runner``.

    Args:
        program: see ``program``.
        starts: [rows + 1] the events of row i, in the total order, are those from ``starts[i]`` up to the next.
        matrix: [3 + columns, events] time, two lines that are not looked at, and the columns.
        there: [columns, events] which values are not null; of width 0 where all are there.
        moment: [rows] microseconds.
        more: [given values, events + rows] values that Python has prepared; those of rows behind those of events.
        holds: [given conditions, events + rows] which of them count.
        found, valid: [columns, rows] results that are one word, and which of them are there, are written here.
        words, counts: [words, rows] and [results, rows] the words and numbers of items of all results, here.
    """
    at = np.int64(0)
    prepared, at = part(program, at)
    lives, at = part(program, at)
    sweeps, at = part(program, at)
    settings, at = part(program, at)
    tail_of, at = part(program, at)
    head_of, at = part(program, at)
    old, at = part(program, at)
    new, at = part(program, at)
    places, at = part(program, at)
    kinds, at = part(program, at)
    rows, events = len(moment), starts[-1]
    segments = side_by_side(starts)
    time = matrix[0]
    tails = np.empty((len(old) // 3, rows), dtype=np.int32)
    heads = np.empty((len(new), rows), dtype=np.int32)
    edges(segments, time, moment, True, old.reshape(len(old) // 3, 3), new, tails, heads)
    values = np.empty((len(prepared) // PREPARED, events), dtype=np.int64)
    for p in range(values.shape[0]):
        prepare(prepared[p * PREPARED : (p + 1) * PREPARED], matrix, more, values[p])
    none, nobody = np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.bool_)
    for s in range(len(sweeps) // SWEEP):
        one = sweeps[s * SWEEP : (s + 1) * SWEEP]
        live, own_live, own_value = nobody, nobody, none
        how, which = lives[one[2] * LIVE], lives[one[2] * LIVE + 1]
        if how == GIVEN:
            live = holds[which, :events]
        elif how == AS_IS and there.shape[1] > 0:
            live = there[which]
        if one[3]:  # the row itself is included
            own_live = holds[which, events:]
            own_value = more[prepared[one[1] * PREPARED + 1], events:]
        call(
            one[0],
            segments,
            time,
            values[one[1]],
            live,
            none,
            none,
            moment,
            none,
            own_value,
            own_live,
            tails,
            heads,
            tail_of[one[4] : one[5]],
            head_of[one[4] : one[5]],
            settings[s * SETTING : (s + 1) * SETTING],
            one[6],
            one[7],
            one[8],
            words,
            one[10],
            counts,
            one[11],
            one[9],
        )
    valid[:] = True
    scatter(words, counts, np.arange(rows), places.reshape(len(kinds), 2), kinds, found, valid)


@njit
def part(program: Ints, at: int) -> tuple[Ints, int]:
    """Return a part of a program, and where the next one begins."""
    return program[at + 1 : at + 1 + program[at]], at + 1 + program[at]


@njit
def prepare(how: Ints, matrix: Ints, more: Ints, out: Ints) -> None:
    """Write the prepared values of all events: how, of which line, in which resolution."""
    kind, line = how[0], how[1]
    if kind == NOTHING:
        out[:] = 0
    elif kind == POSITION:
        for i in range(len(out)):
            out[i] = i
    elif kind == WHOLE:
        for i in range(len(out)):
            out[i] = matrix[line, i] << -how[2]
    elif kind == SCALED:
        factor, floats = math.ldexp(1.0, -how[2]), matrix[line].view(np.float64)
        for i in range(len(out)):
            out[i] = np.int64(np.rint(floats[i] * factor))
    elif kind == AS_IS:
        out[:] = matrix[line]
    elif kind == ORDERED:
        floats = matrix[line].view(np.float64)
        for i in range(len(out)):
            out[i] = bits_in_order(floats[i])
    else:
        out[:] = more[line, : len(out)]
