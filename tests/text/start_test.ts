import { assertEquals, assertStringIncludes } from "@std/assert";
import { fileURLToPath } from "node:url";
import { PRESETS } from "../../text/presets.ts";
import { openTextStart } from "../../text/start.ts";
import { permitted } from "../permissions.ts";

const ignore = !permitted({ name: "read" });
const NANO = PRESETS.nano.autoencoder;
const SCRATCH = { copySteps: 7 };

async function start(config: typeof NANO, root = fileURLToPath(new URL("../..", import.meta.url))) {
  const lines: string[] = [];
  const begun = await openTextStart(config, {}, {
    scratch: SCRATCH,
    root,
    log: (line) => lines.push(line),
  });
  return { ...begun, lines };
}

Deno.test({
  name: "openTextStart() opens the preset's released model for its own data set",
  ignore,
  fn: async () => {
    const { config, model, origins, lines } = await start(NANO);
    assertEquals(model?.tokenizer.vocabSize, 4000);
    assertEquals([config.copySteps, origins.length, lines], [0, 1, []]);
  },
});

Deno.test({
  name: "openTextStart() starts from scratch when the preset's model is of another data set",
  ignore,
  fn: async () => {
    for (const dataset of ["multiplication", "math"] as const) {
      const { config, model, origins, lines } = await start({ ...NANO, dataset });
      assertEquals([model, config.startFrom, config.copySteps], [undefined, undefined, 7]);
      assertEquals([origins, lines], [[], []]);
    }
  },
});

Deno.test({
  name: "openTextStart() warns when the preset's model is missing",
  ignore,
  fn: async () => {
    const { model, lines } = await start(NANO, "nowhere");
    assertEquals([model, lines.length], [undefined, 1]);
    assertStringIncludes(lines[0]!, "RANDOM WEIGHTS");
  },
});
