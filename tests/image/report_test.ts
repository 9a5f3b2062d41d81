import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { PRESETS } from "../../image/presets.ts";
import { IMAGE_CHARTS, IMAGE_METRICS, keyFigures, samplingProtocol } from "../../image/report.ts";

const config = { ...PRESETS.smoke, seed: 3, guidance: 2, eta: 0 };

Deno.test("keyFigures() gives the last validation loss, with its step", () => {
  const rows = [
    { step: 5, valLoss: 0.9 },
    { step: 10, valLoss: 0.12345 },
    { step: 12, loss: 0.5 }, // nothing was validated here
  ];
  const [figure, ...others] = keyFigures(rows, config);
  assertEquals(others, []);
  assertEquals(figure!.value, "0.1235");
  for (const part of ["step 10", "64 held-out images", "v_prediction", "unweighted"]) {
    assertStringIncludes(figure!.protocol, part);
  }
});

Deno.test("keyFigures() gives none without a validation loss", () => {
  assertEquals(keyFigures([], config), []);
  assertEquals(keyFigures([{ step: 1, loss: 2 }], config), []);
});

Deno.test("samplingProtocol() names everything that decides the samples", () => {
  assertEquals(
    samplingProtocol(config),
    "20 samples with ddim, 10 steps, eta 0, guidance 2, averaged weights, seed 3",
  );
  // ddpm has no eta.
  assertEquals(
    samplingProtocol({ ...config, sampler: "ddpm", eta: 1 }),
    "20 samples with ddpm, 10 steps, variance fixed_large, guidance 2, averaged weights, seed 3",
  );
  const more = {
    sampler: "unipc",
    solverOrder: 3,
    sigmaSpacing: "karras",
    guidanceRescale: 0.7,
    guidanceLow: 0.3,
    guidanceHigh: 5,
    dynamicThreshold: 0.99,
  } as const;
  assertEquals(
    samplingProtocol({ ...config, ...more }),
    "20 samples with unipc, order 3, 10 steps, karras sigmas, guidance 2, rescaled by 0.7, above sigma " +
      "0.3, up to sigma 5, dynamic threshold 0.99, averaged weights, seed 3",
  );
  assertEquals(
    samplingProtocol({ ...config, sampleTimesteps: [9, 1], sampleSteps: 2 }),
    "20 samples with ddim, 2 steps, timesteps 9 1, eta 0, guidance 2, averaged weights, seed 3",
  );
});

Deno.test("IMAGE_CHARTS draw columns of IMAGE_METRICS", () => {
  const drawn = IMAGE_CHARTS.flatMap(({ columns }) => Object.keys(columns));
  assert(drawn.length > 0);
  for (const column of drawn) assert((IMAGE_METRICS as readonly string[]).includes(column), column);
});
