"""The functions of row expressions: one table, each with its typing and its meaning for a row and for a column."""

from headrace.plan.functions import arithmetic, logic, texts, times
from headrace.plan.functions.function import Function, Refusals, Refused

TABLE: dict[str, Function] = {
    one.name: one
    for family in (arithmetic.FUNCTIONS, logic.FUNCTIONS, times.FUNCTIONS, texts.FUNCTIONS)
    for one in family
}

__all__ = ["TABLE", "Function", "Refusals", "Refused"]
