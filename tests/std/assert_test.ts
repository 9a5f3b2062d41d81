import {
  assert,
  assertAlmostEquals,
  assertArrayIncludes,
  assertEquals,
  assertExists,
  assertFalse,
  assertGreater,
  assertGreaterOrEqual,
  assertInstanceOf,
  AssertionError,
  assertIsError,
  assertLess,
  assertLessOrEqual,
  assertMatch,
  assertNotEquals,
  assertNotMatch,
  assertNotStrictEquals,
  assertRejects,
  assertStrictEquals,
  assertStringIncludes,
  assertThrows,
  equal,
  fail,
} from "@std/assert";

class Point {
  #x: number;
  constructor(x: number) {
    this.#x = x;
  }
  get x(): number {
    return this.#x;
  }
}

const cyclic = (name: string) => {
  const node: Record<string, unknown> = { name };
  node["self"] = node;
  return node;
};

/** Pairs that are equal, and what they show. */
const EQUAL: [string, unknown, unknown][] = [
  ["NaN", NaN, NaN],
  ["0 and -0", [0], [-0]],
  ["typed arrays, NaN in them", new Float32Array([1, NaN, 0]), new Float32Array([1, NaN, -0])],
  ["buffers", new Uint8Array([1, 2]).buffer, new Uint8Array([1, 2]).buffer],
  ["nested structures", { a: [{ b: new Set([1]) }] }, { a: [{ b: new Set([1]) }] }],
  ["keys in another order", { a: 1, b: 2 }, { b: 2, a: 1 }],
  ["maps in another order", new Map([["a", [1]], ["b", [2]]]), new Map([["b", [2]], ["a", [1]]])],
  ["keys that are objects", new Map([[{ x: 1 }, 1]]), new Map([[{ x: 1 }, 1]])],
  ["an object without a prototype", Object.assign(Object.create(null), { a: 1 }), { a: 1 }],
  ["cycles", cyclic("a"), cyclic("a")],
  ["dates", new Date(5), new Date(5)],
  ["addresses", new URL("http://a.test/x"), new URL("http://a.test/x")],
];

/** Pairs that are not equal, and what they show. */
const DIFFERENT: [string, unknown, unknown][] = [
  ["null and undefined", null, undefined],
  ["a number and its text", 1, "1"],
  ["typed arrays of other types", new Float32Array([1]), new Float64Array([1])],
  ["typed arrays of other lengths", new Uint8Array(2), new Uint8Array(3)],
  ["an absent key and undefined", { a: undefined }, {}],
  ["other keys that hold undefined", { a: undefined, b: 1 }, { b: 1, c: undefined }],
  ["maps with another value", new Map([["a", { b: 2 }]]), new Map([["a", { b: 3 }]])],
  ["maps with another key", new Map([[1, 1]]), new Map([[2, 1]])],
  ["sets of equal size", new Set([{ a: 1 }, { a: 2 }]), new Set([{ a: 1 }, { a: 3 }])],
  ["cycles with another name", cyclic("a"), cyclic("b")],
  ["instances whose getters tell", new Point(1), new Point(2)],
  ["an instance and a plain object", new Date(5), {}],
  ["expressions", /a/g, /a/i],
  ["addresses", new URL("http://a.test/x"), new URL("http://a.test/y")],
  ["errors", new TypeError("a"), new TypeError("b")],
];

for (const [what, a, b] of EQUAL) {
  Deno.test(`assertEquals() passes when values are equal: ${what}`, () => {
    assertEquals(a, b);
    assertThrows(() => assertNotEquals(a, b), AssertionError, "not to be");
  });
}

for (const [what, a, b] of DIFFERENT) {
  Deno.test(`assertEquals() throws when values differ: ${what}`, () => {
    assertNotEquals(a, b);
    assertThrows(() => assertEquals(a, b), AssertionError, "Values are not equal");
    assertThrows(() => assertEquals(b, a), AssertionError, "Values are not equal");
  });
}

Deno.test("assertEquals() names the message and the lines that differ", () => {
  const error = assertThrows(
    () => assertEquals({ step: 1, loss: 2 }, { step: 1, loss: 3 }, "after a step"),
    AssertionError,
  );
  assertMatch(error.message, /^Values are not equal: after a step\n/);
  assertMatch(error.message, /loss: 2/);
  assertMatch(error.message, /loss: 3/);
});

Deno.test("equal() throws when it cannot look inside", () => {
  assertThrows(() => equal(new WeakMap(), new WeakMap()), TypeError, "WeakMap");
  assertThrows(() => equal(new WeakSet(), new WeakSet()), TypeError, "WeakSet");
});

Deno.test("assertStrictEquals() compares as Object.is does", () => {
  const value = { a: 1 };
  assertStrictEquals(value, value);
  assertStrictEquals(NaN, NaN);
  assertThrows(() => assertStrictEquals(0, -0), AssertionError, "not strictly equal");
  assertThrows(() => assertStrictEquals({ a: 1 }, { a: 1 }), AssertionError, "same structure");
  assertNotStrictEquals({ a: 1 }, { a: 1 });
  assertThrows(() => assertNotStrictEquals(value, value), AssertionError, "strictly equal");
});

