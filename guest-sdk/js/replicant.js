// Replicant's SDK for JavaScript: makes the interface of a component out of a class.
//
//     import { define } from "./sdk/replicant.js";
//     export const opBased = define({ name: "my-type", version: "0.1.0", … }, MyType);
//
// What the class must have stands in `Crdt`, below. Everything else, such as batches, refusals and
// CBOR, is done here.

import { unread, write } from "replicant:crdt/log@0.1.0";

import { BUILD } from "./build.js";
import { decode, encode } from "./cbor.js";

export { decode, encode };

/** The level of the log for what went wrong. */
const ERROR = 0;

/** Ends the call: what is asked for differs from node to node, and would part the replicas. */
function refuse(what) {
  throw new Error(
    `${what}: a type has no clock and no chance, since its replicas would part; what every node ` +
      "has alike is the context of an op: timestamp, replica, counter",
  );
}

// The component has none of these behind it: they would be a trap without words, or a generator
// that goes on from call to call.
const SystemDate = Date;
globalThis.Date = class extends SystemDate {
  constructor(...given) {
    if (given.length === 0) refuse("new Date()");
    super(...given);
  }

  static now() {
    refuse("Date.now()");
  }
};
Math.random = () => refuse("Math.random()");

/**
 * What `effect` returns for an op that it does not know, such as one of a newer version: the op has
 * no effect, and the node tells that there was one.
 */
export const UNREAD = Symbol("unread");

/** Throw it in `prepare` or `query`: whoever sent the command or the query reads the message. */
export class Refusal extends Error {}

/**
 * What a type is: one instance of the class is the state of one object on one replica.
 *
 * A context has `replica`, `counter` and `timestamp`, all BigInts. Replica and counter are the op's
 * dot, which no other op has. `(timestamp, replica, counter)` orders ops so that each comes after
 * all that its author had seen; `later` compares. Its `schema`, a Number, says how the op is encoded:
 * it is one of those that the type `reads`, and what it `writes` for an op that is made here.
 */
export class Crdt {
  /** Makes the op that carries out a command; null if there is nothing to change. Changes nothing. */
  prepare(_context, _command) {
    throw new Error("a type needs prepare(context, command)");
  }

  /**
   * Applies an op, made here or elsewhere; returns a change event, or nothing, or `UNREAD`. Never
   * throws.
   */
  effect(_context, _op) {
    throw new Error("a type needs effect(context, op)");
  }

  /** What people read. */
  value() {
    throw new Error("a type needs value()");
  }

  /** Answers a question, or throws a Refusal. */
  query(_question) {
    throw new Refusal('the only query is "value"');
  }

  /** The state as CBOR can hold it. Equal states must give equal ones: sort what has no order. */
  save() {
    throw new Error("a type needs save()");
  }

  /** Takes over a saved state, in a new object. */
  load(_saved) {
    throw new Error("a type needs load(saved)");
  }

  /**
   * Takes over what `fromVersion` of the type saved, in a new object. Write it where states have
   * another layout than in older versions: it is called for each version then, this one too, and
   * throws for what it does not read. Without it, `load` gets what compatible versions saved (of the
   * same major version; below 1.0 of the same minor one).
   */
  loadFrom(saved, _fromVersion) {
    this.load(saved);
  }

  /** Forgets what no future op can need; returns whether more can be forgotten later. */
  compact(_stable, _floor, _number) {
    return false;
  }

  /** Makes up a command that would be accepted now, for the checker. */
  sample(_random) {
    throw new Error("a type needs sample(random)");
  }
}

/** Whether the op with context `a` comes after the op with context `b`. */
export function later(a, b) {
  for (const key of ["timestamp", "replica", "counter"]) {
    if (a[key] !== b[key]) return a[key] > b[key];
  }
  return false;
}

/** Chance that follows from a seed, for `sample` (SplitMix64). */
export class Random {
  constructor(seed) {
    this.state = BigInt(seed);
  }

