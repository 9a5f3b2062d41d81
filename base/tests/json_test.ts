import { assert, assertEquals, assertMatch, assertThrows } from "@std/assert";
import fc from "fast-check";
import { UserError } from "../errors.ts";
import { fileError } from "../file_errors.ts";
import {
  canonicalJson,
  jsonDifferences,
  jsonProblem,
  parseJsonObject,
  sha256,
  sha256OfParts,
} from "../json.ts";
import { quote } from "../quote.ts";
import { permitted } from "../../tests/permissions.ts";

Deno.test("jsonProblem() finds a key that occurs twice in one object", () => {
  assertEquals(jsonProblem('{"a":1,"b":{"a":2},"c":[{"a":3},{"a":4}]}'), undefined);
  assertEquals(jsonProblem('{"x":[{"a":1,"b":"a","a":2}]}'), 'has the key "a" twice');
  assertEquals(jsonProblem('{"a":1,"\\u0061":2}'), 'has the key "a" twice');
  const quoted = '{"q\\"":1,"\\\\":2,"q\\"" \n\t: 3}';
  assertEquals(jsonProblem(quoted), 'has the key "q\\"" twice');
  assertEquals(jsonProblem('["a","a",":","{"]'), undefined);
});

Deno.test("jsonProblem() finds the key __proto__, too large numbers and too deep nesting", () => {
  const deep = (levels: number) => `{"a":${"[".repeat(levels - 1)}${"]".repeat(levels - 1)}}`;
  assertEquals(jsonProblem(deep(200)), undefined);
  assertEquals(jsonProblem(deep(201)), "is nested more than 200 levels deep");
  assertMatch(jsonProblem('{"a":{"\\u005f_proto__":{}}}')!, /^has the key "__proto__"/);
  assertEquals(jsonProblem('{"a":[-1.5e308,0.1e-400,1E2,"1e999",10]}'), undefined);
  assertEquals(jsonProblem('{"a":[1,-1E+999]}'), 'has a number that is too large, "1E+999"');
  assertMatch(jsonProblem(`{"a":${"9".repeat(400)}}`)!, /^has a number that is too large/);
});

Deno.test("jsonProblem() returns undefined for texts of JSON.stringify()", () => {
  fc.assert(
    fc.property(fc.json({ maxDepth: 4 }), (text) => jsonProblem(text) === undefined),
    { numRuns: 300, seed: 5 },
  );
});

Deno.test("parseJsonObject() throws an error with the file's name when the text is not a valid object", () => {
  assertEquals(parseJsonObject('{"a":[1]}', "f"), { a: [1] });
  for (const text of ["", "[]", "null", "3", '{"a":', '{"a":1,"a":1}', '{"a":{"__proto__":{}}}']) {
    const { message } = assertThrows(() => parseJsonObject(text, "dir/f.json"), UserError);
    assert(message.startsWith("dir/f.json ") && !message.includes("\n"), message);
  }
});

Deno.test("parseJsonObject() reads Python's Infinity when asked to, and not in strings", () => {
  const text = '{"a": -Infinity, "b": [Infinity], "c": "-Infinity \\" Infinity", "d": 1}';
  const expected = { a: -Infinity, b: [Infinity], c: '-Infinity " Infinity', d: 1 };
  assertEquals(parseJsonObject(text, "the file", { infinities: true }), expected);
  assertThrows(() => parseJsonObject(text, "the file"), UserError, "the file is not JSON");
  const unclosed = '{"a": "Infinity';
  assertThrows(() => parseJsonObject(unclosed, "the file", { infinities: true }), UserError);
  const tooLarge = '{"a": 1e999, "b": Infinity}';
  assertThrows(() => parseJsonObject(tooLarge, "it", { infinities: true }), UserError, "too large");
});

Deno.test("canonicalJson() sorts keys and leaves undefined values out", () => {
  assertEquals(
    canonicalJson({ b: [2, { d: 1, c: null }], a: undefined }),
    '{"b":[2,{"c":null,"d":1}]}',
  );
});

Deno.test("sha256() returns the published digest of abc", async () => {
  // FIPS 180-2, appendix B.1
  const digest = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
  assertEquals(await sha256("abc"), digest);
  assertEquals(await sha256(Uint8Array.of(97, 98, 99)), digest);
});

