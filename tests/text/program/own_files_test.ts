/** `--texts FILE` and `--problems FILE` that cannot be trained on. */
import { assertEquals, assertStringIncludes } from "@std/assert";
import { inFolder } from "../../in_folder.ts";
import { permitted } from "../../permissions.ts";
import { runText } from "./program.ts";

const lines = (count: number, line: (i: number) => string) =>
  Array.from({ length: count }, (_, i) => line(i));

/** The flag, the file, its content, the exit code, and the message. */
const CASES: readonly (readonly [string, string, readonly string[], number, string])[] = [
  ["texts", "a.txt", [], 1, "a.txt: no texts: add some, one a line or a row"],
  ["texts", "a.txt", ["One line."], 2, "a.txt: 1 different text, and at least 10 are needed"],
  [
    "texts",
    "a.csv",
    // Some of the labels that come once are held out.
    [
      "text,label",
      ...lines(40, (i) => `the text number ${i},usual`),
      ...lines(20, (i) => `a rare one ${i},rare${i}`),
    ],
    2,
    "has no text to train on, for all are held out: add texts of it",
  ],
  ["texts", "a.md", ["# One"], 1, "its name must end in .txt, .csv or .jsonl"],
  [
    "problems",
    "a.jsonl",
    ['{"question": "1+1", "answer": 2}', '{"question": "1+2"}'],
    1,
    'a.jsonl:2: a problem without "answer", which must be text or a number: add it, or remove',
  ],
  ["problems", "a.jsonl", [], 1, "a.jsonl: no problems: add some, one a line"],
];

Deno.test({
  name: "text refuses files of one's own in one line with the remedy, and leaves no folder",
  ignore: !permitted({ name: "read" }, { name: "write" }),
  fn: () =>
    inFolder(async (folder) => {
      for (const [flag, name, content, expected, message] of CASES) {
        await Deno.writeTextFile(`${folder}/${name}`, content.join("\n"));
        const own = [`--${flag}=${folder}/${name}`, `--out=${folder}/out`];
        const { code, stderr } = await runText("--preset=smoke", ...own);
        assertEquals([code, stderr.trim().split("\n").length], [expected, 1], stderr);
        assertStringIncludes(stderr, message);
        assertEquals(await Deno.stat(`${folder}/out`).then(() => true, () => false), false);
      }
    }),
});