  /** A number below `bound`. */
  below(bound) {
    this.state = BigInt.asUintN(64, this.state + 0x9e3779b97f4a7c15n);
    let mixed = this.state;
    mixed = BigInt.asUintN(64, (mixed ^ (mixed >> 30n)) * 0xbf58476d1ce4e5b9n);
    mixed = BigInt.asUintN(64, (mixed ^ (mixed >> 27n)) * 0x94d049bb133111ebn);
    return Number(((mixed ^ (mixed >> 31n)) * BigInt(bound)) >> 64n);
  }

  /** One of the items; undefined if there are none. */
  pick(items) {
    return items[this.below(items.length)];
  }

  /** A short word. Few enough exist that the same ones come again soon. */
  word() {
    let word = "";
    for (let left = 1 + this.below(2); left > 0; left--) word += this.pick("abcdef");
    return word;
  }
}

/** What every future author has seen, for `compact`. */
class Stable {
  constructor(dots) {
    this.counters = new Map(dots.map((dot) => [BigInt(dot.replica), BigInt(dot.counter)]));
  }

  /** Whether every op from now on is made by somebody who has applied this one. */
  contains(dot) {
    return BigInt(dot.counter) <= (this.counters.get(BigInt(dot.replica)) ?? 0n);
  }
}

/**
 * Makes the interface `replicant:crdt/op-based` of a class, and of what is said of it: `name`,
 * `version`, `summary`, and JSON Schemas as objects: `commandSchema`, `querySchema`, `valueSchema`,
 * `eventSchema`. A version whose ops are others than those of the versions before it `writes` a
 * higher number than 1, and still `reads` theirs, a list: ops never go away.
 */
export function define(about, Type) {
  const described = {
    summary: "",
    commandSchema: {},
    querySchema: { const: "value" },
    valueSchema: {},
    eventSchema: {},
    writes: 1,
    reads: [1],
    ...about,
  };
  for (const key of Object.keys(described).filter((key) => key.endsWith("Schema"))) {
    described[key] = JSON.stringify(described[key]);
  }

  const { reads, writes } = described;
  if (!Array.isArray(reads) || !reads.every(isEncoding) || !isEncoding(writes)) {
    throw new Error("`writes` is a whole number from 1, and `reads` a list of such: [1, 2]");
  }

  return {
    describe: () => ({
      ...described,
      version: described.version + BUILD,
      reads: Uint32Array.from(reads),
    }),
    Object: class extends telling(ObjectOf) {
      constructor() {
        super(new Type(), described);
      }

      static load(saved, fromVersion) {
        const object = new this();
        // It may be a method or a field.
        const migrates = object.state.loadFrom !== Crdt.prototype.loadFrom;
        if (!migrates && series(fromVersion) !== series(described.version)) {
          throw `version ${described.version} reads no state of version ${fromVersion}`;
        }
        try {
          object.state.loadFrom(decode(saved), fromVersion);
        } catch (error) {
          throw `no saved state of ${described.name} ${fromVersion}: ${error?.message ?? error}`;
        }
        return object;
      }
    },
  };
}

/** Whether something is the number of an encoding of ops: the host's are of 32 bits. */
function isEncoding(number) {
  return Number.isInteger(number) && number > 0 && number < 2 ** 32;
}

/** What versions have in common that read each other's states: the major number, or 0 and minor. */
function series(version) {
  const [major, minor] = version.split(".");
  return major === "0" ? `0.${minor}` : major;
}

/**
 * The same calls; but what they throw, and do not mean to, is told to the node's log. It ends the
 * call as a trap, which has no words of its own.
 */
