"""CBOR (RFC 8949), as much of it as commands, values and ops need: None, booleans, numbers, texts,
bytes, lists, and dicts with texts as keys.

Keys are written in order, so that equal dicts give equal bytes, whatever order their keys were
added in. Sets have no order that could be kept: make a sorted list of one.
"""

import struct

DEPTH_MAX = 64


def encode(value) -> bytes:
    """Encodes a value."""
    out = bytearray()
    _write(out, value)
    return bytes(out)


def decode(data: bytes):
    """Decodes a value; raises ValueError, which says what is wrong with the bytes."""
    value, at = _read(data, 0, 0)
    if at != len(data):
        raise ValueError(f"{len(data) - at} bytes are left over")
    return value


def _write(out: bytearray, value) -> None:
    if value is None:
        out.append(0xF6)
    elif value is False or value is True:
        out.append(0xF5 if value else 0xF4)
    elif isinstance(value, int):
        _write_head(out, 0 if value >= 0 else 1, value if value >= 0 else -1 - value)
    elif isinstance(value, float):
        out.append(0xFB)
        out += struct.pack(">d", value)
    elif isinstance(value, str):
        text = value.encode("utf-8", "replace")
        _write_head(out, 3, len(text))
        out += text
    elif isinstance(value, (bytes, bytearray)):
        _write_head(out, 2, len(value))
        out += value
    elif isinstance(value, (list, tuple)):
        _write_head(out, 4, len(value))
        for item in value:
            _write(out, item)
    elif isinstance(value, dict):
        _write_head(out, 5, len(value))
        for key in sorted(value):
            _write(out, key)
            _write(out, value[key])
    else:
        raise TypeError(f"CBOR has no {type(value).__name__}")


def _write_head(out: bytearray, kind: int, argument: int) -> None:
    """The first byte and the number that follows it, as short as it can be."""
    if argument < 24:
        out.append(kind << 5 | argument)
        return
    for index, size in enumerate((1, 2, 4, 8)):
        if argument < 1 << 8 * size:
            out.append(kind << 5 | 24 + index)
            out += argument.to_bytes(size, "big")
            return
    raise OverflowError("a number has more than 64 bits")


def _read(data: bytes, at: int, depth: int):
    if depth > DEPTH_MAX:
        raise ValueError("nested too deeply")
    kind, low = data[_end(data, at, 1) - 1] >> 5, data[at] & 31
    at += 1
    if kind == 7:
        return _read_simple(data, at, low)
    if low > 27:
        raise ValueError("lengths must be given")
    argument = low
    if low >= 24:
        begin, at = at, _end(data, at, 1 << low - 24)
        argument = int.from_bytes(data[begin:at], "big")
    if kind == 0:
        return argument, at
    if kind == 1:
        return -1 - argument, at
    if kind in (2, 3):
        begin, at = at, _end(data, at, argument)
        content = data[begin:at]
        return (bytes(content) if kind == 2 else content.decode("utf-8")), at
    # Every item takes a byte, so a length that the rest cannot hold is a lie.
    _end(data, at, argument)
    if kind == 4:
        return _read_list(data, at, depth, argument)
    if kind == 5:
        return _read_dict(data, at, depth, argument)
    raise ValueError("tags are not read")


def _read_list(data: bytes, at: int, depth: int, length: int):
    items = []
    for _ in range(length):
        item, at = _read(data, at, depth + 1)
        items.append(item)
    return items, at


def _read_dict(data: bytes, at: int, depth: int, length: int):
    found = {}
    for _ in range(length):
        key, at = _read(data, at, depth + 1)
        if not isinstance(key, str):
            raise ValueError("a key is not a text")
        if key in found:
            raise ValueError(f"the key {key!r} stands twice")
        found[key], at = _read(data, at, depth + 1)
    return found, at


def _read_simple(data: bytes, at: int, low: int):
    if low in (20, 21):
        return low == 21, at
    if low in (22, 23):
        return None, at
    if low in (25, 26, 27):
        layout = (">e", ">f", ">d")[low - 25]
        end = _end(data, at, struct.calcsize(layout))
        return struct.unpack(layout, data[at:end])[0], end
    raise ValueError(f"there is no simple value {low}")


def _end(data: bytes, at: int, count: int) -> int:
    if count > len(data) - at:
        raise ValueError("it ends too early")
    return at + count
