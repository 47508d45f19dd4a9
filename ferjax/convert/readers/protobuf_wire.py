"""Reads the fields of protobuf messages: only the wire format, without a schema or copies."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

# A varint holds seven bits per byte and at most 64 bits in all.
_LONGEST_VARINT = 10
_FIXED_SIZES = {1: 8, 5: 4}  # wire type → bytes
# Large language models have some 10^5 operations of about ten fields.
_MOST_FIELDS = 2_000_000

# Position of a value's first byte in the file, and of the byte after its last one.
Span = tuple[int, int]
# Value of a field: the integer of a varint, otherwise the span of its text, message or numbers.
Value = int | Span


class WireError(ValueError):
    """The bytes are not the expected protobuf message."""


@dataclass(frozen=True)
class Wire:
    """The bytes of a file of protobuf messages.

    Each field that is read takes at least one byte of the content and one item of the budget, so
    that no content can keep a reader busy for long. All methods raise `WireError` for a value that
    is missing or has another type.

    Attributes:
      content: the bytes.
      budget: one item for each field or number that may still be read, in all messages together.
    """

    content: memoryview
    budget: Iterator[int] = field(default_factory=lambda: iter(range(_MOST_FIELDS)))

    def fields(self, span: Span) -> Iterator[tuple[int, Value]]:
        """Yields (field number, value) of the message in a span."""
        position, end = span
        while position < end:
            self._spend()
            start = position
            tag, position = self._varint(position, end)
            number, wire_type = tag >> 3, tag & 7
            if number == 0 or wire_type not in (0, 1, 2, 5):
                raise WireError(f"no field begins at byte {start:,}")
            if wire_type == 0:
                value, position = self._varint(position, end)
                yield number, value
                continue
            size = _FIXED_SIZES.get(wire_type, 0)
            if wire_type == 2:
                size, position = self._varint(position, end)
            if size > end - position:
                raise WireError(
                    f"at byte {position:,} {size:,} bytes are announced, {end - position:,} follow"
                )
            yield number, (position, position + size)
            position += size

    def text(self, value: Value) -> str:
        """Returns a text; bytes that are not UTF-8 become replacement characters."""
        start, end = self.span(value)
        return bytes(self.content[start:end]).decode("utf-8", "replace")

    def span(self, value: Value) -> Span:
        """Returns the span of a text, message or array."""
        if isinstance(value, int):
            raise WireError(f"the number {value} stands where a text or message is expected")
        return value

    def integer(self, value: Value) -> int:
        """Returns a signed integer."""
        if not isinstance(value, int):
            raise WireError(f"at byte {value[0]:,} a number is expected")
        return value - 2**64 if value >= 2**63 else value

    def integers(self, value: Value) -> list[int]:
        """Returns the signed integers of one occurrence of a repeated field, packed or not."""
        if isinstance(value, int):
            return [self.integer(value)]
        numbers, (position, end) = [], value
        while position < end:
            self._spend()
            number, position = self._varint(position, end)
            numbers.append(self.integer(number))
        return numbers

    def float32(self, value: Value) -> float:
        """Returns a float of four bytes."""
        start, end = self.span(value)
        if end - start != 4:
            raise WireError(f"at byte {start:,} a number of four bytes is expected")
        return struct.unpack("<f", self.content[start:end])[0]

    def _spend(self) -> None:
        """Takes one item of the budget; raises `WireError` if none is left."""
        if next(self.budget, None) is None:
            raise WireError("it has more fields than any network")

    def _varint(self, start: int, end: int) -> tuple[int, int]:
        """Returns the unsigned integer of up to 64 bits at `start`, and the position after it."""
        value = 0
        for i, byte in enumerate(self.content[start : min(end, start + _LONGEST_VARINT)]):
            value |= (byte & 0x7F) << (7 * i)
            if byte < 0x80:
                return value & (2**64 - 1), start + i + 1
        raise WireError(f"the number at byte {start:,} does not end")
