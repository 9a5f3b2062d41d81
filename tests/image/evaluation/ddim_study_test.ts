import { assertEquals, assertNotEquals, assertRejects } from "@std/assert";
import { noiseSchedule } from "../../../diffusion/schedules.ts";
import { UserError } from "../../../base/errors.ts";
import { studyKey, studySettings } from "../../../image/evaluation/ddim_study.ts";
import { StudyLog, type StudyRow } from "../../../image/evaluation/study_log.ts";
import { FASHION } from "../../../image/data.ts";
import { PRESETS } from "../../../image/presets.ts";
import { studyPlot, studyTable } from "../../../image/evaluation/study_report.ts";
import type { ImageSet } from "../../../datasets/image_set.ts";
import { permitted } from "../../permissions.ts";
import { randomParameters, TINY_UNET } from "../../tiny_unet.ts";
import { quality } from "./example_evaluation.ts";

const row = (changes: Partial<StudyRow> = {}): StudyRow => ({
  key: "abc",
  sampler: "ddim",
  eta: 0.2,
  steps: 10,
  samples: 2048,
  seed: 0,
  guidance: 1,
  ...quality(12.5),
  seconds: 3.5,
  ...changes,
});

Deno.test("studySettings() is the table of DDIM: every eta and ddpm at 10, 20, 50, 100 and T steps", () => {
  const settings = studySettings(1000);
  assertEquals(settings.length, 25);
  assertEquals([...new Set(settings.map(({ steps }) => steps))], [10, 20, 50, 100, 1000]);
  assertEquals(
    settings.slice(0, 5).map(({ sampler, eta }) => `${sampler} ${eta}`),
    ["ddim 0", "ddim 0.2", "ddim 0.5", "ddim 1", "ddpm undefined"],
  );
  assertEquals([...new Set(studySettings(20).map(({ steps }) => steps))], [10, 20]);
  assertEquals(studySettings(1000, [50, 5]).map(({ steps }) => steps).slice(4, 6), [5, 50]);
});

Deno.test("studyKey() is independent of the settings that the study varies, and of no others", async () => {
  const task = {
    config: PRESETS.smoke,
    samples: 20,
    model: {
      parameters: randomParameters(),
      config: TINY_UNET,
      schedule: noiseSchedule({ numTrainTimesteps: 20 }),
      images: FASHION,
    },
    classifier: {
      config: { channels: [8], normNumGroups: 8, features: 4, classes: 10 },
      parameters: randomParameters(),
    },
    data: { sha256: { a: "b" } } as unknown as ImageSet,
  };
  const key = await studyKey(task);
  const with_ = (changes: object) => studyKey({ ...task, config: { ...task.config, ...changes } });
  assertEquals(await with_({ eta: 1, sampleSteps: 3, sampler: "ddpm", samples: 7 }), key);
  assertNotEquals(await with_({ guidance: 2 }), key);
  assertNotEquals(await with_({ seed: 9 }), key);
  assertNotEquals(await studyKey({ ...task, samples: 21 }), key);
  const { data: _, ...other } = task;
  assertNotEquals(
    await studyKey({ ...other, data: { sha256: { a: "c" } } as unknown as ImageSet }),
    key,
  );
});

Deno.test({
  name: "StudyLog keeps rows over restarts, and finds only those of the same study",
  ignore: !permitted({ name: "read" }) || !permitted({ name: "write" }),
  fn: async () => {
    const folder = await Deno.makeTempDir();
    const path = `${folder}/ddim.csv`;
    try {
      const log = await StudyLog.open(path);
      const rows = [row(), row({ sampler: "ddpm", eta: undefined, classAgreement: undefined })];
      for (const each of rows) await log.append(each);
      const again = await StudyLog.open(path);
      for (const each of rows) assertEquals(again.find("abc", each), each);
      assertEquals(again.find("abd", rows[0]!), undefined);
      assertEquals(again.find("abc", { ...rows[0]!, eta: 0 }), undefined);
      await again.append(row({ eta: 1 }));
      assertEquals((await Deno.readTextFile(path)).split("\n").length, 5);

      await Deno.writeTextFile(path, (await Deno.readTextFile(path)).replace("12.5", "many"));
      await assertRejects(() => StudyLog.open(path), UserError, "line 2: fid is not a number");
      await Deno.writeTextFile(path, "step,loss\n1,2\n");
      await assertRejects(() => StudyLog.open(path), UserError, "is not the file of a study");
      await Deno.writeTextFile(path, 'a"b,c\n');
      await assertRejects(() => StudyLog.open(path), UserError, `${path}: Syntax error on line 1`);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
});

Deno.test("studyTable() has a row per eta and a column per number of steps, with gaps", () => {
  const rows = [
    row({ steps: 20, fid: 7 }),
    row(),
    row({ sampler: "ddpm", eta: undefined, steps: 20, fid: 300.123 }),
  ];
  assertEquals(studyTable(rows, "fid"), {
    columns: ["FID, steps", "10", "20"],
    rows: [["ddim, eta 0.2", "12.50", "7.00"], ["ddpm, larger variance", "", "300.12"]],
  });
  assertEquals(studyPlot(rows).series, [
    { name: "ddim, eta 0.2", x: [10, 20], y: [12.5, 7] },
    { name: "ddpm, larger variance", x: [20], y: [300.123] },
  ]);
});
