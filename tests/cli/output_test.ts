import { assertEquals } from "@std/assert";
import { resolve } from "node:path";
import { print, printResult, setOutput, warn } from "../../cli/output.ts";

/** What a function prints on standard output and standard error, with flags. */
function printed(flags: { quiet?: boolean; json?: boolean }, fn: () => void) {
  const { log, error } = console;
  const [out, err]: [string[], string[]] = [[], []];
  console.log = (line) => void out.push(line);
  console.error = (line) => void err.push(line);
  setOutput(flags);
  try {
    fn();
  } finally {
    [console.log, console.error] = [log, error];
    setOutput({});
  }
  return { out, err };
}

const figure = { name: "FID", value: "0.74", real: { value: "0.20" }, protocol: "2,048 samples" };
const result = {
  folder: "runs/a",
  files: { report: "runs/a/report.html" },
  figures: [figure, { name: "Loss", value: "0.1448", protocol: "held-out images" }],
  samples: [{ original: "a bed", decoded: " " }],
};

function run() {
  print("working");
  warn("look");
  printResult(result);
}

Deno.test("printResult() prints samples, a table with real data, and whole paths", () => {
  assertEquals(printed({}, run), {
    out: [
      "working",
      "original  a bed",
      "decoded   (empty)",
      "",
      "      samples  real data",
      "FID   0.74     0.20",
      "Loss  0.1448",
      `report: ${resolve("runs/a/report.html")}`,
    ],
    err: ["look"],
  });
});

Deno.test("print() is silent and printResult() prints the paths only when --quiet is given", () => {
  assertEquals(printed({ quiet: true }, run), {
    out: [`report: ${resolve("runs/a/report.html")}`],
    err: ["look"],
  });
});

Deno.test("printResult() prints one JSON object, and print() on standard error, when --json is given", () => {
  const { out, err } = printed({ json: true }, run);
  assertEquals(err, ["working", "look"]);
  assertEquals(out.map((line) => JSON.parse(line)), [{
    ...result,
    folder: resolve("runs/a"),
    files: { report: resolve("runs/a/report.html") },
  }]);
});
