"""The bytes that a switch holds, counted object by object from the switch itself."""

import gc
import sys
import types

import msgspec
from exchange import Exchange

_CODE = (type, types.ModuleType, types.FunctionType, types.BuiltinFunctionType, types.CodeType)
_BESIDE = ("exchange", "phones", "sqlalchemy")
"""Modules whose objects are no part of the switch, or the same for any number of calls."""


def held_bytes(exchange: Exchange) -> int:
    """What is reached from the switch, its media worker included, without the phones."""
    gc.collect()
    seen = {id(exchange), id(exchange.loop), id(exchange.wire)}
    waiting: list[object] = [exchange.switch]
    total = 0
    while waiting:
        thing = waiting.pop()
        if id(thing) in seen or isinstance(thing, _CODE):
            continue
        seen.add(id(thing))
        if type(thing).__module__.startswith(_BESIDE):
            continue
        total += sys.getsizeof(thing)
        if isinstance(thing, msgspec.Struct):  # those without gc tell the collector of no fields
            waiting += [getattr(thing, name) for name in thing.__struct_fields__]
        else:
            waiting += gc.get_referents(thing)
    return total
