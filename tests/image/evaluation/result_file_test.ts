import { assertEquals, assertRejects } from "@std/assert";
import { UserError } from "../../../base/errors.ts";
import {
  evaluationCsv,
  formatEvaluation,
  readEvaluation,
  spreadOf,
} from "../../../image/evaluation/result_file.ts";
import { evaluationFigures, evaluationTable } from "../../../image/evaluation/report.ts";
import { permitted } from "../../permissions.ts";
import { EVALUATION, quality } from "./example_evaluation.ts";

Deno.test("spreadOf() gives the mean and the ends, and nothing of what was not measured", () => {
  assertEquals(spreadOf(EVALUATION.seeds, "fid"), { mean: 4, low: 3, high: 5.5 });
  assertEquals(
    spreadOf([{ ...quality(1), classAgreement: undefined }], "classAgreement"),
    undefined,
  );
});

Deno.test("evaluationCsv() has a row a seed, their mean and ends, and real images", () => {
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

Deno.test("evaluationTable() rounds for people and leaves out what was not measured", () => {
  const seeds = [{ seed: 0, ...quality(3.14159), classAgreement: undefined }];
  assertEquals(evaluationTable({ seeds, real: quality(1.5) }), {
    columns: ["images", "FID", "KID x 1000", "precision", "recall"],
    rows: [
      ["seed 0", "3.14", "3.14", "80.0 %", "75.0 %"],
      ["real images", "1.50", "1.50", "80.0 %", "75.0 %"],
    ],
  });
});

Deno.test("evaluationFigures() gives each figure with its range, its protocol and the floor", () => {
  const [fid] = evaluationFigures(EVALUATION);
  assertEquals(fid, {
    name: "FID",
    value: "4.00",
    protocol: "3.00 to 5.50; how it is measured; real images: 1.50; as many of the test images " +
      "themselves: 1.25; how they are drawn",
  });
});

Deno.test("evaluationFigures() and formatEvaluation() leave out the bound of a flow, which has none", () => {
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
        ...{ fid: [3, 5.5], kid: [0.003, 0.0055], class_agreement: [0.9, 0.9] },
        ...{ precision: [0.8, 0.8], recall: [0.75, 0.75] },
      });
      assertEquals(json["bits_per_dimension"], 3.21);
      assertEquals(json["model"], { source: "runs/a", weights: "ab" });
      await Deno.writeTextFile(path, '{"fid": 1}');
      await assertRejects(() => readEvaluation(path), UserError, "is no evaluation.json");
      await Deno.remove(path);
      await assertRejects(() => readEvaluation(path), UserError, "no such file");
    } finally {
      await Deno.remove(path).catch(() => {});
    }
  },
});
