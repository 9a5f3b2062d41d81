import { isDeepStrictEqual } from "node:util";

type Keyed = Record<PropertyKey, unknown>;

/** Zero equals negative zero, and NaN equals NaN. */
function sameValueZero(a: unknown, b: unknown): boolean {
  return a === b || Object.is(a, b);
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}

/** An object without a prototype counts as a plain one. */
function prototypeOf(value: object): object {
  return Object.getPrototypeOf(value) ?? Object.prototype;
}

/** Own enumerable keys; of an instance of a class also what its class defines, getters included. */
function keysOf(value: object): Set<PropertyKey> {
  const prototype = prototypeOf(value);
  if (prototype === Object.prototype || prototype === Array.prototype) {
    return new Set(Reflect.ownKeys({ ...value }));
  }
  const keys = new Set<PropertyKey>();
  for (
    let level = value;
    level !== Object.prototype && level;
    level = prototypeOf(level)
  ) {
    for (const key of Reflect.ownKeys(level)) keys.add(key);
  }
  return keys;
}

/** What `Object.prototype.toString` calls an object: "Array", "Map", "URL", "Temporal.Instant". */
function tagOf(value: object): string {
  return Object.prototype.toString.call(value).slice("[object ".length, -1);
}

/** Objects whose text says all there is to know about them. */
function hasTellingText(tag: string): boolean {
  return ["RegExp", "URL", "URLSearchParams", "Intl.Locale"].includes(tag) ||
    tag.startsWith("Temporal.");
}

function equalNumbers(a: ArrayLike<unknown>, b: ArrayLike<unknown>): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) {
    if (!sameValueZero(a[i], b[i])) return false;
  }
  return true;
}

/**
 * Whether two values are equal in depth: typed arrays, maps, sets, arrays and objects by what they
 * hold, cycles included. NaN equals NaN and 0 equals -0. Instances of different classes differ, and so
 * do an absent key and one that holds undefined.
 *
 * @throws {TypeError} For a WeakMap or a WeakSet, whose contents cannot be listed.
 */
export function equal(a: unknown, b: unknown): boolean {
  const started = new Map<object, Set<object>>();

  function compare(a: unknown, b: unknown): boolean {
    if (sameValueZero(a, b)) return true;
    if (!isObject(a) || !isObject(b) || prototypeOf(a) !== prototypeOf(b)) {
      return false;
    }
    const partners = started.get(a) ?? new Set();
    if (partners.has(b)) return true; // found equal before, or a cycle that is being compared
    started.set(a, partners.add(b));
    const same = compareContents(a, b);
    if (!same) partners.delete(b);
    return same;
  }

  function compareContents(a: object, b: object): boolean {
    if (ArrayBuffer.isView(a) && !(a instanceof DataView)) {
      return equalNumbers(a as Uint8Array, b as Uint8Array);
    }
    if (a instanceof ArrayBuffer || a instanceof SharedArrayBuffer) {
      return equalNumbers(new Uint8Array(a), new Uint8Array(b as ArrayBuffer));
    }
    if (a instanceof WeakMap || a instanceof WeakSet) {
      throw new TypeError(`Cannot compare ${tagOf(a)} instances`);
    }
    if (a instanceof WeakRef) {
      return compare(a.deref(), (b as WeakRef<WeakKey>).deref());
    }
    if (a instanceof Set) return equalSets(a, b as Set<unknown>);
    if (a instanceof Map) return equalMaps(a, b as Map<unknown, unknown>);
    const tag = tagOf(a);
    if (hasTellingText(tag)) return String(a) === String(b);
    if (tag === "Object" || tag === "Array") {
      return equalProperties(a as Keyed, b as Keyed);
    }
    return isDeepStrictEqual(a, b);
  }

  function equalSets(a: Set<unknown>, b: Set<unknown>): boolean {
    const lookUp = (item: unknown) => isObject(item) ? undefined : b.has(item);
    return a.size === b.size && pairUp([...a], [...b], lookUp, compare);
  }

  function equalMaps(
    a: Map<unknown, unknown>,
    b: Map<unknown, unknown>,
  ): boolean {
    type Entry = [unknown, unknown];
    const lookUp = ([key, value]: Entry) =>
      isObject(key) ? undefined : b.has(key) && compare(value, b.get(key));
    const matches = (entry: Entry, other: Entry) =>
      compare(entry[0], other[0]) && compare(entry[1], other[1]);
    return a.size === b.size && pairUp([...a], [...b], lookUp, matches);
  }

  function equalProperties(a: Keyed, b: Keyed): boolean {
    if (Object.keys(a).length !== Object.keys(b).length) return false;
    for (const key of keysOf(a).union(keysOf(b))) {
      if (key in a !== key in b || !compare(a[key], b[key])) return false;
    }
    return true;
  }

  return compare(a, b);
}

/**
 * Whether every item of `a` has a partner of its own in `b`.
 *
 * @param lookUp Tells at once, or gives undefined where all of `b` have to be tried.
 */
function pairUp<T>(
  a: T[],
  b: T[],
  lookUp: (item: T) => boolean | undefined,
  matches: (item: T, other: T) => boolean,
): boolean {
  const free = new Set(b);
  return a.every((item) => {
    const found = lookUp(item);
    if (found !== undefined) return found;
    for (const other of free) {
      if (matches(item, other)) return free.delete(other);
    }
    return false;
  });
}
