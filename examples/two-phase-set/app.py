"""A set in which what was removed never comes back, such as tickets that were used. Of adding and
removing the same element at the same time, removing wins. (A "two-phase set".)
"""

from sdk.replicant import UNREAD, About, Context, Crdt, Random, Refusal

ABOUT = About(
    name="two-phase-set",
    version="0.1.0",
    summary="A set of texts. What was removed never comes back; removing wins over adding.",
    command_schema={
        "oneOf": [
            {"type": "object", "properties": {"add": {"type": "string"}}, "required": ["add"]},
            {"type": "object", "properties": {"remove": {"type": "string"}}, "required": ["remove"]},
        ]
    },
    query_schema={
        "oneOf": [
            {"const": "value"},
            {"type": "object", "properties": {"was-removed": {"type": "string"}}},
        ]
    },
    value_schema={"type": "array", "items": {"type": "string"}},
    event_schema={"type": "object"},
)


class Type(Crdt):
    def __init__(self):
        self.present: set[str] = set()
        self.removed: set[str] = set()

    def prepare(self, context: Context, command):
        match command:
            case {"add": str(element)}:
                if element in self.removed:
                    raise Refusal(f"{element} was removed, and cannot be added again")
                return None if element in self.present else ["add", element]
            case {"remove": str(element)}:
                if element in self.removed:
                    return None
                if element not in self.present:
                    raise Refusal(f"{element} is not in the set")
                return ["remove", element]
        raise Refusal('expected {"add": "a text"} or {"remove": "a text"}')

    def effect(self, context: Context, op):
        match op:
            # Somebody else may have removed it, before its author knew.
            case ["add", str(element)]:
                if element in self.removed | self.present:
                    return None
                self.present.add(element)
                return {"added": element}
            case ["remove", str(element)]:
                self.removed.add(element)
                if element not in self.present:
                    return None
                self.present.remove(element)
                return {"removed": element}
        return UNREAD

    def value(self):
        # The order of a set depends on how its elements came: sorted, it does not.
        return sorted(self.present)

    def query(self, question):
        match question:
            case {"was-removed": str(element)}:
                return element in self.removed
        raise Refusal('expected {"was-removed": "a text"}')

    def save(self):
        return [sorted(self.present), sorted(self.removed)]

    def load(self, saved) -> None:
        match saved:
            case [list(present), list(removed)]:
                if all(isinstance(element, str) for element in present + removed):
                    self.present, self.removed = set(present), set(removed)
                    return
        raise ValueError("expected two lists of texts")

    def sample(self, random: Random):
        element = random.word()
        if element in self.present and random.below(2) == 0:
            return {"remove": element}
        while element in self.removed:
            element += random.word()
        return {"add": element}

    # Nothing can be compacted: that an element was removed is what refuses it for ever.
