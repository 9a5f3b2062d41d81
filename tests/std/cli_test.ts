import { assertEquals } from "@std/assert";
import { parseArgs } from "@std/cli/parse-args";
import { ProgressBar, type ProgressBarOptions } from "@std/cli/unstable-progress-bar";

Deno.test("parseArgs() keeps values of string flags as text, and the last one when repeated", () => {
  assertEquals(
    parseArgs(["--seed", "007", "--name", "--out=", "--size=1", "--size", "2"], {
      string: ["seed", "name", "out", "size", "absent"],
    }),
    { seed: "007", name: "", out: "", size: "2", _: [] },
  );
});

Deno.test("parseArgs() returns true, numbers and texts when a flag is not declared", () => {
  assertEquals(parseArgs(["--foo", "--bar=baz", "./a.txt", "-", "--n", "1e3", "7"]), {
    foo: true,
    bar: "baz",
    n: 1000,
    _: ["./a.txt", "-", 7],
  });
});

Deno.test("parseArgs() takes no value that starts with a dash, except after =", () => {
  assertEquals(parseArgs(["--eta", "-0.5"], { string: ["eta"] })["eta"], "");
  assertEquals(parseArgs(["--eta=-0.5"], { string: ["eta"] })["eta"], "-0.5");
});

Deno.test("parseArgs() collects values when a flag may be repeated", () => {
  assertEquals(
    parseArgs(["--foo", "a", "--foo=2"], { string: ["foo", "none"], collect: ["foo", "none"] }),
    { foo: ["a", "2"], none: [], _: [] },
  );
});

Deno.test("parseArgs() does not read what follows --", () => {
  assertEquals(parseArgs(["a", "--", "--b", "7"]), { _: ["a", "--b", "7"] });
  assertEquals(parseArgs(["--a", "--"], { string: ["a"] }), { a: "", _: [] });
});

Deno.test("parseArgs() passes undeclared arguments to unknown(), and drops those it rejects", () => {
  const seen: unknown[][] = [];
  const args = parseArgs(["--known=1", "--other", "2", "file", "-x"], {
    string: ["known"],
    unknown: (arg, key, value) => {
      seen.push([arg, key, value]);
      return arg !== "--other";
    },
  });
  assertEquals(seen, [
    ["--other", "other", "2"],
    ["file", undefined, undefined],
    ["-x", "x", true],
  ]);
  assertEquals(args, { known: "1", _: ["file"] });
});

/** A bar of five characters, and the texts that it has written. */
function recordedBar(options: Partial<ProgressBarOptions> = {}) {
  const texts: string[] = [];
  const decoder = new TextDecoder();
  const writable = new WritableStream<Uint8Array>({
    write: (chunk) => void texts.push(decoder.decode(chunk)),
  });
  const bar = new ProgressBar({
    writable,
    value: 0,
    max: 10,
    barLength: 5,
    interval: 1000,
    formatter: ({ progressBar }) => progressBar,
    ...options,
  });
  return { bar, texts, writable };
}

Deno.test("ProgressBar draws at the start and at the end, ends its line and releases the stream", async () => {
  const { bar, texts, writable } = recordedBar({ value: 2 });
  bar.value = 7;
  await bar.stop();
  assertEquals(texts, ["\r\x1b[K#----", "\r\x1b[K###--", "\n"]);
  assertEquals(writable.locked, false);
});

Deno.test("ProgressBar redraws at its interval, and never after it has stopped", async () => {
  const { bar, texts } = recordedBar({ interval: 1 });
  while (texts.length < 3) await new Promise((resolve) => setTimeout(resolve, 1));
  await bar.stop();
  const count = texts.length;
  await new Promise((resolve) => setTimeout(resolve, 20));
  assertEquals(texts.length, count);
});

Deno.test("ProgressBar stays within its length when the value is out of range", async () => {
  for (const [value, drawn] of [[-5, "-----"], [50, "#####"]] as const) {
    const { bar, texts } = recordedBar({ value });
    await bar.stop();
    assertEquals(texts[0], `\r\x1b[K${drawn}`);
  }
});

Deno.test("ProgressBar does not fail when its stream does", async () => {
  const writable = new WritableStream<Uint8Array>({
    write: () => Promise.reject(new Error("gone")),
  });
  const { bar } = recordedBar({ writable, interval: 1 });
  await new Promise((resolve) => setTimeout(resolve, 5));
  await bar.stop();
});