function telling(Calls) {
  class Telling extends Calls {}
  for (const name of ["update", "apply", "query", "save", "compact", "sample"]) {
    Telling.prototype[name] = function (...parameters) {
      try {
        return Calls.prototype[name].apply(this, parameters);
      } catch (error) {
        const isQuery = name === "query";
        // A text is what the interface's `error` of a query holds; nothing else is one.
        if (isQuery && error instanceof Refusal) throw error.message;
        write(ERROR, `${name}: ${error}\n${error?.stack ?? ""}`);
        throw isQuery ? undefined : error;
      }
    };
  }
  return Telling;
}

/** The resource `object`: one state, and the calls that the host makes. */
class ObjectOf {
  constructor(state, described) {
    this.state = state;
    this.described = described;
  }

  update(context, commands, events) {
    const made = { ops: [], commands: [], refusals: [], events: [] };
    let counter = BigInt(context.counter);
    unpack(commands).forEach((bytes, index) => {
      const at = contextOf(context, counter);
      try {
        const op = this.state.prepare(at, this.read(bytes)) ?? null;
        if (op === null) return;
        const encoded = encode(op);
        this.effect(at, encoded, events ? made.events : []);
        made.ops.push(encoded);
        made.commands.push(index);
        counter += 1n;
      } catch (error) {
        if (!(error instanceof Refusal)) throw error;
        made.refusals.push({ command: index, message: error.message });
      }
    });
    return {
      ops: pack(made.ops),
      commands: Uint32Array.from(made.commands),
      refusals: made.refusals,
      events: pack(made.events),
    };
  }

  apply(run, events) {
    const told = [];
    if (!this.described.reads.includes(Number(run.schema))) {
      unread(run.counters.length);
      return pack(told);
    }
    unpack(run.ops).forEach((op, index) => {
      this.effect(contextOf(run, BigInt(run.counters[index])), op, events ? told : []);
    });
    return pack(told);
  }

  query(question) {
    const asked = question === undefined || question === null ? "value" : readQuestion(question);
    if (asked !== "value") return encode(this.state.query(asked));
    try {
      return encode(this.state.value());
    } catch (error) {
      // There is always a value.
      throw error instanceof Refusal ? new Error(`value: ${error.message}`) : error;
    }
  }

  save() {
    return encode(this.state.save());
  }

  compact(stable, floor, number) {
    return this.state.compact(new Stable([...stable]), BigInt(floor), BigInt(number)) === true;
  }

  sample(seed) {
    return encode(this.state.sample(new Random(seed)));
  }

  /** A command, or a refusal that says what a command looks like. */
  read(bytes) {
    try {
      return decode(bytes);
    } catch (error) {
      throw new Refusal(`no command: ${error.message}; expected ${this.described.commandSchema}`);
    }
  }

  /** Applies an op from its bytes, so that what is applied here is what is applied elsewhere. */
  effect(context, bytes, events) {
    let op;
    try {
      op = decode(bytes);
    } catch {
      unread(1); // Damaged: it has no effect, here as elsewhere.
      return;
    }
    const event = this.state.effect(context, op) ?? null;
    if (event === UNREAD) unread(1);
    else if (event !== null) events.push(encode(event));
  }
}

function readQuestion(bytes) {
  try {
    return decode(bytes);
  } catch (error) {
    throw new Refusal(`no query: ${error.message}`);
  }
}

// Numbers of 64 bits can come as Number or as BigInt; a type sees BigInts only.
function contextOf({ replica, timestamp, schema }, counter) {
  return {
    replica: BigInt(replica),
    counter,
    timestamp: BigInt(timestamp),
    schema: Number(schema),
  };
}

function unpack({ bytes, ends }) {
  let begin = 0;
  return Array.from(ends, (end) => {
    const item = Uint8Array.from(bytes.slice(begin, end));
    begin = end;
    return item;
  });
}

function pack(items) {
  const bytes = new Uint8Array(items.reduce((sum, item) => sum + item.length, 0));
  const ends = new Uint32Array(items.length);
  let end = 0;
  items.forEach((item, index) => {
    bytes.set(item, end);
    end += item.length;
    ends[index] = end;
  });
  return { bytes, ends };
}
