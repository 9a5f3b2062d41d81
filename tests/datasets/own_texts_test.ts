import { assertEquals, assertThrows } from "@std/assert";
import { EXIT, UserError } from "../../base/errors.ts";
import { parseOwnTexts } from "../../datasets/own_texts.ts";

const encode = (text: string) => new TextEncoder().encode(text);
const textsOf = (content: string, name: string, options = {}) =>
  parseOwnTexts(encode(content), name, options).texts.map(({ text }) => text);

Deno.test("parseOwnTexts() reads a text a line when a .txt has no blank lines between", () => {
  assertEquals(textsOf("one\r\n two words \nthree\n\n", "a.txt"), ["one", "two words", "three"]);
  assertEquals(textsOf("\ufeffone\ntwo", "a.TXT"), ["one", "two"]);
});

Deno.test("parseOwnTexts() reads a paragraph each when a .txt has blank lines between", () => {
  const { texts, where } = parseOwnTexts(encode("one\ntwo\r\n \r\n\nthree\n\n"), "poems.txt");
  assertEquals(texts.map(({ text }) => text), ["one\ntwo", "three"]);
  assertEquals(where, "a paragraph each, between blank lines");
});

Deno.test("parseOwnTexts() finds the columns text and label by name, and the only column without one", () => {
  const table = 'Label,n,Text\ngood,1,"a, ""b"""\nbad,2,"two\nlines"\n';
  const { texts, labels, where } = parseOwnTexts(encode(table), "a.csv");
  assertEquals(texts, [{ text: 'a, "b"', label: "good" }, { text: "two\nlines", label: "bad" }]);
  assertEquals(labels, ["bad", "good"]);
  assertEquals(where, 'column "Text", labels in column "Label", not read: "n"');
  assertEquals(parseOwnTexts(encode("poem\nroses\n"), "a.csv"), {
    texts: [{ text: "roses", label: undefined }],
    labels: undefined,
    where: 'column "poem"',
  });
});

Deno.test("parseOwnTexts() takes the named fields of a .jsonl; labels may be numbers", () => {
  const lines = [{ t: "a", stars: 10 }, { t: "b", stars: 9 }, { t: "c", stars: 10 }];
  const { texts, labels } = parseOwnTexts(
    encode(lines.map((line) => JSON.stringify(line)).join("\n")),
    "a.jsonl",
    { text: "t", label: "stars" },
  );
  assertEquals(texts[0], { text: "a", label: "10" });
  assertEquals(labels, ["9", "10"], "numbers are not in the order of characters");
});

Deno.test("parseOwnTexts() refuses a file that is not as its name says, with the line", () => {
  const cases: readonly [name: string, content: string, message: string][] = [
    ["a.doc", "x", "a.doc: its name must end in .txt, .csv or .jsonl, to say what it is"],
    ["a.txt", " \n\n", "a.txt: no texts: add some, one a line or a row"],
    ["a.csv", "text\n", "a.csv: no texts: add some, one a line or a row"],
    ["a.csv", "text,b\nx\n", "a.csv:2: 1 fields, where the header has 2 columns"],
    ["a.csv", "text,label\nx,y\n ,y\n", "a.csv:3: the text is empty"],
    ["a.csv", "text,label\nx,\n", "a.csv:2: the label is empty"],
    ["a.jsonl", "", "a.jsonl: no texts: add some, one a line or a row"],
    ["a.jsonl", '{"text":"x"}\n[1]\n', "a.jsonl:2: [1] is not a JSON object"],
    ["a.jsonl", '{"text":"x"}\n{"text":7}\n', 'a.jsonl:2: the field "text" is not text'],
    [
      "a.jsonl",
      '{"text":"x","label":"y"}\n{"text":"z"}\n',
      'a.jsonl:2: the label "label" is not set, which is neither text nor a number',
    ],
  ];
  for (const [name, content, message] of cases) {
    assertEquals(
      assertThrows(() => parseOwnTexts(encode(content), name), UserError).message,
      message,
    );
  }
  assertThrows(
    () => parseOwnTexts(Uint8Array.of(65, 10, 0xff), "a.txt"),
    UserError,
    "a.txt:2: bytes that are not UTF-8",
  );
});

Deno.test("parseOwnTexts() lists the columns when none is named, or one that is not there", () => {
  const refused = (options: object) =>
    assertThrows(
      () => parseOwnTexts(encode("id,body\n1,x\n"), "a.csv", options),
      UserError,
    );
  assertEquals(
    refused({}).message,
    'a.csv:1: which column has the texts? Name one of "id, body"',
  );
  assertEquals(
    refused({ text: "txt" }).message,
    'a.csv:1: there is no column "txt": name one of "id, body"',
  );
  assertEquals(
    refused({ text: "id", label: "id" }).message,
    'a.csv:1: texts and labels are both in "id": name another column',
  );
  assertEquals(refused({}).exitCode, EXIT.usage);
});
