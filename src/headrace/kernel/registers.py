"""Words that stay in registers: in an array, each could be changed through any other, so the compiler reads it anew."""

from __future__ import annotations

from typing import Any

from numba import types
from numba.core import cgutils
from numba.extending import intrinsic


@intrinsic(prefer_literal=True)
def difference(typing: Any, table: Any, after: Any, before: Any, words: Any) -> Any:
    """Return row ``after`` minus row ``before`` of an int64 table [rows, words] as a tuple of ``words`` numbers.

    Args:
        table: contiguous.
        after, before: rows.
        words: known when it is compiled.
    """
    if not isinstance(words, types.IntegerLiteral):
        return None

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        data = context.make_array(signature.args[0])(context, builder, args[0]).data

        def row(at: int) -> Any:
            place = context.cast(builder, args[at], signature.args[at], types.intp)
            start = builder.mul(place, context.get_constant(types.intp, words.literal_value))
            return [builder.load(cgutils.gep_inbounds(builder, data, builder.add(start, one))) for one in each]

        each = [context.get_constant(types.intp, word) for word in range(words.literal_value)]
        parts = [builder.sub(later, sooner) for later, sooner in zip(row(1), row(2), strict=True)]
        return context.make_tuple(builder, signature.return_type, parts)

    return types.UniTuple(types.int64, words.literal_value)(table, after, before, words), code