Deno.test("jsonDifferences() lists keys that differ, are missing or were added", () => {
  const left = { a: 1, b: { c: [1, 2], d: "x" }, e: undefined, f: null };
  assertEquals(jsonDifferences(left, { b: { d: "x", c: [1, 2] }, a: 1, f: null }), []);
  assertEquals(jsonDifferences(left, { a: 1, b: { c: [1, 3], g: true } }), [
    { key: "b.c", left: [1, 2], right: [1, 3] },
    { key: "b.d", left: "x", right: undefined },
    { key: "b.g", left: undefined, right: true },
    { key: "f", left: null, right: undefined },
  ]);
  assertEquals(jsonDifferences({}, { toString: 1 })[0]?.left, undefined);
});

Deno.test("quote() shows any value on one line", () => {
  assertEquals(quote('a"b\n'), '"a\\"b\\n"');
  assertEquals(quote("x".repeat(100), 10), `"${"x".repeat(10)}..."`);
  assertEquals(quote([1, "a"]), '[1,"a"]');
  assertEquals(quote(undefined), "not set");
  let deep: unknown[] = [];
  for (let i = 0; i < 20_000; i++) deep = [deep];
  assert(quote(deep).length < 100); // whether or not JSON.stringify can handle it
  assertEquals(quote("\u202e\u009b"), '"\\u202e\\u009b"');
});

Deno.test("fileError() returns a UserError unchanged", () => {
  const error = new UserError("inner");
  assertEquals(fileError(error, "read x"), error);
  assertEquals(fileError(new Error("odd"), "read x").message, "cannot read x: odd");
  assertEquals(fileError("odd", "read x").message, "cannot read x: odd");
});

Deno.test({
  name: "fileError() advises to free space when the disk is full",
  ignore: Deno.build.os !== "linux" || !permitted({ name: "read" }, { name: "write" }),
  fn() {
    const error = assertThrows(() => Deno.writeTextFileSync("/dev/full", "x"));
    if (error instanceof Deno.errors.NotCapable) return; // device files need all permissions
    assert(
      fileError(error, "write x").message.startsWith("cannot write x: the disk is full: free"),
    );
  },
});

Deno.test({
  name: "fileError() advises to raise the limit when a file is too large",
  ignore: Deno.build.os !== "linux" || !permitted({ name: "run" }),
  fn: async () => {
    const path = await Deno.makeTempFile();
    const program = `import { fileError } from "${new URL(
      "../../base/file_errors.ts",
      import.meta.url,
    )}";
      try {
        Deno.writeFileSync(Deno.args[0], new Uint8Array(100_000));
      } catch (error) {
        console.log(fileError(error, "write x").message);
      }`;
    const { stdout } = await new Deno.Command("sh", {
      // The limit would end the process by a signal if it were not ignored.
      args: [
        "-c",
        `trap "" XFSZ; ulimit -f 16; exec "$0" "$@"`,
        Deno.execPath(),
        "eval",
        "-q",
        "--ext=js",
        program,
        "--",
        path,
      ],
      stderr: "inherit",
    }).output();
    await Deno.remove(path);
    assertEquals(
      new TextDecoder().decode(stdout).trim(),
      "cannot write x: the file is larger than the file system or your limit allows: " +
        "choose another folder, or raise the limit (ulimit -f)",
    );
  },
});

Deno.test({
  name: "fileError() names the missing permission when Deno has none",
  ignore: permitted({ name: "read", path: "/" }),
  fn() {
    const error = assertThrows(() => Deno.readTextFileSync("/x"));
    const { message } = fileError(error, "read /x");
    assert(message.includes('no permission for it (Requires read access to "/x")'), message);
  },
});

Deno.test("sha256OfParts() returns the hash of the concatenated parts", async () => {
  const bytes = Uint8Array.from({ length: 1000 }, (_, i) => i * 31);
  const parts = [bytes.subarray(0, 7), bytes.subarray(7, 7), bytes.subarray(7)];
  assertEquals(sha256OfParts(parts), await sha256(bytes));
  // FIPS 180-4's example.
  const abc = ["a", "b", "c"].map((letter) => new TextEncoder().encode(letter));
  const known = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
  assertEquals(sha256OfParts(abc), known);
});
