"""Blocks of a matrix product whose sums stay in registers, and blocks that are transposed there.

Loops cannot say that: what a compiler keeps of sixteen sums in a loop over rows and columns goes to memory and back at
every step. So these are written in the compiler's own language, with vectors for types.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

LANES = 16
"""Columns of a block: a register with AVX-512, two without."""
_FUSED = ("contract",)
_WORD = ir.IntType(64)


def _block(height: int) -> Any:
    """``block(a, b, out, row, column)`` adds to ``height`` rows and `LANES` columns of out (R, n) those of the product
    of a (R, K), of any strides, and b (K, n); b and out have contiguous rows."""

    def block(context: Any, a: Any, b: Any, out: Any, row: Any, column: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            cell = context.get_value_type(a.dtype)
            lanes, size = ir.VectorType(cell, LANES), context.get_abi_sizeof(cell)

            def at(start: Any, steps: Any, stride: Any) -> Any:
                return builder.gep(start, [builder.mul(steps, stride)])

            (left, (_, depth), (down, across)), (right, _, (next_row, _)), (target, _, (width, _)) = (
                _opened(context, builder, signature.args[number], arguments[number]) for number in range(3)
            )
            first, rows = arguments[4], [builder.add(arguments[3], _WORD(number)) for number in range(height)]
            right, target = (at(start, first, _WORD(size)) for start in (right, target))
            lefts = [at(left, row, down) for row in rows]
            targets = [builder.bitcast(at(target, row, width), lanes.as_pointer()) for row in rows]
            sums = [cgutils.alloca_once_value(builder, builder.load(target, align=size)) for target in targets]
            with cgutils.for_range(builder, depth) as loop:
                values = builder.load(builder.bitcast(at(right, loop.index, next_row), lanes.as_pointer()), align=size)
                for left, total in zip(lefts, sums, strict=True):
                    factor = builder.load(builder.bitcast(at(left, loop.index, across), cell.as_pointer()))
                    product = builder.fmul(_spread(builder, factor, lanes), values, flags=_FUSED)
                    builder.store(builder.fadd(builder.load(total), product, flags=_FUSED), total)
            for target, total in zip(targets, sums, strict=True):
                builder.store(builder.load(total), target, align=size)
            return context.get_dummy_value()

        return types.void(a, b, out, types.int64, types.int64), generate

    return intrinsic(block)


def _opened(context: Any, builder: Any, kind: Any, argument: Any) -> tuple[Any, list[Any], list[Any]]:
    """The first byte of an array, its shape and its strides."""
    array = context.make_array(kind)(context, builder, argument)
    parts = (cgutils.unpack_tuple(builder, part) for part in (array.shape, array.strides))
    return builder.bitcast(array.data, ir.IntType(8).as_pointer()), *parts


def _transpose(_: Any, a: Any, out: Any, row: Any, column: Any) -> Any:
    """The type and the code of `transpose`."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        cell = context.get_value_type(a.dtype)
        lanes, size = ir.VectorType(cell, LANES), context.get_abi_sizeof(cell)

        def lines(number: int, row: Any, column: Any) -> list[Any]:
            start, _, (down, _) = _opened(context, builder, signature.args[number], arguments[number])
            start = builder.gep(start, [builder.add(builder.mul(row, down), builder.mul(column, _WORD(size)))])
            steps = [builder.gep(start, [builder.mul(down, _WORD(line))]) for line in range(LANES)]
            return [builder.bitcast(step, lanes.as_pointer()) for step in steps]

        block = [builder.load(line, align=size) for line in lines(0, *arguments[2:])]
        half = LANES // 2
        while half:  # two quarters of the block change places, then two of every quarter, and so on
            for line in range(LANES):
                if not line & half:
                    block[line], block[line + half] = _exchanged(builder, block[line], block[line + half], half)
            half //= 2
        for line, target in zip(block, lines(1, *reversed(arguments[2:])), strict=True):
            builder.store(line, target, align=size)
        return context.get_dummy_value()

    return types.void(a, out, types.int64, types.int64), generate


def _exchanged(builder: Any, upper: Any, lower: Any, half: int) -> tuple[Any, Any]:
    """Two lines after each second run of ``half`` lanes of the upper one and the run before it in the lower one changed
    places."""
    of_upper = [lane + LANES - half if lane & half else lane for lane in range(LANES)]
    of_lower = [lane + LANES if lane & half else lane + half for lane in range(LANES)]
    order = ir.VectorType(ir.IntType(32), LANES)
    first, second = (builder.shuffle_vector(upper, lower, ir.Constant(order, lanes)) for lanes in (of_upper, of_lower))
    return first, second


def _spread(builder: Any, value: Any, lanes: Any) -> Any:
    """A vector of one value."""
    nothing, number = ir.Constant(lanes, ir.Undefined), ir.IntType(32)
    first = ir.Constant(ir.VectorType(number, LANES), [0] * LANES)
    return builder.shuffle_vector(builder.insert_element(nothing, value, number(0)), nothing, first)


TALL = 6
"""Rows of the largest block: its sums and what they are made of just fit the registers without AVX-512."""
tall, block_of_4, block_of_2, block_of_1 = _block(TALL), _block(4), _block(2), _block(1)
transpose: Any = intrinsic(_transpose)
"""``transpose(a, out, row, column)`` puts the `LANES` rows and columns of a from there on into columns and rows of out,
both with contiguous rows."""
