// A flag that anyone can raise and lower. If one raises it while another, who does not know that
// yet, lowers it, it is up: raising wins. (An "enable-wins flag".)

import { Crdt, Refusal, UNREAD, define } from "./sdk/replicant.js";

class Flag extends Crdt {
  /**
   * The names ("replica:counter") of the ops that raised the flag and have not been undone. It is up
   * if there is one.
   */
  raisings = new Set();

  prepare(_context, command) {
    if (command !== "raise" && command !== "lower") {
      throw new Refusal('expected "raise" or "lower"');
    }
    if (command === "lower" && this.raisings.size === 0) return null;
    // Both undo what their author knows of, and nothing else: what somebody else raises meanwhile
    // stays. Raising a flag that is up is an op, too. It says: up, also if somebody is just
    // lowering it.
    return { [command]: this.sorted() };
  }

  effect(context, op) {
    const undone = op?.raise ?? op?.lower;
    if (!Array.isArray(undone)) return UNREAD;
    const was = this.value();
    for (const name of undone) this.raisings.delete(name);
    if (op.raise !== undefined) this.raisings.add(`${context.replica}:${context.counter}`);
    const is = this.value();
    return is === was ? null : is;
  }

  value() {
    return this.raisings.size > 0;
  }

  save() {
    return this.sorted();
  }

  load(saved) {
    if (!Array.isArray(saved) || !saved.every((name) => typeof name === "string")) {
      throw new Error("expected texts");
    }
    this.raisings = new Set(saved);
  }

  sample(random) {
    return random.pick(["raise", "lower"]);
  }

  /** A Set remembers the order in which its elements came, which differs between replicas. */
  sorted() {
    return [...this.raisings].sort();
  }

  // Nothing to compact: an op that was undone leaves nothing behind, since every replica gets an op
  // only after the ones that it undoes.
}

export const opBased = define(
  {
    name: "flag",
    version: "0.1.0",
    summary: "A flag that is up or down. Of concurrent raising and lowering, raising wins.",
    commandSchema: { enum: ["raise", "lower"] },
    valueSchema: { type: "boolean" },
    eventSchema: { type: "boolean" },
  },
  Flag,
);
