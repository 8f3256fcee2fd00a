"""Named tuples of arrays that compiled functions reach through one pointer.

Numba takes a tuple apart at every call, and hands what is in it from function to function one by one. With the hundred
arrays of a search that was a fifteenth of its time, and some of the time of compiling. A pinned tuple is a table in
memory, and an attribute of it is read where it is used.
"""

from __future__ import annotations

import operator
from hashlib import sha256
from typing import Any

import numpy as np
from llvmlite import ir
from numba import typeof, types
from numba.core.datamodel import models
from numba.core.typing.templates import AttributeTemplate
from numba.extending import (
    NativeValue,
    infer_getattr,
    intrinsic,
    lower_getattr_generic,
    overload,
    register_model,
    unbox,
)
from numba.np.arrayobj import populate_array

_SLOT = ir.IntType(64)


class Pinned:
    """A named tuple as compiled functions take it: of arrays, numbers, further named tuples, and lists of such.

    It keeps alive what the tuple holds. Numbers are as they were when it was made; what is in arrays may change.

    Attributes:
        parts: the tuple.
        address: of its table, a row of slots of eight bytes.
    """

    def __init__(self, parts: Any) -> None:
        self.parts, self._inside = parts, [_inside(part) for part in parts]
        slots = [slot for part in self._inside for slot in _slots(part)]
        self._table = np.array(slots, dtype=np.int64)
        self.address: int = self._table.ctypes.data
        fields = tuple(zip(parts._fields, map(typeof, self._inside), strict=True))
        self._numba_type_ = PinnedType(type(parts).__name__, fields)


class _PinnedList:
    """Tuples of one type that are pinned, and a table of their addresses."""

    def __init__(self, parts: list[Any]) -> None:
        self._inside = [Pinned(part) for part in parts]
        self._table = np.array([part.address for part in self._inside], dtype=np.int64)
        self.slots = len(self._table), self._table.ctypes.data
        self._numba_type_ = PinnedListType(typeof(self._inside[0]))


class PinnedType(types.Type):
    """Of a `Pinned`: names and types of its attributes.

    Its name tells types apart, and is short, as it becomes part of every symbol.
    """

    def __init__(self, name: str, fields: tuple[tuple[str, types.Type], ...]) -> None:
        self.fields = dict(fields)
        super().__init__(f"Pinned({name} {sha256(repr(fields).encode()).hexdigest()[:16]})")


class PinnedListType(types.Type):
    """Of a list of tuples that are pinned, all of one type."""

    def __init__(self, of: PinnedType) -> None:
        self.of = of
        super().__init__(f"PinnedList({of})")


def _inside(part: Any) -> Any:
    """A part of a tuple in the form that stays in memory."""
    if isinstance(part, tuple):
        return Pinned(part)
    return _PinnedList(part) if isinstance(part, list) else part


def _slots(part: Any) -> tuple[int, ...]:
    """What a part writes into the table."""
    if isinstance(part, np.ndarray):
        return part.ctypes.data, *part.shape, *part.strides
    if isinstance(part, Pinned):
        return (part.address,)
    if isinstance(part, _PinnedList):
        return part.slots
    return (int(np.frombuffer(np.asarray(part).tobytes().ljust(8, b"\0"), dtype=np.int64)[0]),)


def _size(kind: types.Type) -> int:
    """Slots of a part."""
    if isinstance(kind, types.Array):
        return 1 + 2 * kind.ndim
    return 2 if isinstance(kind, PinnedListType) else 1


@register_model(PinnedType)
class _PinnedModel(models.PrimitiveModel):
    """The address of the table."""

    def __init__(self, manager: Any, kind: PinnedType) -> None:
        super().__init__(manager, kind, _SLOT.as_pointer())


@register_model(PinnedListType)
class _PinnedListModel(models.PrimitiveModel):
    """The address of the two slots that say how long the list is and where its table."""

    def __init__(self, manager: Any, kind: PinnedListType) -> None:
        super().__init__(manager, kind, _SLOT.as_pointer())


@unbox(PinnedType)
def _unboxed(kind: PinnedType, value: Any, c: Any) -> Any:
    address = c.pyapi.object_getattr_string(value, "address")
    pointer = c.pyapi.long_as_voidptr(address)
    c.pyapi.decref(address)
    return NativeValue(c.builder.bitcast(pointer, _SLOT.as_pointer()))


@infer_getattr
class _Attributes(AttributeTemplate):
    key = PinnedType

    def generic_resolve(self, value: PinnedType, attr: str) -> types.Type | None:  # type: ignore[override]
        return value.fields.get(attr)


@lower_getattr_generic(PinnedType)
def _attribute(context: Any, builder: Any, kind: PinnedType, table: Any, name: str) -> Any:
    names = list(kind.fields)
    first = sum(_size(kind.fields[before]) for before in names[: names.index(name)])
    of, slot = kind.fields[name], _at(builder, table, first)
    if isinstance(of, PinnedListType):
        return slot
    if isinstance(of, PinnedType):
        return builder.inttoptr(_read(builder, slot), table.type)
    if not isinstance(of, types.Array):
        place = builder.bitcast(slot, context.get_data_type(of).as_pointer())
        return context.data_model_manager[of].from_data(builder, _read(builder, place))
    data, *sizes = (_read(builder, _at(builder, slot, number)) for number in range(_size(of)))
    array = context.make_array(of)(context, builder)
    itemsize = context.get_constant(types.intp, context.get_abi_sizeof(context.get_data_type(of.dtype)))
    data = builder.inttoptr(data, array.data.type)
    populate_array(array, data, sizes[: of.ndim], sizes[of.ndim :], itemsize, meminfo=None)
    return array._getvalue()


@overload(len)
def _length(items: Any) -> Any:
    def length(items: Any) -> Any:
        return _length_of(items)  # type: ignore[call-arg]

    return length if isinstance(items, PinnedListType) else None


@overload(operator.getitem)
def _item(items: Any, number: Any) -> Any:
    def item(items: Any, number: Any) -> Any:
        return _item_of(items, number)  # type: ignore[call-arg]

    return item if isinstance(items, PinnedListType) else None


@intrinsic
def _length_of(_: Any, items: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return _read(builder, arguments[0])

    return types.int64(items), generate


@intrinsic
def _item_of(_: Any, items: Any, number: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        slots, place = arguments
        table = builder.inttoptr(_read(builder, _at(builder, slots, 1)), slots.type)
        return builder.inttoptr(_read(builder, builder.gep(table, [place])), slots.type)

    return items.of(items, types.int64), generate


def _at(builder: Any, table: Any, number: int) -> Any:
    return builder.gep(table, [_SLOT(number)])


def _read(builder: Any, place: Any) -> Any:
    """What never changes while compiled code runs, so that it may be read once before a loop."""
    value = builder.load(place)
    value.set_metadata("invariant.load", builder.module.add_metadata([]))
    return value
