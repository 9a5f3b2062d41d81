import { assertEquals, assertThrows } from "@std/assert";
import { csvRecords, decodeUtf8, jsonLines, textLines } from "../../datasets/text_files.ts";
import { UserError } from "../../base/errors.ts";

const bytes = (text: string) => new TextEncoder().encode(text);

Deno.test("decodeUtf8() drops a byte-order mark and names the line of bytes that are not UTF-8", () => {
  assertEquals(decodeUtf8(Uint8Array.of(0xef, 0xbb, 0xbf, 0x61), "a.txt"), "a");
  const latin1 = Uint8Array.of(...bytes("one\ntwo caf"), 0xe9, 0x0a, ...bytes("three\n"));
  assertThrows(() => decodeUtf8(latin1, "a.txt"), UserError, "a.txt:2: bytes that are not UTF-8");
});

Deno.test("textLines() skips blank lines but counts them", () => {
  assertEquals(textLines(bytes("a\r\n\r\n b\n\n"), "a.txt"), [
    { value: "a", where: "a.txt:1" },
    { value: " b", where: "a.txt:3" },
  ]);
});

Deno.test("jsonLines() names the file and the line when a row is invalid", () => {
  const read = (text: string) => jsonLines(bytes(text), "a.jsonl", ["question"]);
  assertEquals(read('{"question":"why?"}\n').map(({ value }) => value.question), ["why?"]);
  const good = '{"question":"why?"}\n\n';
  assertThrows(() => read(good + '{"question":'), UserError, "a.jsonl:3: not JSON");
  for (const bad of ["{}", '{"question":7}', '{"question":" "}']) {
    assertThrows(() => read(good + bad), UserError, 'a.jsonl:3: a row without "question"');
  }
  for (const bad of ["null", "7", "[]"]) {
    assertThrows(() => read(good + bad), UserError, `a.jsonl:3: ${bad} is not a JSON object`);
  }
});

const csv = (text: string) => csvRecords(bytes(text), "a.csv", ["Review", "Rating"]);

Deno.test("csvRecords() reads quotes, line breaks in fields, and columns in any order", () => {
  const text = 'Id,Rating,Review\r\n1,5,"He said ""wow"",\nthen left"\r\n\r\n2,3,plain\r\n';
  assertEquals(csv(text), [
    { value: { Review: 'He said "wow",\nthen left', Rating: "5" }, where: "a.csv:2" },
    { value: { Review: "plain", Rating: "3" }, where: "a.csv:5" },
  ]);
});

Deno.test("csvRecords() names the file and the line when the file is broken", () => {
  const cases = [
    ["Review,Stars\nfine,3\n", "a.csv:1: no column Rating; the columns are Review, Stars"],
    ["", "a.csv:1: no column Review and no column Rating; the columns are none"],
    [
      'Review,Rating\na,1\n"b,2\nc,3\n',
      "a.csv:3: the record that begins here has an unclosed quote",
    ],
    ['Review,Rating\na,1\nb "x" c,2\n', "a.csv:3: Syntax error"],
    ['Review,Rating\na,1\n"b" c,2\n', "a.csv:3: Syntax error"],
    ["Review,Rating\na,1\nb, with a comma,2\n", "a.csv:3: 3 fields, where the header has 2"],
    ['Review,Rating\n"two\nlines",1\nb\n', "a.csv:4: 1 fields, where the header has 2"],
  ] as const;
  for (const [text, message] of cases) assertThrows(() => csv(text), UserError, message);
});
