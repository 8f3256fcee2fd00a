"""Ask for memory before it is needed."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from graphlift.serving.codes import LINE

BITS = LINE.bit_length() - 1


def _prefetch(context: Any, array: Any, row: Any) -> Any:
    """The type and the code of `prefetch`."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        view = context.make_array(signature.args[0])(context, builder, arguments[0])
        width = cgutils.unpack_tuple(builder, view.strides)[0]
        byte = ir.IntType(8).as_pointer()
        start = builder.gep(builder.bitcast(view.data, byte), [builder.mul(arguments[1], width)])
        flag = ir.IntType(32)
        call = ir.FunctionType(ir.VoidType(), [byte, flag, flag, flag])
        fetch = cgutils.get_or_insert_function(builder.module, call, "llvm.prefetch.p0")
        lines = builder.lshr(builder.add(width, width.type(LINE - 1)), width.type(BITS))
        with cgutils.for_range(builder, lines) as loop:
            place = builder.gep(start, [builder.shl(loop.index, loop.index.type(BITS))])
            builder.call(fetch, [place, flag(0), flag(3), flag(1)])  # to read, to keep in all caches, data
        return context.get_dummy_value()

    return types.void(array, types.int64), generate


prefetch: Any = intrinsic(_prefetch)
"""``prefetch(array, row)`` has a row of a contiguous array (N, C) brought to the cache while other things are done."""
