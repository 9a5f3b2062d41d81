import { assert, assertEquals, assertRejects } from "@std/assert";
import { UserError } from "../../../base/errors.ts";
import { readFileIfExists } from "../../../base/files.ts";
import { float32 } from "../../../engine/tree.ts";
import { initParameters, ravel, unravel } from "../../../nn/parameters.ts";
import { randomStream } from "../../../nn/random.ts";
import { maskedCheckpoint, openMaskedModel } from "../../../text/masked/checkpoint.ts";
import { foldPositionGroups, maskedTrainingSpecs } from "../../../text/masked/network.ts";
import { maskedBertConfig } from "../../../text/masked/train.ts";
import { writeCheckpoint } from "../../../training/checkpoint/checkpoint.ts";
import { loadBert } from "../../../vae/pretrained.ts";
import { permitted } from "../../permissions.ts";

const TASK = {
  name: "pairs",
  vocabSize: 5,
  length: 4,
  maskId: 0,
  groups: { row: [0, 0, 1, 1], column: [0, 1, 0, 1] },
};

Deno.test({
  name: "maskedCheckpoint() writes a BertForMaskedLM, which openMaskedModel() opens",
  ignore: !permitted({ name: "read" }, { name: "write" }),
  fn: async () => {
    const config = maskedBertConfig({ layers: 1, width: 8, heads: 2 }, TASK);
    const specs = maskedTrainingSpecs(config, TASK.groups);
    const ema = ravel(initParameters(specs, randomStream(0)), specs);
    const state = { ema, parameters: float32(new Float32Array(ema.data.length)), optimizer: {} };
    const checkpoint = maskedCheckpoint({
      config,
      task: TASK,
      state,
      step: 1,
      seed: 0,
      configHash: "",
    });
    const names = [...checkpoint.components["denoiser"]!.weights!.keys()];
    assert(names.every((name) => /^(bert\.(embeddings|encoder)|cls\.predictions)\./.test(name)));
    const folder = await Deno.makeTempDir();
    await writeCheckpoint(`${folder}/a`, checkpoint);
    const expected = foldPositionGroups(unravel(ema, specs), TASK.groups);
    const opened = await openMaskedModel(`${folder}/a`, TASK);
    assertEquals(opened, { config, parameters: expected });
    const { parameters, head } = await loadBert({
      name: "a",
      read: (path) => readFileIfExists(`${folder}/a/denoiser/${path}`),
    });
    assertEquals({ ...parameters, ...head }, expected);
    await assertRejects(
      () => openMaskedModel(`${folder}/a`, { ...TASK, length: 81 }),
      UserError,
      "has 5 tokens and 4 positions, and pairs has 5 and 81: it is of another data set",
    );
    await Deno.remove(folder, { recursive: true });
  },
});
