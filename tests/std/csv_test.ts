import { assertEquals, assertThrows } from "@std/assert";
import { parse, stringify } from "@std/csv";
import fc from "fast-check";

Deno.test("parse() reads quoted fields, and records of different lengths", () => {
  assertEquals(parse(`"a ""word""","comma,","line\n"\n#foo, bar,""\nx`), [
    ['a "word"', "comma,", "line\n"],
    ["#foo", " bar", ""],
    ["x"],
  ]);
  assertEquals(parse(""), []);
});

Deno.test("parse() reads CRLF as LF, and skips blank lines and a byte-order mark", () => {
  assertEquals(parse('\ufeffa,b\r\n\r\n\n"c\r\nd",e\r\n'), [["a", "b"], ["c\nd", "e"]]);
  assertEquals(parse("a,b\rc"), [["a", "b\rc"]]);
});

Deno.test("parse() names the line when the number of fields differs from the first record's", () => {
  assertThrows(
    () => parse("a,b\nc,d,e", { fieldsPerRecord: 0 }),
    SyntaxError,
    "Syntax error on line 2: expected 2 fields but got 3",
  );
});

Deno.test("parse() names the line when a quote is out of place", () => {
  const cases = { 'a\nb "c": d': "bare", 'a\n"b"c': "extraneous", 'a\n"b': "missing" };
  for (const [input, word] of Object.entries(cases)) {
    const error = assertThrows(() => parse(input), SyntaxError, "Syntax error on line 2");
    assertEquals(error.message.includes(word), true, error.message);
  }
});

Deno.test("stringify() writes CRLF, and quotes where necessary", () => {
  assertEquals(stringify([["a,b", 'c"d', "e\nf", " g "]]), '"a,b","c""d","e\nf", g \r\n');
  assertEquals(stringify([[null, undefined, true, 0, NaN, 2n, ""]]), ",,true,0,NaN,2,\r\n");
  assertEquals(stringify([]), "");
});

Deno.test("parse() reads back what stringify() wrote", () => {
  // A record of one empty field is a blank line; a carriage return belongs to a line end.
  const field = fc.string({ unit: fc.constantFrom("a", ",", '"', "\n", " ", "é", "\u{1f455}") });
  const table = fc.array(fc.array(field, { minLength: 2, maxLength: 4 }));
  fc.assert(fc.property(table, (rows) => {
    assertEquals(parse(stringify(rows)), rows);
  }));
});
