import { assert, assertEquals, assertMatch, assertThrows } from "@std/assert";
import { parseArgs } from "@std/cli";
import { parseArgs as parseArgsOfSubpath } from "@std/cli/parse-args";
import { ProgressBar, type ProgressBarFormatter } from "@std/cli/unstable-progress-bar";

Deno.test("parseArgs() is the same under both names", () => {
  assertEquals(parseArgs, parseArgsOfSubpath);
});

Deno.test("parseArgs() tells flags, values and the rest apart when nothing is declared", () => {
  assertEquals(parseArgs(["--foo", "--bar=baz", "./quux.txt"]), {
    foo: true,
    bar: "baz",
    _: ["./quux.txt"],
  });
  assertEquals(parseArgs(["--foo", "bar", "-", "--n", "1e3", "7"]), {
    foo: "bar",
    n: 1000,
    _: ["-", 7],
  });
});

Deno.test("parseArgs() takes the last value when a flag is repeated", () => {
  assertEquals(parseArgs(["--foo", "1", "--foo=2"]), { foo: 2, _: [] });
});

Deno.test("parseArgs() keeps numbers as text when a flag is a string", () => {
  const args = parseArgs(["--seed", "007", "--name", "--out="], {
    string: ["seed", "name", "out", "absent"],
  });
  const seed: string | undefined = args.seed;
  assertEquals(seed, "007");
  assertEquals({ ...args }, { seed: "007", name: "", out: "", _: [] });
});

Deno.test("parseArgs() gives booleans no value but true and false", () => {
  const args = parseArgs(["--foo", "bar", "--baz", "false", "--qux=true"], {
    boolean: ["foo", "baz", "qux", "absent"],
  });
  const foo: boolean = args.foo;
  assertEquals(foo, true);
  assertEquals({ ...args }, { foo: true, baz: false, qux: true, absent: false, _: ["bar"] });
});

Deno.test("parseArgs() makes every flag a boolean when boolean is true", () => {
  assertEquals(parseArgs(["--foo", "bar", "-n", "3", "--x=y"], { boolean: true }), {
    foo: true,
    n: 3,
    x: "y",
    _: ["bar"],
  });
});

Deno.test("parseArgs() does not take what starts with a dash as a value", () => {
  assertEquals(parseArgs(["--eta", "-0.5"], { string: ["eta"] }).eta, "");
  assertEquals(parseArgs(["--eta=-0.5"]).eta, -0.5);
});

Deno.test("parseArgs() collects values when a flag may be repeated", () => {
  const args = parseArgs(["--foo", "a", "--foo=2", "--bar", "3"], {
    string: ["foo", "none"],
    collect: ["foo", "bar", "none"],
  });
  const foo: string[] = args.foo;
  assertEquals(foo, ["a", "2"]);
  assertEquals({ ...args }, { foo: ["a", "2"], bar: [3], none: [], _: [] });
});

Deno.test("parseArgs() fills in defaults of flags that are not given", () => {
  const args = parseArgs(["--a", "x"], { string: ["a"], default: { a: "d", b: 5, "c.d": 1 } });
  assertEquals({ ...args }, { a: "x", b: 5, c: { d: 1 }, _: [] });
});

Deno.test("parseArgs() sets every alias of a flag", () => {
  const args = parseArgs(["-h", "--size", "3"], {
    boolean: ["help"],
    alias: { help: "h", n: ["size", "count"] },
  });
  const short: boolean = args.h;
  assertEquals(short, true);
  assertEquals({ ...args }, { help: true, h: true, n: 3, size: 3, count: 3, _: [] });
});

Deno.test("parseArgs() makes a flag false when it is negatable and negated", () => {
  const options = { boolean: ["color"], negatable: ["color"] } as const;
  assertEquals(parseArgs(["--no-color"], options), { color: false, _: [] });
  assertEquals(parseArgs(["--no-color"]), { "no-color": true, _: [] });
});

Deno.test("parseArgs() splits short flags", () => {
  assertEquals(parseArgs(["-abc"]), { a: true, b: true, c: true, _: [] });
  assertEquals(parseArgs(["-vn", "5"]), { v: true, n: 5, _: [] });
  assertEquals(parseArgs(["-n5", "-x=y", "-q-"]), { n: 5, x: "y", q: "-", _: [] });
});

Deno.test("parseArgs() leaves everything after -- alone", () => {
  assertEquals(parseArgs(["a", "--", "--b", "c"]), { _: ["a", "--b", "c"] });
  assertEquals(parseArgs(["a", "--", "--b"], { "--": true }), { _: ["a"], "--": ["--b"] });
});

Deno.test("parseArgs() leaves everything after the first non-flag alone when it stops early", () => {
  assertEquals(parseArgs(["--a", "--b=1", "run", "--c"], { stopEarly: true, boolean: ["a"] }), {
    a: true,
    b: 1,
    _: ["run", "--c"],
  });
});

