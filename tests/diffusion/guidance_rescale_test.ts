import { assertEquals, assertThrows } from "@std/assert";
import { classifierFreeGuidance, rescaleGuidance } from "../../diffusion/guidance.ts";
import { UserError } from "../../base/errors.ts";
import { assertAllClose } from "../assert_close.ts";

const guided = Float32Array.of(1, -2, 3, .5, 4, -4, 2, 6);
const conditional = Float32Array.of(.5, -1, 1, 0, 1, -1, 0, 2);

Deno.test("rescaleGuidance() has the values of diffusers' rescale_noise_cfg", () => {
  // diffusers 0.42, pipelines/stable_diffusion, float64.
  const rescaled = (guidanceRescale?: number) =>
    rescaleGuidance(guided, conditional, {
      ...{ sampleSize: 4 },
      ...(guidanceRescale === undefined ? {} : { guidanceRescale }),
    });
  assertAllClose(rescaled(), [
    ...[.5906591795, -1.181318359, 1.771977538, .2953295897],
    ...[2.036660027, -2.036660027, 1.018330013, 3.05499004],
  ]);
  assertAllClose(rescaled(1), [
    ...[.4152273993, -.8304547985, 1.245682198, .2076136996],
    ...[1.195228609, -1.195228609, .5976143047, 1.792842914],
  ]);
  assertEquals(rescaled(0), guided);
});

Deno.test("rescaleGuidance() leaves a sample without contrast as it is, and makes no NaN", () => {
  const flat = new Float32Array(4).fill(.5);
  assertEquals(rescaleGuidance(flat, conditional.slice(0, 4), { sampleSize: 4 }), flat);
});

Deno.test("rescaleGuidance() refuses what does not fit", () => {
  const rescale = (options: object) => () =>
    rescaleGuidance(guided, conditional, { sampleSize: 4, ...options });
  assertThrows(rescale({ guidanceRescale: 1.1 }), UserError, "guidanceRescale is 1.1");
  assertThrows(rescale({ sampleSize: 3 }), UserError, "samples of 3 numbers");
  assertThrows(
    () => rescaleGuidance(guided, conditional.slice(1), { sampleSize: 4 }),
    UserError,
    "the conditional one 7",
  );
});

Deno.test("classifierFreeGuidance() rescales each sample when told to", async () => {
  const unconditional = conditional.map((c, i) => c - (guided[i]! - c)); // guided by 2, it is `guided`
  const denoise = (output: Float32Array) => () => Promise.resolve(output);
  const both = { conditional: denoise(conditional), unconditional: denoise(unconditional) };
  const result = await classifierFreeGuidance({
    ...{ ...both, guidanceScale: 2, guidanceRescale: .7, sampleSize: 4 },
  })(new Float32Array(8), 3);
  assertAllClose(result, rescaleGuidance(guided, conditional, { sampleSize: 4 }));
  assertThrows(
    () => classifierFreeGuidance({ ...both, guidanceScale: 2, guidanceRescale: .7 }),
    UserError,
    "needs sampleSize",
  );
});
