"""Messages straight from arrays to the bytes that are sent (CDR, OMG DDS-RTPS 2.5 §10).

rclpy reads a message object attribute by attribute: 50 people are 850 keypoints of four fields,
which takes several times as long to serialise as to compute. Here the places of all fields are
worked out once per message class, as a structured NumPy type, and filled column by column. They
follow from the generated class itself, so a changed `.msg` file or another distribution's message
needs no change here. `publisher.publish(bytes)` sends the result as it is: Fast DDS, Cyclone DDS,
Connext and Zenoh all speak CDR.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from jaxtyping import Int
from rosidl_parser.definition import (
    AbstractSequence,
    AbstractString,
    Array,
    BasicType,
    NamespacedType,
)

Lengths = tuple[tuple[str, int], ...]
"""Elements of a sequence, or bytes of a string, by field; those left out are empty."""

ENCAPSULATION = b'\x00\x01\x00\x00'
"""Before every message: plain CDR, least byte first. Alignment counts from behind it."""

# No field needs more than 8 bytes' alignment.
ALIGNMENT = 8
_BASIC: dict[str, str] = {
    'boolean': '?',
    'octet': 'u1',
    'uint8': 'u1',
    'int8': 'i1',
    'uint16': '<u2',
    'int16': '<i2',
    'uint32': '<u4',
    'int32': '<i4',
    'uint64': '<u8',
    'int64': '<i8',
    'float': '<f4',
    'double': '<f8',
}


@dataclass(frozen=True, eq=False)
class Layout:
    """Where the fields of a message lie.

    Attributes:
        dtype: fields by name, nested ones as `bbox.center_x`; a string is bytes with a closing
            zero, a sequence of messages is an array of records. `NAME.length` is what precedes a
            string or sequence; it is filled in.
        size: bytes from the first field to the last.
        alignment: of the first field, so of the whole as an element of a sequence.
        template: one record with the lengths in place and zero elsewhere.
    """

    dtype: np.dtype[np.void]
    size: int
    alignment: int
    template: bytes

    def rows(self, count: int) -> np.ndarray:
        """Return so many records, to be filled in."""
        return np.frombuffer(bytearray(self.template * count), self.dtype)


@lru_cache(maxsize=1024)
def layout_of(message: type, lengths: Lengths = (), phase: int = 0) -> Layout:
    """Return the layout of a message class.

    Args:
        message: generated class.
        lengths: of its strings and sequences.
        phase: where it starts, modulo 8: padding depends on it.

    Raises:
        TypeError: a field has a type that is not covered (wide strings, sequences of strings).
        ValueError: a length is given for what has none.
    """
    walk = _Walk(dict(lengths), phase)
    walk.message('', message)
    unknown = {name for name in walk.lengths if f'{name}.length' not in walk.formats}
    if unknown:
        raise ValueError(
            f'{message.__name__}: expected lengths of strings and sequences only, '
            f'got {", ".join(sorted(unknown))}'
        )
    ends = [
        offset + np.dtype(form).itemsize
        for offset, form in zip(walk.offsets, walk.formats.values(), strict=True)
    ]
    dtype = np.dtype(
        {
            'names': list(walk.formats),
            'formats': list(walk.formats.values()),
            'offsets': [offset - walk.start for offset in walk.offsets],
            'itemsize': max(ends) - walk.start,
        }
    )
    record = np.zeros(1, dtype)
    for name, length in walk.constants.items():
        record[name] = length
    return Layout(dtype, walk.end - walk.start, walk.alignment, record.tobytes())


class _Walk:
    """Goes through the fields in the order in which they are sent."""

    def __init__(self, lengths: dict[str, int], phase: int) -> None:
        self.lengths = lengths
        self.formats: dict[str, Any] = {}
        self.offsets: list[int] = []
        self.constants: dict[str, int] = {}
        self.alignment = 0
        self.start = self.end = phase

    def message(self, prefix: str, message: type) -> None:
        names = message.get_fields_and_field_types()  # type: ignore[attr-defined]
        for name, kind in zip(names, message.SLOT_TYPES, strict=True):  # type: ignore[attr-defined]
            self._field(f'{prefix}{name}', kind)

    def _field(self, name: str, kind: Any) -> None:
        if isinstance(kind, BasicType) and kind.typename in _BASIC:
            self._place(name, _BASIC[kind.typename])
        elif isinstance(kind, NamespacedType):
            self.message(f'{name}.', _class_of(kind))
        elif isinstance(kind, AbstractString):
            # The closing zero counts.
            size = self.lengths.get(name, 0) + 1
            self._length(name, size)
            self._place(name, f'S{size}', alignment=1)
        elif isinstance(kind, Array):
            self._elements(name, kind.value_type, kind.size)
        elif isinstance(kind, AbstractSequence):
            count = self.lengths.get(name, 0)
            self._length(name, count)
            self._elements(name, kind.value_type, count)
        else:
            raise TypeError(f'{name}: fields of {type(kind).__name__} are not covered')

    def _length(self, name: str, length: int) -> None:
        self._place(f'{name}.length', '<u4')
        self.constants[f'{name}.length'] = length

    def _elements(self, name: str, kind: Any, count: int) -> None:
        if isinstance(kind, BasicType) and kind.typename in _BASIC:
            form = np.dtype(_BASIC[kind.typename])
            # An empty sequence needs no padding for the elements that it lacks.
            self._place(name, (form, (count,)), alignment=form.itemsize if count else 1)
        elif not count:
            self._place(name, ('u1', (0,)), alignment=1)
        elif isinstance(kind, NamespacedType):
            self._records(name, layout_of(_class_of(kind)), count)
        else:
            raise TypeError(f'{name}: sequences of {type(kind).__name__} are not covered')

    def _records(self, name: str, element: Layout, count: int) -> None:
        fields: Any = element.dtype.fields
        largest = max(_alignment_of(form) for form, _ in fields.values())
        if element.alignment != largest:
            raise TypeError(f'{name}: its elements are padded differently, which is not covered')
        stride = -(-element.size // largest) * largest
        record: Any = {
            'names': list(fields),
            'formats': [form for form, _ in fields.values()],
            'offsets': [offset for _, offset in fields.values()],
            'itemsize': stride,
        }
        self._place(name, (np.dtype(record), (count,)), alignment=largest)
        # Nothing pads the last element.
        self.end -= stride - element.size

    def _place(self, name: str, form: Any, alignment: int | None = None) -> None:
        size = np.dtype(form).itemsize
        alignment = alignment or size
        self.end = -(-self.end // alignment) * alignment
        if not self.formats:
            self.start, self.alignment = self.end, alignment
        self.formats[name] = form
        self.offsets.append(self.end)
        self.end += size


def _alignment_of(form: np.dtype[Any]) -> int:
    return form.base.itemsize if form.base.kind != 'S' else 1


def _class_of(kind: NamespacedType) -> type:
    found = getattr(importlib.import_module('.'.join(kind.namespaces)), kind.name)
    assert isinstance(found, type)
    return found


def encode(
    message: type,
    lengths: Sequence[Lengths],
    fill: Callable[[np.ndarray, Int[np.ndarray, 'row']], None],
    start: int = 0,
) -> bytes:
    """Return messages of one class one behind the other, as the elements of a sequence.

    Args:
        message: generated class.
        lengths: of each message's strings and sequences.
        fill: gets records of one layout, and which of the messages they are.
        start: bytes before it, from where alignment counts; padding up to the first message is
            part of the result.
    """
    places: list[int] = []
    groups: dict[Layout, list[int]] = {}
    position = start
    # Of the first field, whatever the lengths.
    alignment = layout_of(message).alignment
    for index, each in enumerate(lengths):
        position = -(-position // alignment) * alignment
        layout = layout_of(message, each, position % ALIGNMENT)
        places.append(position - start)
        groups.setdefault(layout, []).append(index)
        position += layout.size
    content = bytearray(position - start)
    for layout, members in groups.items():
        rows = layout.rows(len(members))
        fill(rows, np.array(members))
        data, step = rows.tobytes(), layout.dtype.itemsize
        for number, index in enumerate(members):
            first, at = number * step, places[index]
            content[at : at + layout.size] = data[first : first + layout.size]
    return bytes(content)


def encode_long(
    message: type,
    lengths: Lengths,
    values: dict[str, Any],
    elements: dict[str, np.ndarray],
    start: int = 0,
) -> bytes:
    """Return one message with sequences whose lengths change from image to image.

    A layout per length would be worked out anew each time. An element of a multiple of 8 bytes
    moves nothing behind it out of alignment, so the layout for one element serves for any number.

    Args:
        message: generated class.
        lengths: of the other strings and sequences.
        values: of the other fields.
        elements: per sequence, one row per element: its numbers, little-endian, as they are sent.
        start: as for `encode`.

    Raises:
        ValueError: the rows are not as long as the elements, or these no multiple of 8 bytes.
    """
    few = tuple((name, min(1, len(rows))) for name, rows in elements.items())
    alignment = layout_of(message).alignment
    first = -(-start // alignment) * alignment
    layout = layout_of(message, lengths + few, first % ALIGNMENT)
    record = layout.rows(1)
    for name, value in values.items():
        record[name] = value
    fields: Any = layout.dtype.fields
    present = [(fields[name][1], name) for name, rows in elements.items() if len(rows)]
    for _, name in present:
        record[f'{name}.length'] = len(elements[name])
    data, at, parts = record.tobytes(), 0, [bytes(first - start)]
    for offset, name in sorted(present):
        rows, size = elements[name], layout.dtype[name].itemsize
        if rows[0].nbytes != size or size % ALIGNMENT:
            raise ValueError(
                f'{name}: expected elements of {size} bytes, a multiple of {ALIGNMENT}; '
                f'got {rows[0].nbytes}'
            )
        parts += [data[at:offset], rows.tobytes()]
        at = offset + size
    return b''.join([*parts, data[at : layout.size]])
