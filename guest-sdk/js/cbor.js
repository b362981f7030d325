// CBOR (RFC 8949), as much of it as commands, values and ops need: null, booleans, numbers, texts,
// bytes (Uint8Array), arrays, and objects with texts as keys.
//
// Whole numbers that a Number cannot hold exactly are BigInts. Keys are written in order, so that
// equal objects give equal bytes, whatever order their keys were added in.

const EXACT_MAX = BigInt(Number.MAX_SAFE_INTEGER);
const U64_MAX = (1n << 64n) - 1n;
const DEPTH_MAX = 64;

/** Encodes a value. */
export function encode(value) {
  const bytes = [];
  write(bytes, value);
  return Uint8Array.from(bytes);
}

/** Decodes a value; throws an Error that says what is wrong with the bytes. */
export function decode(bytes) {
  const input = { bytes, at: 0 };
  const value = read(input, 0);
  if (input.at !== bytes.length) {
    throw new Error(`${bytes.length - input.at} bytes are left over`);
  }
  return value;
}

function write(bytes, value) {
  if (value === null || value === undefined) bytes.push(0xf6);
  else if (value === false) bytes.push(0xf4);
  else if (value === true) bytes.push(0xf5);
  else if (typeof value === "bigint") writeWhole(bytes, value);
  else if (Number.isSafeInteger(value) && !Object.is(value, -0)) writeWhole(bytes, BigInt(value));
  else if (typeof value === "number") writeFloat(bytes, value);
  else if (typeof value === "string") writeBytes(bytes, 3, toUtf8(value));
  else if (value instanceof Uint8Array) writeBytes(bytes, 2, value);
  else if (Array.isArray(value)) {
    writeHead(bytes, 4, BigInt(value.length));
    for (const item of value) write(bytes, item);
  } else if (typeof value === "object") writeObject(bytes, value);
  else throw new TypeError(`CBOR has no ${typeof value}`);
}

function writeWhole(bytes, value) {
  const argument = value < 0n ? -1n - value : value;
  if (argument > U64_MAX) throw new RangeError(`${value} has more than 64 bits`);
  writeHead(bytes, value < 0n ? 1 : 0, argument);
}

function writeFloat(bytes, value) {
  const view = new DataView(new ArrayBuffer(8));
  view.setFloat64(0, value);
  bytes.push(0xfb);
  for (let i = 0; i < 8; i++) bytes.push(view.getUint8(i));
}

function writeBytes(bytes, kind, content) {
  writeHead(bytes, kind, BigInt(content.length));
  for (const byte of content) bytes.push(byte);
}

function writeObject(bytes, object) {
  const keys = Object.keys(object).sort();
  writeHead(bytes, 5, BigInt(keys.length));
  for (const key of keys) {
    write(bytes, key);
    write(bytes, object[key]);
  }
}

/** The first byte and the number that follows it, as short as it can be. */
function writeHead(bytes, kind, argument) {
  const first = kind << 5;
  if (argument < 24n) {
    bytes.push(first | Number(argument));
    return;
  }
  const sizes = [1, 2, 4, 8];
  const index = sizes.findIndex((size) => argument < 1n << BigInt(8 * size));
  bytes.push(first | (24 + index));
  for (let shift = 8 * (sizes[index] - 1); shift >= 0; shift -= 8) {
    bytes.push(Number((argument >> BigInt(shift)) & 0xffn));
  }
}

function read(input, depth) {
  if (depth > DEPTH_MAX) throw new Error("nested too deeply");
  const first = take(input, 1)[0];
  const kind = first >> 5;
  const low = first & 31;
  if (kind === 7) return readSimple(input, low);
  const argument = readArgument(input, low);
  switch (kind) {
    case 0:
      return whole(argument);
    case 1:
      return whole(-1n - argument);
    case 2:
      return take(input, lengthOf(input, argument)).slice();
    case 3:
      return fromUtf8(take(input, lengthOf(input, argument)));
    case 4:
      return Array.from({ length: lengthOf(input, argument) }, () => read(input, depth + 1));
    case 5:
      return readObject(input, lengthOf(input, argument), depth);
    default:
      throw new Error("tags are not read");
  }
}

