import { assertEquals, assertRejects } from "@std/assert";
import { UserError } from "../../../base/errors.ts";
import {
  evaluationCsv,
  formatEvaluation,
  rangeOf,
  readEvaluation,
} from "../../../image/evaluation/result_file.ts";
import { evaluationFigures, evaluationTable } from "../../../image/evaluation/report.ts";
import { permitted } from "../../permissions.ts";
import { EVALUATION, quality } from "./example_evaluation.ts";

Deno.test("rangeOf() gives mean, lowest and highest, and undefined for a figure that was not measured", () => {
  assertEquals(rangeOf(EVALUATION.seeds, "fid"), { mean: 4, low: 3, high: 5.5 });
  assertEquals(
    rangeOf([{ ...quality(1), classAgreement: undefined }], "classAgreement"),
    undefined,
  );
});

Deno.test("evaluationCsv() has a row per seed, their mean and range, and real images", () => {
  assertEquals(evaluationCsv(EVALUATION).split("\n"), [
    "images,fid,kid,class_agreement,precision,recall",
    "seed 4,3,0.003,0.9,0.8,0.75",
    "seed 5,5.5,0.0055,0.9,0.8,0.75",
    "seed 6,3.5,0.0035,0.9,0.8,0.75",
    `mean,4,${(0.003 + 0.0055 + 0.0035) / 3},${(0.9 + 0.9 + 0.9) / 3},${
      (0.8 + 0.8 + 0.8) / 3
    },0.75`,
    "lowest,3,0.003,0.9,0.8,0.75",
    "highest,5.5,0.0055,0.9,0.8,0.75",
    "real images,1.5,0.0015,0.9,0.8,0.75",
    "",
  ]);
  const single = { ...EVALUATION, seeds: EVALUATION.seeds.slice(0, 1) };
  assertEquals(evaluationCsv(single).split("\n").length, 4);
});

Deno.test("evaluationTable() rounds, and leaves out figures that were not measured", () => {
  const seeds = [{ seed: 0, ...quality(3.14159), classAgreement: undefined }];
  assertEquals(evaluationTable({ seeds, real: quality(1.5) }), {
    columns: ["images", "FID", "KID x 1000", "precision", "recall"],
    rows: [
      ["seed 0", "3.14", "3.14", "80.0 %", "75.0 %"],
      ["real images", "1.50", "1.50", "80.0 %", "75.0 %"],
    ],
  });
});

Deno.test("evaluationFigures() gives each figure with its range, its protocol and that of real images", () => {
  const [fid] = evaluationFigures(EVALUATION);
  assertEquals(fid, {
    name: "FID",
    value: "4.00",
    real: { value: "1.50" },
    protocol: "3.00 to 5.50; how it is measured; equally many test images: 1.25; " +
      "how they are sampled",
  });
});

Deno.test("evaluationFigures() and formatEvaluation() leave out the bound if there is none", () => {
  const flow = { ...EVALUATION, bitsPerDimension: undefined, loss: undefined };
  const names = evaluationFigures(flow).map(({ name }) => name);
  assertEquals(names.includes("Bits per dimension"), false);
  assertEquals(names.length, evaluationFigures(EVALUATION).length - 1);
  assertEquals("bits_per_dimension" in JSON.parse(formatEvaluation(flow)), false);
});

Deno.test({
  name: "readEvaluation() reads what formatEvaluation() wrote, and refuses other files",
  ignore: !permitted({ name: "read" }) || !permitted({ name: "write" }),
  fn: async () => {
    const path = await Deno.makeTempFile();
    try {
      await Deno.writeTextFile(path, formatEvaluation(EVALUATION));
      const json = await readEvaluation(path);
      assertEquals(json["fid"], 4);
      assertEquals(json["range"], {
        fid: [3, 5.5],
        kid: [0.003, 0.0055],
        class_agreement: [0.9, 0.9],
        precision: [0.8, 0.8],
        recall: [0.75, 0.75],
      });
      assertEquals(json["bits_per_dimension"], 3.21);
      assertEquals(json["model"], { source: "runs/a", weights: "ab" });
      await Deno.writeTextFile(path, '{"fid": 1}');
      await assertRejects(() => readEvaluation(path), UserError, "is not an evaluation.json");
      await Deno.remove(path);
      await assertRejects(() => readEvaluation(path), UserError, "no such file");
    } finally {
      await Deno.remove(path).catch(() => {});
    }
  },
});
