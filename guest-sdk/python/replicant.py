"""Replicant's SDK for Python: a type is a class and what is said of it.

    from sdk.replicant import About, Crdt, Refusal

    ABOUT = About(name="my-type", version="0.1.0", summary="…")

    class Type(Crdt):
        …

What the class must have stands in `Crdt`. Everything else, such as batches, refusals and CBOR, is
done by `component.py` and `op_based.py`. Nothing here needs WebAssembly: a type can be tried and
tested with the Python of your machine.
"""

from dataclasses import dataclass, field

_U64 = (1 << 64) - 1

UNREAD = object()
"""What `effect` returns for an op that it does not know, such as one of a newer version: the op has no
effect, and the node tells that there was one."""


class Refusal(Exception):
    """Raise it in `prepare` or `query`: whoever sent the command or the query reads the message."""


@dataclass(frozen=True, order=True)
class Context:
    """Under what name and at what time an op is made; the same wherever it is applied.

    Replica and counter are the op's dot, which no other op has. Contexts are ordered so that each
    op comes after all that its author had seen. `schema` says how the op is encoded: it is one of
    `About.reads`, and `About.writes` for an op that is made here.
    """

    timestamp: int
    replica: int
    counter: int
    schema: int = field(default=1, compare=False)


@dataclass(frozen=True)
class About:
    """What a type says of itself. Schemas are JSON Schemas, as dicts.

    A version whose ops are others than those of the versions before it `writes` a higher number, and
    still `reads` theirs: ops never go away. `effect` finds the number of an op in its context.
    """

    name: str
    version: str
    summary: str
    command_schema: dict = field(default_factory=dict)
    query_schema: dict = field(default_factory=lambda: {"const": "value"})
    value_schema: dict = field(default_factory=dict)
    event_schema: dict = field(default_factory=dict)
    writes: int = 1
    reads: tuple[int, ...] = (1,)


class Stable:
    """What every future author has seen."""

    def __init__(self, counters: dict[int, int]):
        self._counters = counters

    def contains(self, replica: int, counter: int) -> bool:
        """Whether every op from now on is made by somebody who has applied this one."""
        return counter <= self._counters.get(replica, 0)


class Random:
    """Chance that follows from a seed, for `sample` (SplitMix64)."""

    def __init__(self, seed: int):
        self._state = seed

    def below(self, bound: int) -> int:
        """A number below `bound`."""
        self._state = (self._state + 0x9E3779B97F4A7C15) & _U64
        mixed = self._state
        mixed = ((mixed ^ mixed >> 30) * 0xBF58476D1CE4E5B9) & _U64
        mixed = ((mixed ^ mixed >> 27) * 0x94D049BB133111EB) & _U64
        return (mixed ^ mixed >> 31) * bound >> 64

    def pick(self, items):
        """One of the items of a list that is not empty."""
        return items[self.below(len(items))]

    def word(self) -> str:
        """A short word. Few enough exist that the same ones come again soon."""
        return "".join(self.pick("abcdef") for _ in range(1 + self.below(2)))


class Crdt:
    """What a type is: one instance of the class is the state of one object on one replica."""

    def prepare(self, context: Context, command):
        """Makes the op that carries out a command; None if there is nothing to change."""
        raise NotImplementedError

    def effect(self, context: Context, op):
        """Applies an op, made here or elsewhere; returns a change event, or None, or UNREAD. Never
        raises.
        """
        raise NotImplementedError

    def value(self):
        """What people read."""
        raise NotImplementedError

    def query(self, question):
        """Answers a question, or raises Refusal."""
        raise Refusal('the only query is "value"')

    def save(self):
        """The state as CBOR can hold it. Equal states must give equal ones: sort what has no order."""
        raise NotImplementedError

    def load(self, saved) -> None:
        """Takes over a saved state, in a new object; raises ValueError if it is none."""
        raise NotImplementedError

    def load_from(self, saved, from_version: str) -> None:
        """Takes over what `from_version` of the type saved, in a new object. Write it where states
        have another layout than in older versions: it is called for each version then, this one
        too, and raises ValueError for what it does not read. Without it, `load` gets what
        compatible versions saved (of the same major version; below 1.0 of the same minor one).
        """
        self.load(saved)

    def compact(self, stable: Stable, floor: int, number: int) -> bool:
        """Forgets what no future op can need; returns whether more can be forgotten later."""
        return False

    def sample(self, random: Random):
        """Makes up a command that would be accepted now, for the checker."""
        raise NotImplementedError