function readObject(input, length, depth) {
  // Without a prototype, so that no key means anything of its own.
  const object = Object.create(null);
  for (let i = 0; i < length; i++) {
    const key = read(input, depth + 1);
    if (typeof key !== "string") throw new Error("a key is not a text");
    if (key in object) throw new Error(`the key ${JSON.stringify(key)} stands twice`);
    object[key] = read(input, depth + 1);
  }
  return object;
}

function readSimple(input, low) {
  const view = (size) => {
    const bytes = take(input, size);
    return new DataView(bytes.buffer, bytes.byteOffset, size);
  };
  switch (low) {
    case 20:
      return false;
    case 21:
      return true;
    case 22:
    case 23:
      return null;
    case 25:
      return halfFloat(view(2).getUint16(0));
    case 26:
      return view(4).getFloat32(0);
    case 27:
      return view(8).getFloat64(0);
    default:
      throw new Error(`there is no simple value ${low}`);
  }
}

function halfFloat(bits) {
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  const sign = bits & 0x8000 ? -1 : 1;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

function readArgument(input, low) {
  if (low < 24) return BigInt(low);
  if (low > 27) throw new Error("lengths must be given");
  let argument = 0n;
  for (const byte of take(input, 1 << (low - 24))) argument = (argument << 8n) | BigInt(byte);
  return argument;
}

/** A length that the rest of the input can hold: every item takes a byte. */
function lengthOf(input, argument) {
  if (argument > BigInt(input.bytes.length - input.at)) throw new Error("it ends too early");
  return Number(argument);
}

function take(input, count) {
  const end = input.at + count;
  if (end > input.bytes.length) throw new Error("it ends too early");
  const taken = input.bytes.subarray(input.at, end);
  input.at = end;
  return taken;
}

function whole(value) {
  return value >= -EXACT_MAX && value <= EXACT_MAX ? Number(value) : value;
}

function toUtf8(text) {
  const bytes = [];
  for (const character of text) {
    let code = character.codePointAt(0);
    // Half of a pair has no UTF-8.
    if (code >= 0xd800 && code < 0xe000) code = 0xfffd;
    if (code < 0x80) bytes.push(code);
    else if (code < 0x800) bytes.push(0xc0 | (code >> 6), 0x80 | (code & 63));
    else if (code < 0x10000) {
      bytes.push(0xe0 | (code >> 12), 0x80 | ((code >> 6) & 63), 0x80 | (code & 63));
    } else {
      bytes.push(0xf0 | (code >> 18), 0x80 | ((code >> 12) & 63));
      bytes.push(0x80 | ((code >> 6) & 63), 0x80 | (code & 63));
    }
  }
  return bytes;
}

function fromUtf8(bytes) {
  let text = "";
  for (let at = 0; at < bytes.length; ) {
    const first = bytes[at++];
    let more = 0;
    if (first >= 0xf0) more = 3;
    else if (first >= 0xe0) more = 2;
    else if (first >= 0xc0) more = 1;
    let code = more === 0 ? first : first & (0x3f >> more);
    for (let i = 0; i < more; i++) {
      const next = at < bytes.length ? bytes[at++] : 0;
      if ((next & 0xc0) !== 0x80) throw new Error("a text is not UTF-8");
      code = (code << 6) | (next & 63);
    }
    const least = [0, 0x80, 0x800, 0x10000][more];
    const isBroken = first >= 0xf8 || (more === 0 && first >= 0x80) || code < least;
    if (isBroken || code > 0x10ffff || (code >= 0xd800 && code < 0xe000)) {
      throw new Error("a text is not UTF-8");
    }
    text += String.fromCodePoint(code);
  }
  return text;
}
