import { assertEquals, assertRejects, assertStringIncludes, assertThrows } from "@std/assert";
import { fileURLToPath } from "node:url";
import { holdOut } from "../../datasets/split.ts";
import { UserError } from "../../base/errors.ts";
import { checkNoLeak, findTrainedOn, type TrainedOn } from "../../text/trained_on.ts";
import { permitted } from "../permissions.ts";

const FIRST: TrainedOn = {
  dataset: "hotel_reviews",
  sample: false,
  rows: 2000,
  validationSize: 200,
};

function check(
  { trainedOn = FIRST, dataset = "hotel_reviews", validationSize = 200, rows = 2000, origin }: {
    trainedOn?: TrainedOn;
    dataset?: "hotel_reviews" | "multiplication" | "math";
    validationSize?: number;
    rows?: number;
    origin?: "sample" | "generated";
  },
): string[] {
  const lines: string[] = [];
  checkNoLeak(
    { trainedOn, config: { dataset, validationSize } },
    { origin: origin ?? "data-dir", rows },
    (line) => lines.push(line),
  );
  return lines;
}

Deno.test("checkNoLeak() is silent if the starting model was trained on no held-out text", () => {
  assertEquals(check({}), []);
  assertEquals(check({ validationSize: 50 }), []); // a part of the same 200
  assertEquals(check({ validationSize: 400, rows: 500, origin: "sample" }), []);
  assertEquals(check({ validationSize: 400, rows: 2000, dataset: "math" }), []);
});

Deno.test("checkNoLeak() refuses held-out reviews that the starting model was trained on", () => {
  const error = assertThrows(() => check({ validationSize: 400 }), UserError);
  assertEquals(error.exitCode, 2);
  assertStringIncludes(error.message, "--validation-size 400: 200 of 400 held-out reviews");
  assertStringIncludes(error.message, "it held out 200");
});

Deno.test("checkNoLeak() warns of shared reviews if the data differ", () => {
  // Held-out reviews of the whole set that are among the first 2,000 and were not held out there.
  const rowsOf = (rows: number) =>
    holdOut([...Array(rows).keys()], 200, "hotel reviews validation").heldOut;
  const known = rowsOf(20_491).filter((row) => row < 2000 && !rowsOf(2000).includes(row)).length;
  const [line = "", ...others] = check({ rows: 20_491 });
  assertStringIncludes(line, `WARNING: ${known} of 200 held-out reviews`);
  assertEquals(others, []);
});

Deno.test({
  name: "findTrainedOn() reads training.json, and returns undefined without records",
  ignore: !permitted({ name: "read" }, { name: "write" }),
  fn: async () => {
    const released = fileURLToPath(new URL("../../checkpoints/text-vae", import.meta.url));
    assertEquals(await findTrainedOn(released), FIRST);
    const place = await Deno.makeTempDir();
    assertEquals(await findTrainedOn(`${place}/checkpoints/step-000001`), undefined);
    await Deno.writeTextFile(`${place}/training.json`, `{"dataset": "hotel_reviews"}`);
    await assertRejects(
      () => findTrainedOn(place),
      UserError,
      "lacks the training data of its model",
    );
    await Deno.remove(place, { recursive: true });
  },
});
