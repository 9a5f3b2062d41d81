import { assertEquals, assertThrows } from "@std/assert";
import { UserError } from "../../base/errors.ts";
import type { JsonObject } from "../../base/json.ts";
import { checkSameRun, dataDifference, runDetails, sessionNotes } from "../../cli/compare_runs.ts";
import type { DataOrigin, RunSession } from "../../cli/run_record.ts";

const data: DataOrigin[] = [{ name: "clothes", origin: "a", sha256: { images: "aa" } }];
const record = { seed: 3, config: { steps: 10, loss: "mse" }, data };

/** A checkpoint of the run, with another seed or other details. */
function checkpoint(
  { seed = 3, run = runDetails(record) }: { seed?: number; run?: JsonObject } = {},
): Parameters<typeof checkSameRun>[0] {
  const vectors = new Map();
  return { directory: "c", state: { step: 5, seed, configHash: "", vectors, details: { run } } };
}

Deno.test("checkSameRun() accepts a checkpoint of the run, and one without training state", () => {
  checkSameRun(checkpoint(), record, []);
  checkSameRun({ directory: "c" }, record, []);
  const longer = { ...record, config: { ...record.config, steps: 20 } };
  checkSameRun(checkpoint(), longer, ["steps"]);
});

Deno.test("checkSameRun() names the first difference to the checkpoint's run", () => {
  const other = (changes: Partial<typeof record>) => ({
    run: runDetails({ ...record, ...changes }),
  });
  for (
    const [changes, message] of [
      [{ seed: 4 }, "--seed is 4 there and 3 here"],
      [other({ config: { steps: 20, loss: "mse" } }), "--steps is 20 there and 10 here"],
      [other({ data: [] }), 'it was not trained on "clothes"'],
      [{ run: {} }, "its training state lacks the settings of a run"],
    ] as const
  ) {
    assertThrows(
      () => checkSameRun(checkpoint(changes), record, []),
      UserError,
      `c belongs to another run: ${message}. Put this run's own checkpoint there`,
    );
  }
});

Deno.test("dataDifference() compares the files of the data sets of this start only", () => {
  const more = [...data, { name: "texts", origin: "b", sha256: { train: "bb" } }];
  assertEquals(dataDifference(more, data), undefined);
  assertEquals(dataDifference(data, more), 'it was not trained on "texts"');
  const changed = [{ ...data[0]!, sha256: { images: "ab" } }];
  assertEquals(
    dataDifference(data, changed),
    'the data "clothes" differs, in the file "images"',
  );
});

Deno.test("sessionNotes() warns about another environment, and not about time or command", () => {
  const before: RunSession = {
    started: "2026-01-01T00:00:00.000Z",
    command: ["image"],
    device: "onnx",
    threads: 2,
    versions: { deno: "2.9.6" },
    system: { os: "linux", arch: "x86_64", cores: 2 },
  };
  assertEquals(sessionNotes(undefined, before), []);
  assertEquals(sessionNotes(before, { ...before, started: "later", command: ["text"] }), []);
  const notes = sessionNotes(before, { ...before, threads: 4, commit: "a" });
  assertEquals(notes.map((note) => note.slice(0, note.indexOf(" when"))), [
    "threads was 2",
    "commit was not set",
  ]);
});
