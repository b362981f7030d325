"""A score board: every player's best score counts, whoever reports it, on whatever node, online or
not. Change it into a type of your own: the comments say what each part must do.
"""

from sdk.replicant import UNREAD, About, Context, Crdt, Random, Refusal

SCORE_MAX = 1_000
"""The best score that is accepted."""

ABOUT = About(
    name="my-type",
    version="0.1.0",
    summary="Every player's best score. Of concurrent reports the best counts.",
    command_schema={
        "type": "object",
        "properties": {"player": {"type": "string"}, "score": {"type": "integer", "minimum": 0}},
        "required": ["player", "score"],
    },
    query_schema={
        "oneOf": [
            {"const": "value"},
            {"type": "object", "properties": {"best-of": {"type": "string"}}, "required": ["best-of"]},
        ]
    },
)


class Type(Crdt):
    """The state of one object, on one replica."""

    def __init__(self):
        self.best: dict[str, int] = {}

    def prepare(self, context: Context, command):
        """Runs once, where the command is given. It looks at the state and changes nothing. It makes
        the op that is sent to all replicas, or returns None if there is nothing to do, or refuses:
        the sender reads why. A command is whatever was sent, so look at all of it.
        """
        match command:
            case {"player": str(player), "score": int(score)} if is_score(score):
                pass
            case _:
                raise Refusal('expected {"player": "ann", "score": 340}')
        if score > SCORE_MAX:
            raise Refusal(f"{score} is too good: at most {SCORE_MAX}")
        return [player, score] if score > self.best.get(player, -1) else None

    def effect(self, context: Context, op):
        """Runs on every replica, once for each op, and never before the ops that its author had seen.
        Concurrent ops come in different orders on different replicas, so they must commute: the
        larger of two numbers is the same in either order. (The last one that came is not: try it,
        build, and run `replicant check`.)

        It cannot refuse, and an op that makes no sense has no effect; the node tells how many there
        were. What it returns otherwise is told to whoever watches the object.
        """
        if not is_entry(op):
            return UNREAD
        player, score = op
        if score <= self.best.get(player, -1):
            return None
        self.best[player] = score
        return {"player": player, "score": score}

    def value(self):
        """What people read."""
        return self.best

    def query(self, question):
        """Answers a question, such as `{"best-of": "ann"}`. It changes nothing."""
        match question:
            case {"best-of": str(player)}:
                return self.best.get(player)
        raise Refusal('expected {"best-of": "ann"}')

    def save(self):
        """The state, to be kept and loaded later. Equal states must give equal bytes on every
        replica, and a dict remembers the order in which its keys came: so it is sorted.
        """
        return sorted(self.best.items())

    def load(self, saved) -> None:
        if not isinstance(saved, list) or not all(is_entry(entry) for entry in saved):
            raise ValueError("expected pairs")
        self.best = dict(saved)

    def sample(self, random: Random):
        """Makes up a command that would be accepted now, so that `replicant check` can make random
        histories. Few different players, so that their scores meet.
        """
        return {"player": random.word(), "score": random.below(SCORE_MAX + 1)}

    # Nothing here ever becomes superfluous. A type that keeps what will be, such as the marks of
    # removed elements, also has `compact`.
    #
    # A later version whose ops are others says so in ABOUT (`writes=2, reads=(1, 2)`), and `effect`
    # looks at `context.schema`; one whose saved state is another has `load_from`.


def is_score(score) -> bool:
    return isinstance(score, int) and not isinstance(score, bool) and 0 <= score < 1 << 64


def is_entry(entry) -> bool:
    match entry:
        case [str(), score]:
            return is_score(score)
    return False
