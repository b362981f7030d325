"""The component's resource `object`: one state, and the calls that the host makes.

The module must have this name, which is that of the interface.
"""

import functools
import json

import sdk.no_chance  # noqa: F401, I001 (before the type takes names of it)
import app
from componentize_py_types import Err
from sdk.cbor import decode, encode
from sdk.replicant import UNREAD, Context, Crdt, Random, Refusal, Stable
from wit_world.exports import op_based
from wit_world.imports import log, types

ERROR = 0
"""The level of the log for what went wrong."""


def telling(call):
    """The same call; but what it raises, and does not mean to, is told to the node's log. It ends the
    call as a trap, which has no words of its own.
    """

    @functools.wraps(call)
    def told(self, *arguments):
        try:
            return call(self, *arguments)
        except Err:
            raise
        except Exception as error:
            log.write(ERROR, f"{error!r}{_place_of(error)}")
            raise

    return told


def _place_of(error: Exception) -> str:
    """Where an exception was raised. (The module `traceback` would look for the source files.)"""
    place, step = "", error.__traceback__
    while step is not None:
        place = f" ({step.tb_frame.f_code.co_filename}, line {step.tb_lineno})"
        step = step.tb_next
    return place


class Object(op_based.Object):
    def __init__(self) -> None:
        self.state = app.Type()

    @classmethod
    def load(cls, saved: bytes, from_version: str):
        about, loaded = app.ABOUT, cls()
        migrates = type(loaded.state).load_from is not Crdt.load_from
        if not migrates and _series(from_version) != _series(about.version):
            raise Err(f"version {about.version} reads no state of version {from_version}")
        try:
            loaded.state.load_from(decode(saved), from_version)
        except Exception as error:
            raise Err(f"no saved state of {about.name} {from_version}: {error}") from None
        return loaded

    @telling
    def update(self, context, commands, events: bool):
        ops, made, refusals, told = [], [], [], []
        for index, command in enumerate(_unpack(commands)):
            counter = context.counter + len(ops)
            at = Context(context.timestamp, context.replica, counter, context.schema)
            try:
                op = self.state.prepare(at, _read_command(command))
            except Refusal as refusal:
                refusals.append(types.Refusal(index, str(refusal)))
                continue
            if op is None:
                continue
            # Applied from its bytes, so that what is applied here is what is applied elsewhere.
            encoded = encode(op)
            self._effect(at, encoded, told)
            ops.append(encoded)
            made.append(index)
        return types.Updated(_pack(ops), made, refusals, _pack(told if events else []))

    @telling
    def apply(self, run, events: bool):
        told = []
        if run.schema not in app.ABOUT.reads:
            log.unread(len(run.counters))
            return _pack(told)
        for counter, op in zip(run.counters, _unpack(run.ops)):
            self._effect(Context(run.timestamp, run.replica, counter, run.schema), op, told)
        return _pack(told if events else [])

    @telling
    def query(self, query):
        try:
            question = "value" if query is None else decode(query)
        except ValueError as error:
            raise Err(f"no query: {error}") from None
        if question == "value":
            return encode(self.state.value())
        try:
            answer = self.state.query(question)
        except Refusal as refusal:
            raise Err(str(refusal)) from None
        return encode(answer)

    @telling
    def save(self) -> bytes:
        return encode(self.state.save())

    @telling
    def compact(self, stable, floor: int, number: int) -> bool:
        counters = {dot.replica: dot.counter for dot in stable}
        return self.state.compact(Stable(counters), floor, number)

    @telling
    def sample(self, seed: int) -> bytes:
        return encode(self.state.sample(Random(seed)))

    def _effect(self, context, data: bytes, told: list) -> None:
        try:
            op = decode(data)
        except ValueError:
            log.unread(1)  # Damaged: it has no effect, here as elsewhere.
            return
        event = self.state.effect(context, op)
        if event is UNREAD:
            log.unread(1)
        elif event is not None:
            told.append(encode(event))


def _read_command(data: bytes):
    try:
        return decode(data)
    except ValueError as error:
        schema = json.dumps(app.ABOUT.command_schema)
        raise Refusal(f"no command: {error}; expected {schema}") from None


def _series(version: str) -> list[str]:
    """What versions have in common that read each other's states."""
    numbers = version.split(".")
    return numbers[:2] if numbers[0] == "0" else numbers[:1]


def _unpack(packed) -> list[bytes]:
    begins = [0, *packed.ends]
    return [packed.bytes[begin:end] for begin, end in zip(begins, packed.ends)]


def _pack(items: list[bytes]):
    ends, end = [], 0
    for item in items:
        end += len(item)
        ends.append(end)
    return types.Packed(b"".join(items), ends)
