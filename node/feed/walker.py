"""The walker: the only reader of signed protobuf bytes (protos/README.md section 3.1).

Protobuf accepts many encodings of one message, skips what it does not know and takes the last of
two values. A signed message may have one encoding only, so its bytes are walked once, strictly,
and the values used are those the walk itself returns. What it demands of each field stands in the
.proto file as the option ``bound``.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from node.errors import Malformed
from node.v1 import header_pb2

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
FREE_FROM = 32  # unknown fields from here are kept and ignored
FOREIGN_FROM = 64  # and from here the entry is not effective here
NUMBER_MAX = 2**29 - 1

Value = int | bytes | str


@dataclass(frozen=True, slots=True)
class Field:
    """One field as the walker sees it. Zero bounds do not bind."""

    number: int
    name: str
    wire: int
    text: bool
    exact: int
    max: int
    multiple: int
    most: int
    required: bool


@dataclass(frozen=True, slots=True)
class Shape:
    """A message as the walker sees it."""

    name: str
    fields: Mapping[int, Field]
    required: frozenset[int]


@dataclass(frozen=True, slots=True)
class Walked:
    """The values by name; absent ones are missing. ``understood`` is false with a field of 64 or above."""

    values: dict[str, Value]
    understood: bool

    def number(self, name: str) -> int:
        """A number; absent is zero."""
        return cast("int", self.values.get(name, 0))

    def octets(self, name: str) -> bytes:
        """Bytes; absent is empty."""
        return cast("bytes", self.values.get(name, b""))

    def text(self, name: str) -> str:
        """Text; absent is empty."""
        return cast("str", self.values.get(name, ""))


def shape(descriptor: Descriptor) -> Shape:
    """Read a message's shape from its descriptor and the bounds written there."""
    fields = {}
    for field in descriptor.fields:
        bound = field.GetOptions().Extensions[header_pb2.bound]
        wire = BYTES if field.type in (FieldDescriptor.TYPE_BYTES, FieldDescriptor.TYPE_STRING) else VARINT
        fields[field.number] = Field(
            number=field.number,
            name=field.name,
            wire=wire,
            text=field.type == FieldDescriptor.TYPE_STRING,
            exact=bound.exact,
            max=bound.max,
            multiple=bound.multiple,
            most=bound.most,
            required=bound.required,
        )
    required = frozenset(number for number, field in fields.items() if field.required)
    return Shape(descriptor.name, fields, required)


def walk(shape: Shape, data: bytes) -> Walked:
    """Check every byte and return the values; raises Malformed with the rule that is broken."""
    values: dict[str, Value] = {}
    seen: set[int] = set()
    last, at, understood = 0, 0, True
    while at < len(data):
        tag, at = _varint(shape, data, at)
        number, wire = tag >> 3, tag & 7
        if not last < number <= NUMBER_MAX:
            raise Malformed("fields-rising", f"{shape.name} field {number} after field {last}")
        last = number
        field = shape.fields.get(number)
        if field is not None and field.wire != wire:
            raise Malformed("wire-type", f"{shape.name}.{field.name} has wire type {wire}")
        if field is None and number < FREE_FROM:
            raise Malformed("field-unknown", f"{shape.name} has no field {number}")
        value, at = _value(shape, data, at, wire)
        if not value:
            raise Malformed("default-absent", f"{shape.name} field {number} is written though empty")
        if field is None:
            understood = understood and number < FOREIGN_FROM
            continue
        values[field.name] = _bounded(shape, field, value)
        seen.add(number)
    for number in sorted(shape.required - seen):
        raise Malformed("field-required", f"{shape.name}.{shape.fields[number].name} is missing")
    return Walked(values, understood)


def _value(shape: Shape, data: bytes, at: int, wire: int) -> tuple[int | bytes, int]:
    if wire == VARINT:
        return _varint(shape, data, at)
    if wire == BYTES:
        length, at = _varint(shape, data, at)
    elif wire == FIXED64:
        length = 8
    elif wire == FIXED32:
        length = 4
    else:
        raise Malformed("wire-type", f"{shape.name} uses wire type {wire}")
    end = at + length
    if end > len(data):
        raise Malformed("truncated", f"{shape.name} ends inside a value")
    return data[at:end], end


def _varint(shape: Shape, data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if at >= len(data):
            raise Malformed("truncated", f"{shape.name} ends inside a number")
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            break
        shift += 7
        if shift > 63:
            raise Malformed("varint-size", f"{shape.name} has a number of more than 64 bits")
    if byte == 0 and shift:
        raise Malformed("varint-minimal", f"{shape.name} has a number with leading zeros")
    if value >= 1 << 64:
        raise Malformed("varint-size", f"{shape.name} has a number of more than 64 bits")
    return value, at


def _bounded(shape: Shape, field: Field, value: int | bytes) -> Value:
    where = f"{shape.name}.{field.name}"
    if isinstance(value, int):
        if field.most and value > field.most:
            raise Malformed("number-range", f"{where} is {value}, at most {field.most}")
        return value
    size = len(value)
    if field.exact and size != field.exact:
        raise Malformed("length-exact", f"{where} has {size} bytes, needs {field.exact}")
    if field.max and size > field.max:
        raise Malformed("length-max", f"{where} has {size} bytes, at most {field.max}")
    if field.multiple and size % field.multiple:
        raise Malformed("length-multiple", f"{where} has {size} bytes, not a multiple of {field.multiple}")
    if not field.text:
        return value
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Malformed("utf-8", f"{where} is not UTF-8") from error
