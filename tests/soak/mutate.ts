/** Valid files made into strange ones, the same for the same seed. */

/** Random choices of one input. */
export class Dice {
  #state: number;

  /** Begins at a seed; different seeds give unrelated choices. */
  constructor(seed: number) {
    this.#state = Math.imul(seed + 1, 0x9e3779b1) >>> 0;
  }

  /** A whole number in [0, 2^32): splitmix32 (Steele, Lea and Flood 2014, with 32 bits). */
  next(): number {
    let z = this.#state = (this.#state + 0x9e3779b9) >>> 0;
    z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
    z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
    return (z ^ (z >>> 15)) >>> 0;
  }

  /** A whole number in [0, end). */
  below(end: number): number {
    return Math.floor(this.next() / 2 ** 32 * end);
  }

  /** One of some values. */
  pick<T>(values: readonly T[]): T {
    return values[this.below(values.length)]!;
  }
}

/** Numbers at the edges of what formats hold. */
const EDGES = [0, 1, -1, 7, 255, 2 ** 16, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1, 2 ** 40, 2 ** 53];

type BytesMutation = (bytes: Uint8Array<ArrayBuffer>, dice: Dice) => Uint8Array<ArrayBuffer>;

function join(...parts: Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** A place in a file: as often among the first 64 bytes, where headers are, as anywhere. */
const place = ({ length }: Uint8Array, dice: Dice) =>
  dice.below(dice.below(2) === 0 ? Math.min(64, length + 1) : length + 1);

const BYTES: readonly BytesMutation[] = [
  (bytes, dice) => bytes.with(0, bytes[0] ?? 0) && flip(bytes, place(bytes, dice), dice),
  (bytes, dice) => bytes.slice(0, place(bytes, dice)),
  (bytes, dice) => bytes.slice(place(bytes, dice)),
  (bytes, dice) => { // cut out
    const from = place(bytes, dice);
    return join(bytes.subarray(0, from), bytes.subarray(from + 1 + dice.below(16)));
  },
  (bytes, dice) => { // repeat
    const from = place(bytes, dice);
    const part = bytes.subarray(from, from + 1 + dice.below(200));
    return join(bytes.subarray(0, from), part, bytes.subarray(from));
  },
  (bytes, dice) => { // put in
    const from = place(bytes, dice);
    const noise = Uint8Array.from({ length: 1 + dice.below(8) }, () => dice.below(256));
    return join(bytes.subarray(0, from), noise, bytes.subarray(from));
  },
  (bytes, dice) => edge(bytes, dice, 4),
  (bytes, dice) => edge(bytes, dice, 8),
  (bytes, dice) => { // 0, 0xff, a quote, a line end ... over a stretch
    const from = place(bytes, dice);
    return bytes.slice().fill(
      dice.pick([0, 0xff, 0x22, 0x0a, 0x7b, 0x2c]),
      from,
      from + 1 + dice.below(4),
    );
  },
];

function flip(bytes: Uint8Array<ArrayBuffer>, at: number, dice: Dice): Uint8Array<ArrayBuffer> {
  const changed = bytes.slice();
  if (at < changed.length) changed[at]! ^= 1 << dice.below(8);
  return changed;
}

/** A number at an edge, in either byte order, where a header may have one. */
function edge(bytes: Uint8Array<ArrayBuffer>, dice: Dice, width: 4 | 8): Uint8Array<ArrayBuffer> {
  const changed = bytes.slice();
  const at = place(bytes, dice) & ~3;
  if (at + width > changed.length) return changed;
  const view = new DataView(changed.buffer);
  const value = BigInt(dice.pick([...EDGES, bytes.length, bytes.length - 8]));
  const little = dice.below(2) === 0;
  if (width === 8) view.setBigUint64(at, BigInt.asUintN(64, value), little);
  else view.setUint32(at, Number(BigInt.asUintN(32, value)), little);
  return changed;
}

/** Changes bytes in one to four places. */
export function mutateBytes(bytes: Uint8Array<ArrayBuffer>, dice: Dice): Uint8Array<ArrayBuffer> {
  let changed = bytes;
  for (let n = 1 + dice.below(4); n > 0; n--) {
    if (changed.length > 0) changed = dice.pick(BYTES)(changed, dice);
  }
  return changed;
}

/** JSON that is not yet text: objects are pairs, so that a key can come twice and be anything. */
type Json =
  | { pairs: [string, Json][] }
  | { raw: string }
  | Json[]
  | string
  | number
  | boolean
  | null;

function toNodes(value: unknown): Json {
  if (Array.isArray(value)) return value.map(toNodes);
  if (typeof value !== "object" || value === null) return value as Json;
  return { pairs: Object.entries(value).map(([key, item]) => [key, toNodes(item)]) };
}

function toText(node: Json): string {
  if (Array.isArray(node)) return `[${node.map(toText).join(",")}]`;
  if (typeof node !== "object" || node === null) {
    return node === Infinity ? "1e999" : JSON.stringify(node); // 1e999 is JSON, and Infinity when read
  }
  if ("raw" in node) return node.raw;
  return `{${node.pairs.map(([key, item]) => `${JSON.stringify(key)}:${toText(item)}`).join(",")}}`;
}

function pairsOf(node: Json): [string, Json][] | undefined {
  return typeof node === "object" && node !== null && "pairs" in node ? node.pairs : undefined;
}

/** Keys that mean something to JavaScript, and paths that lead out of a folder. */
const NAMES = ["__proto__", "constructor", "prototype", "toString", "hasOwnProperty", "length", ""];
const PATHS = [
  "../../etc/passwd",
  "/etc/passwd",
  "..\\x",
  "a/../../b",
  "C:\\x",
  "file:///etc/passwd",
];

/** Deeper than a function can call itself. */
const DEEP: Json = { raw: "[".repeat(20_000) + "]".repeat(20_000) };

/** Values that are unlikely where they come. */
const VALUES: readonly Json[] = [
  ...[null, true, false, "", "x", "\u0000\u001b[31m", "\ud800", [], [[]], { pairs: [] }],
  ...[...EDGES, 0.5, -0.5, 1e-300, 1e300, -1e300, Infinity, 1e6, 1e9, 3, 1000, "1e3", "NaN"],
  ...NAMES,
  ...PATHS,
  { pairs: [["__proto__", { pairs: [["polluted", true]] }]] },
  { pairs: [["constructor", { pairs: [["prototype", { pairs: [["polluted", true]] }]] }]] },
  [1, "a", null],
  Array.from({ length: 50 }, (_, i) => i),
  "a".repeat(5000),
];

/** Every place in a tree that holds a value: what reads and what writes it. */
function slots(root: { value: Json }): { get: () => Json; set: (value: Json) => void }[] {
  const found: { get: () => Json; set: (value: Json) => void }[] = [];
  const visit = (get: () => Json, set: (value: Json) => void) => {
    found.push({ get, set });
    const node = get();
    if (Array.isArray(node)) node.forEach((_, i) => visit(() => node[i]!, (v) => node[i] = v));
    else for (const pair of pairsOf(node) ?? []) visit(() => pair[1], (v) => pair[1] = v);
  };
  visit(() => root.value, (value) => root.value = value);
  return found;
}

function mutateTree(root: { value: Json }, dice: Dice): void {
  const places = slots(root);
  // The root itself seldom: what is not an object is refused at once.
  const slot =
    places[places.length > 1 && dice.below(20) > 0 ? 1 + dice.below(places.length - 1) : 0]!;
  const node = slot.get();
  const kind = dice.below(8);
  if (kind < 3) return slot.set(structuredClone(dice.pick(VALUES)));
  if (kind === 3) return slot.set(structuredClone(dice.pick(places).get())); // from elsewhere
  if (kind === 4 && typeof node === "number") {
    return slot.set(dice.pick([node + 1, node - 1, -node, node * 1e6, node / 3, 2 * node]));
  }
  if (dice.below(300) === 0) return slot.set(DEEP);
  const list = Array.isArray(node) ? node : pairsOf(node) ?? [];
  if (list.length === 0) return slot.set(structuredClone(dice.pick(VALUES)));
  const at = dice.below(list.length);
  if (kind === 5) list.splice(at, 1);
  else if (kind === 6) {
    (list as unknown[]).splice(at, 0, structuredClone(dice.pick(list as Json[])));
  } else if (!Array.isArray(node)) {
    (list as [string, Json][])[at]![0] = dice.pick([...NAMES, ...PATHS, "x"]);
  } else list.splice(at, 1, structuredClone(dice.pick(VALUES)));
}

/** Changes JSON's values and keys in one to three places; one input in eight in its bytes as well. */
export function mutateJson(value: unknown, dice: Dice): Uint8Array<ArrayBuffer> {
  const root = { value: toNodes(value) };
  for (let n = 1 + dice.below(3); n > 0; n--) mutateTree(root, dice);
  const bytes = new TextEncoder().encode(toText(root.value));
  return dice.below(8) === 0 ? mutateBytes(bytes, dice) : bytes;
}
