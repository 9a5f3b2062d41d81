import { assertEquals, assertThrows } from "@std/assert";
import { parse, stringify } from "@std/csv";
import { parse as parseOfSubpath } from "@std/csv/parse";
import { type Column, stringify as stringifyOfSubpath } from "@std/csv/stringify";
import fc from "fast-check";

Deno.test("parse() and stringify() are the same under both names", () => {
  assertEquals([parse, stringify], [parseOfSubpath, stringifyOfSubpath]);
});

Deno.test("parse() returns lists of fields when columns have no names", () => {
  const rows: string[][] = parse("a,b,c\n#d,,f\n");
  assertEquals(rows, [["a", "b", "c"], ["#d", "", "f"]]);
  assertEquals(parse(""), []);
  assertEquals(parse("a"), [["a"]]);
});

Deno.test("parse() reads quoted fields", () => {
  assertEquals(parse(`"a ""word""","comma,","newline\n"\nfoo,bar,""`), [
    ['a "word"', "comma,", "newline\n"],
    ["foo", "bar", ""],
  ]);
});

Deno.test("parse() takes CRLF as LF, skips blank lines and a byte-order mark", () => {
  assertEquals(parse('\ufeffa,b\r\n\r\n\n"c\r\nd",e\r\n'), [["a", "b"], ["c\nd", "e"]]);
  assertEquals(parse("a,b\rc"), [["a", "b\rc"]]);
});

Deno.test("parse() names fields by the first row when that is skipped", () => {
  const rows: Record<string, string>[] = parse("a,b\n1,2\n", { skipFirstRow: true });
  assertEquals(rows, [{ a: "1", b: "2" }]);
  assertThrows(() => parse("", { skipFirstRow: true }), TypeError, "headers must be defined");
});

Deno.test("parse() names fields by columns", () => {
  const rows: Record<"x" | "y", string>[] = parse("a,b\n1,2", { columns: ["x", "y"] });
  assertEquals(rows, [{ x: "a", y: "b" }, { x: "1", y: "2" }]);
  assertEquals(parse("a,b\n1,2", { columns: ["x", "y"], skipFirstRow: true }), [{
    x: "1",
    y: "2",
  }]);
});

Deno.test("parse() takes other separators, comments and leading space", () => {
  assertEquals(parse("a\tb,c\n", { separator: "\t" }), [["a", "b,c"]]);
  assertEquals(parse("# no\na,#b\n#no", { comment: "#" }), [["a", "#b"]]);
  assertEquals(parse(" a,  b \n", { trimLeadingSpace: true }), [["a", "b "]]);
  assertEquals(parse(" a,  b \n"), [[" a", "  b "]]);
  for (const separator of ["\n", "\r", '"']) {
    assertThrows(() => parse("a", { separator }), Error, "invalid delimiter");
  }
});

Deno.test("parse() names the line when the number of fields is wrong", () => {
  assertThrows(
    () => parse("a,b\nc,d,e", { fieldsPerRecord: 0 }),
    SyntaxError,
    "Syntax error on line 2: expected 2 fields but got 3",
  );
  assertThrows(
    () => parse("a\nc,d\n", { fieldsPerRecord: 2 }),
    SyntaxError,
    "Syntax error on line 1: expected 2 fields but got 1",
  );
  assertEquals(parse("a\nb,c", { fieldsPerRecord: -1 }), [["a"], ["b", "c"]]);
  assertThrows(
    () => parse("a,b\n1\n", { skipFirstRow: true }),
    Error,
    "Syntax error on line 2: The record has 1 fields, but the header has 2 fields",
  );
});

Deno.test("parse() names the line when a quote is out of place", () => {
  const cases = { 'a\nb "c": d': "bare", 'a\n"b"c': "extraneous", 'a\n"b': "missing" };
  for (const [input, word] of Object.entries(cases)) {
    assertThrows(() => parse(input), SyntaxError, "Syntax error on line 2");
    assertThrows(() => parse(input), SyntaxError, word);
  }
});

Deno.test("stringify() writes lists, with CRLF", () => {
  assertEquals(stringify([["Rick", 70], ["Morty", 14]]), "Rick,70\r\nMorty,14\r\n");
  assertEquals(stringify([["a", ""], [""], ["b"]], { separator: "\t" }), "a\t\r\n\r\nb\r\n");
  assertEquals(stringify([]), "");
});

Deno.test("stringify() writes values of every kind", () => {
  const row = [null, undefined, true, false, 0, NaN, 2n, { a: 1 }, ["b"]];
  assertEquals(stringify([row]), ',,true,false,0,NaN,2,"{""a"":1}","[""b""]"\r\n');
});

Deno.test("stringify() quotes a field when it has to", () => {
  assertEquals(stringify([["a,b", 'c"d', "e\nf", " g "]]), '"a,b","c""d","e\nf", g \r\n');
  assertEquals(stringify([["a,b", "c\td"]], { separator: "\t" }), 'a,b\t"c\td"\r\n');
});

Deno.test("stringify() picks and names columns", () => {
  const data = [{ age: 70, name: { first: "Rick", tags: ["x", "y"] } }];
  const columns: Column[] = [["name", "first"], { prop: "age", header: "years" }, [
    "name",
    "tags",
    1,
  ]];
  assertEquals(stringify(data, { columns }), "first,years,1\r\nRick,70,y\r\n");
  assertEquals(stringify(data, { columns: ["age"], headers: false }), "70\r\n");
  assertEquals(stringify([], { columns: ["age"] }), "age\r\n");
  assertEquals(stringify([["a", "b"]], { columns: [1] }), "1\r\nb\r\n");
  assertEquals(stringify([["a"]], { bom: true }), "\ufeffa\r\n");
});

Deno.test("stringify() throws when it cannot know the columns", () => {
  assertThrows(() => stringify([{ a: 1 }]), TypeError, "No property accessor function");
  assertThrows(() => stringify([["a"]], { columns: ["a"] }), TypeError, 'not of type "number"');
  for (const separator of ['"', "\r\n"]) {
    assertThrows(() => stringify([["a"]], { separator }), TypeError, "Separator cannot include");
  }
});

Deno.test("parse() reads back what stringify() wrote", () => {
  // A record of one empty field is a blank line, a carriage return belongs to a line end.
  const field = fc.string({ unit: fc.constantFrom("a", ",", '"', "\n", " ", "é", "\u{1f455}") });
  const table = fc.array(fc.array(field, { minLength: 2, maxLength: 4 }));
  fc.assert(fc.property(table, (rows) => {
    assertEquals(parse(stringify(rows)), rows);
  }));
});
