import {
  assert,
  assertAlmostEquals,
  assertEquals,
  assertFalse,
  AssertionError,
  assertMatch,
  assertNotEquals,
  assertRejects,
  assertStrictEquals,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";

const EQUAL: [string, unknown, unknown][] = [
  ["NaN", NaN, NaN],
  ["0 and -0", [0], [-0]],
  ["typed arrays with NaN and -0", new Float32Array([1, NaN, 0]), new Float32Array([1, NaN, -0])],
  ["buffers", new Uint8Array([1, 2]).buffer, new Uint8Array([1, 2]).buffer],
  ["nested structures", { a: [{ b: new Set([{ c: 1 }]) }] }, { a: [{ b: new Set([{ c: 1 }]) }] }],
  ["keys in another order", { a: 1, b: 2 }, { b: 2, a: 1 }],
  ["maps in another order", new Map([["a", [0]], ["b", [1]]]), new Map([["b", [1]], ["a", [-0]]])],
  ["keys that are objects", new Map([[{ x: 1 }, 1]]), new Map([[{ x: 1 }, 1]])],
  ["an object without a prototype", Object.assign(Object.create(null), { a: 1 }), { a: 1 }],
  ["URLs", new URL("http://a.test/x"), new URL("http://a.test/x")],
];

const DIFFERENT: [string, unknown, unknown][] = [
  ["null and undefined", null, undefined],
  ["a number and its text", 1, "1"],
  ["typed arrays of other types", new Float32Array([1]), new Float64Array([1])],
  ["typed arrays of other lengths", new Uint8Array(2), new Uint8Array(3)],
  ["an absent key and undefined", { a: undefined }, {}],
  ["other keys that are undefined", { a: undefined, b: 1 }, { b: 1, c: undefined }],
  ["maps with another value", new Map([["a", { b: 2 }]]), new Map([["a", { b: 3 }]])],
  ["maps with another key", new Map([[1, 1]]), new Map([[2, 1]])],
  ["sets of equal size", new Set([{ a: 1 }, { a: 2 }]), new Set([{ a: 1 }, { a: 3 }])],
  ["an instance and a plain object", new Date(5), {}],
  ["regular expressions", /a/g, /a/i],
  ["URLs", new URL("http://a.test/x"), new URL("http://a.test/y")],
  ["errors", new TypeError("a"), new TypeError("b")],
];

for (const [name, a, b] of EQUAL) {
  Deno.test(`assertEquals() passes when values are equal: ${name}`, () => {
    assertEquals(a, b);
    assertThrows(() => assertNotEquals(a, b), AssertionError, "not to be");
  });
}

for (const [name, a, b] of DIFFERENT) {
  Deno.test(`assertEquals() throws when values differ: ${name}`, () => {
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
  assertMatch(error.message, /loss: 2[^]*loss: 3/);
});

Deno.test("assertStrictEquals() compares with Object.is", () => {
  assertStrictEquals(NaN, NaN);
  assertThrows(() => assertStrictEquals(0, -0), AssertionError, "not strictly equal");
  assertThrows(() => assertStrictEquals({ a: 1 }, { a: 1 }), AssertionError);
});

Deno.test("assertAlmostEquals() allows 1e-7 of the expected value when no tolerance is given", () => {
  assertAlmostEquals(1000 + 9e-5, 1000);
  assertThrows(() => assertAlmostEquals(1000 + 2e-4, 1000), AssertionError, "greater than");
  assertAlmostEquals(0.1 + 0.2, 0.3, 1e-12);
  assertAlmostEquals(Infinity, Infinity);
  assertAlmostEquals(NaN, NaN);
  assertThrows(() => assertAlmostEquals(NaN, 1, 10, "why"), AssertionError, ": why");
});

Deno.test("assertions of conditions and texts throw with their message when they fail", () => {
  assert("text");
  assertThrows(() => assert(0, "is zero"), AssertionError, "is zero");
  assertFalse(0);
  assertThrows(() => assertFalse([], "is a list"), AssertionError, "is a list");
  assertStringIncludes("abc", "bc");
  assertThrows(() => assertStringIncludes("abc", "d", "why"), AssertionError, '"d": why');
  assertMatch("abc", /b/);
  assertThrows(() => assertMatch("abc", /d/, "why"), AssertionError, '"/d/": why');
});

Deno.test("assertThrows() returns the error, and throws when there is none or another one", () => {
  const fail = () => {
    throw new RangeError("too far");
  };
  const error: RangeError = assertThrows(fail, RangeError, "far");
  assertEquals(error.message, "too far");
  assertThrows(() => assertThrows(() => {}), AssertionError, "to throw");
  assertThrows(() => assertThrows(fail, TypeError), AssertionError, "TypeError");
  assertThrows(() => assertThrows(fail, RangeError, "near"), AssertionError, '"near"');
});

Deno.test("assertRejects() returns the reason, and rejects when there is none or another one", async () => {
  const fail = () => Promise.reject(new RangeError("too far"));
  const error: RangeError = await assertRejects(fail, RangeError, "far");
  assertEquals(error.message, "too far");
  assertEquals(await assertRejects(() => Promise.reject(7)), 7);
  const rejects = (check: () => Promise<unknown>, text: string) =>
    assertRejects(check, AssertionError, text);
  await rejects(() => assertRejects(() => Promise.resolve()), "to reject");
  await rejects(() => assertRejects(fail, TypeError), "TypeError");
  const throws = () => {
    throw new Error("before there is a promise");
  };
  await rejects(() => assertRejects(throws), "throws when expected to reject");
});
