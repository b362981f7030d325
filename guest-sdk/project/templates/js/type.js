// A score board: every player's best score counts, whoever reports it, on whatever node, online or
// not. Change it into a type of your own: the comments say what each part must do.

import { Crdt, Refusal, UNREAD, define } from "./sdk/replicant.js";

/** The best score that is accepted. */
const SCORE_MAX = 1000;

/** The state of one object, on one replica. */
class ScoreBoard extends Crdt {
  /** Best score by player. */
  best = new Map();

  /**
   * Runs once, where the command is given. It looks at the state and changes nothing. It makes the
   * op that is sent to all replicas, or returns null if there is nothing to do, or refuses: the
   * sender reads why. A command is whatever was sent, so look at all of it.
   */
  prepare(_context, command) {
    const { player, score } = command ?? {};
    if (typeof player !== "string" || !Number.isInteger(score) || score < 0) {
      throw new Refusal('expected {"player": "ann", "score": 340}');
    }
    if (score > SCORE_MAX) {
      throw new Refusal(`${score} is too good: at most ${SCORE_MAX}`);
    }
    return score > (this.best.get(player) ?? -1) ? [player, score] : null;
  }

  /**
   * Runs on every replica, once for each op, and never before the ops that its author had seen.
   * Concurrent ops come in different orders on different replicas, so they must commute: the larger
   * of two numbers is the same in either order. (The last one that came is not: try it, build, and
   * run `replicant check`.)
   *
   * It cannot refuse, and an op that makes no sense has no effect; the node tells how many there
   * were. What it returns otherwise is told to whoever watches the object.
   */
  effect(_context, op) {
    if (!isOp(op)) return UNREAD;
    const [player, score] = op;
    if (score <= (this.best.get(player) ?? -1)) return null;
    this.best.set(player, score);
    return { player, score };
  }

  /** What people read. */
  value() {
    return Object.fromEntries(this.best);
  }

  /** Answers a question, such as `{"best-of": "ann"}`. It changes nothing. */
  query(question) {
    const player = question?.["best-of"];
    if (typeof player !== "string") throw new Refusal('expected {"best-of": "ann"}');
    return this.best.get(player) ?? null;
  }

  /**
   * The state, to be kept and loaded later. Equal states must give equal bytes on every replica, and
   * a Map remembers the order in which its keys came: so it is sorted.
   */
  save() {
    return [...this.best].sort(([one], [other]) => (one < other ? -1 : 1));
  }

  load(saved) {
    if (!Array.isArray(saved) || !saved.every(isOp)) throw new Error("expected pairs");
    this.best = new Map(saved);
  }

  /**
   * Makes up a command that would be accepted now, so that `replicant check` can make random
   * histories. Few different players, so that their scores meet.
   */
  sample(random) {
    return { player: random.word(), score: random.below(SCORE_MAX + 1) };
  }

  // Nothing here ever becomes superfluous. A type that keeps what will be, such as the marks of
  // removed elements, also has `compact`.
  //
  // A later version whose ops are others says so below (`writes: 2, reads: [1, 2]`), and `effect`
  // looks at `context.schema`; one whose saved state is another has `loadFrom`.
}

function isOp(op) {
  return Array.isArray(op) && op.length === 2 && typeof op[0] === "string" && Number.isInteger(op[1]);
}

export const opBased = define(
  {
    name: "my-type",
    version: "0.1.0",
    summary: "Every player's best score. Of concurrent reports the best counts.",
    commandSchema: {
      type: "object",
      properties: { player: { type: "string" }, score: { type: "integer", minimum: 0 } },
      required: ["player", "score"],
    },
    querySchema: {
      oneOf: [
        { const: "value" },
        { type: "object", properties: { "best-of": { type: "string" } }, required: ["best-of"] },
      ],
    },
  },
  ScoreBoard,
);