Deno.test("parseArgs() asks unknown() about what is not declared", () => {
  const asked: unknown[][] = [];
  const args = parseArgs(["--known=1", "--other", "2", "file", "-x"], {
    string: ["known"],
    unknown: (arg: string, key?: string, value?: unknown) => {
      asked.push([arg, key, value]);
      return arg !== "--other";
    },
  });
  assertEquals(asked, [
    ["--other", "other", "2"],
    ["file", undefined, undefined],
    ["-x", "x", true],
  ]);
  assertEquals({ ...args }, { known: "1", x: true, _: ["file"] });
});

Deno.test("parseArgs() nests names with dots, but never into what all objects share", () => {
  assertEquals(parseArgs(["--a.b=1", "--a.a", "d"]), { a: { b: 1, a: "d" }, _: [] });
  parseArgs(["--__proto__.polluted=1", "--constructor.prototype.polluted=1"]);
  assert(!("polluted" in {}));
});

/** A stream whose chunks are kept as text. */
function recorder(): { writable: WritableStream<Uint8Array>; chunks: string[]; closed: boolean } {
  const record = {
    chunks: [] as string[],
    closed: false,
    writable: new WritableStream<Uint8Array>({
      write: (chunk) => {
        record.chunks.push(new TextDecoder().decode(chunk));
      },
      close: () => {
        record.closed = true;
      },
    }),
  };
  return record;
}

Deno.test("ProgressBar draws at the start and at the end, and ends its line", async () => {
  const { writable, chunks } = recorder();
  const bar = new ProgressBar({ writable, max: 4096, barLength: 8, fillChar: "=", emptyChar: "." });
  bar.value = 1024;
  await bar.stop();
  assertEquals(chunks, [
    "\r\x1b[K[00:00] [........] [0.00/4.00 KiB]",
    "\r\x1b[K[00:00] [==......] [1.00/4.00 KiB]",
    "\n",
  ]);
});

Deno.test("ProgressBar redraws at its interval, and never after it has stopped", async () => {
  const { writable, chunks } = recorder();
  const bar = new ProgressBar({ writable, max: 10, interval: 1 });
  while (chunks.length < 3) await new Promise((resolve) => setTimeout(resolve, 1));
  await bar.stop();
  const count = chunks.length;
  await new Promise((resolve) => setTimeout(resolve, 20));
  assertEquals(chunks.length, count);
});

Deno.test("ProgressBar tells its formatter where it stands", async () => {
  const { writable, chunks } = recorder();
  const seen: ProgressBarFormatter[] = [];
  const bar = new ProgressBar({
    writable,
    value: 2,
    max: 10,
    barLength: 5,
    formatter: (state) => {
      seen.push({ ...state });
      return `${state.progressBar} ${state.value} of ${state.max}`;
    },
  });
  bar.value = 7;
  bar.max = 14;
  await bar.stop();
  assertEquals(chunks.slice(0, 2), ["\r\x1b[K#---- 2 of 10", "\r\x1b[K##--- 7 of 14"]);
  assertEquals(seen.map((state) => state.previousValue), [2, 2]);
  assertMatch(seen[1]!.styledTime, /^\d\d:\d\d$/);
  assert(seen[1]!.time >= seen[1]!.previousTime);
});

Deno.test("ProgressBar stays within its length when the value is out of range", async () => {
  for (const [value, bars] of [[-5, "-----"], [50, "#####"]] as const) {
    const { writable, chunks } = recorder();
    const formatter = (state: ProgressBarFormatter) => state.progressBar;
    await new ProgressBar({ writable, max: 10, value, barLength: 5, formatter }).stop();
    assertEquals(chunks[0], `\r\x1b[K${bars}`);
  }
});

Deno.test("ProgressBar wipes its line when told to clear it", async () => {
  const { writable, chunks } = recorder();
  await new ProgressBar({ writable, max: 10, clear: true }).stop();
  assertEquals(chunks.at(-1), "\r\x1b[K");
});

Deno.test("ProgressBar leaves the stream open unless told otherwise", async () => {
  const open = recorder();
  await new ProgressBar({ writable: open.writable, max: 1 }).stop();
  assertEquals([open.closed, open.writable.locked], [false, false]);
  const closed = recorder();
  await new ProgressBar({ writable: closed.writable, max: 1, keepOpen: false }).stop();
  assertEquals(closed.closed, true);
});

Deno.test("ProgressBar does not fail when its stream does", async () => {
  const writable = new WritableStream<Uint8Array>({
    write: () => Promise.reject(new Error("gone")),
  });
  const bar = new ProgressBar({ writable, max: 1, interval: 1 });
  await new Promise((resolve) => setTimeout(resolve, 5));
  await bar.stop();
  assertThrows(() => {
    if (bar.value === 0) throw new RangeError("the bar goes on counting");
  }, RangeError);
});