Deno.test("assertAlmostEquals() allows 1e-7 of the expected value when no tolerance is given", () => {
  assertAlmostEquals(1000 + 9e-5, 1000);
  assertThrows(() => assertAlmostEquals(1000 + 2e-4, 1000), AssertionError, "greater than");
  assertAlmostEquals(0.1 + 0.2, 0.3, 1e-12);
  assertAlmostEquals(Infinity, Infinity);
  assertAlmostEquals(NaN, NaN);
  assertThrows(() => assertAlmostEquals(NaN, 1, 10, "why"), AssertionError, ": why");
});

Deno.test("assert() and assertFalse() tell truthy from falsy", () => {
  assert("text");
  assertFalse(0);
  assertThrows(() => assert(0, "is zero"), AssertionError, "is zero");
  assertThrows(() => assertFalse([], "is a list"), AssertionError, "is a list");
});

Deno.test("assertExists() accepts all but null and undefined", () => {
  for (const value of [0, "", false, NaN]) assertExists(value);
  assertThrows(() => assertExists(null), AssertionError, '"null"');
  assertThrows(() => assertExists(undefined), AssertionError, '"undefined"');
});

Deno.test("fail() throws with its message", () => {
  assertThrows(() => fail("no way"), AssertionError, "Failed assertion: no way");
});

Deno.test("assertInstanceOf() names the class or type that it found", () => {
  assertInstanceOf(new TypeError(), Error);
  assertThrows(() => assertInstanceOf(new Map(), Set), AssertionError, 'but was "Map"');
  assertThrows(() => assertInstanceOf(null, Set), AssertionError, 'but was "null"');
  assertThrows(() => assertInstanceOf(3, Number), AssertionError, 'but was "number"');
});

Deno.test("assertGreater() and its like compare numbers, texts and dates", () => {
  assertGreater(2, 1);
  assertGreaterOrEqual(2, 2);
  assertLess("a", "b");
  assertLessOrEqual(new Date(1), new Date(1));
  assertThrows(() => assertGreater(1, 1), AssertionError, "1 > 1");
  assertThrows(() => assertGreaterOrEqual(1, NaN), AssertionError, "1 >= NaN");
  assertThrows(() => assertLess(2, 1, "order"), AssertionError, "order");
  assertThrows(() => assertLessOrEqual(NaN, 1), AssertionError, "NaN <= 1");
});

Deno.test("assertArrayIncludes() names the elements that are missing", () => {
  assertArrayIncludes([1, { a: [2] }, NaN], [{ a: [2] }, NaN]);
  assertArrayIncludes(new Uint8Array([1, 2, 3]), new Uint8Array([3]));
  assertThrows(() => assertArrayIncludes([1, 2], [2, 3]), AssertionError, "missing");
});

Deno.test("assertStringIncludes() and assertMatch() look into a text", () => {
  assertStringIncludes("a step", "step");
  assertMatch("step 12", /\d+$/);
  assertNotMatch("step", /\d/);
  assertThrows(() => assertStringIncludes("a step", "stop"), AssertionError, "to contain");
  assertThrows(() => assertMatch("step", /\d/), AssertionError, "to match");
  assertThrows(() => assertNotMatch("step 1", /\d/), AssertionError, "to not match");
});

Deno.test("assertThrows() returns what was thrown", () => {
  const thrown = assertThrows(
    () => {
      throw new RangeError("too large");
    },
    RangeError,
    "large",
  );
  assertStrictEquals(thrown.name, "RangeError");
  const value = assertThrows(() => {
    throw "text";
  });
  assertStrictEquals(value, "text");
});

Deno.test("assertThrows() throws when what was thrown is not what was expected", () => {
  const throwing = (value: unknown) => () => {
    throw value;
  };
  const inner = (fn: () => unknown) => assertThrows(fn, AssertionError).message;
  assertMatch(inner(() => assertThrows(() => 1)), /Expected function to throw/);
  assertMatch(inner(() => assertThrows(throwing("text"), Error)), /non-Error object was thrown/);
  assertMatch(inner(() => assertThrows(throwing(new Error("a")), TypeError)), /but was "Error"/);
  assertMatch(
    inner(() => assertThrows(throwing(new Error("a")), Error, "b")),
    /include "b", but got "a"/,
  );
});

Deno.test("assertRejects() returns what the promise was rejected with", async () => {
  const error = await assertRejects(() => Promise.reject(new RangeError("far")), RangeError, "far");
  assertStrictEquals(error.name, "RangeError");
  assertStrictEquals(await assertRejects(() => Promise.reject(7)), 7);
});

Deno.test("assertRejects() rejects when nothing, or something else, was rejected", async () => {
  const inner = async (fn: () => PromiseLike<unknown>) =>
    (await assertRejects(fn, AssertionError)).message;
  assertMatch(await inner(() => assertRejects(() => Promise.resolve())), /function to reject/);
  assertMatch(
    await inner(() => assertRejects(() => Promise.reject("text"), Error)),
    /non-Error object was rejected/,
  );
  assertMatch(
    await inner(() =>
      assertRejects(() => {
        throw new Error("before a promise");
      })
    ),
    /throws when expected to reject/,
  );
});

Deno.test("assertIsError() checks class and message", () => {
  assertIsError(new TypeError("a 1"), TypeError, /\d/);
  assertThrows(() => assertIsError("a"), AssertionError, "to be an Error object");
  assertThrows(() => assertIsError(new Error("a"), Error, /\d/), AssertionError, "/\\d/");
});
