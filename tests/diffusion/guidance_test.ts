import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { classifierFreeGuidance, combineGuidance } from "../../diffusion/guidance.ts";
import { UserError } from "../../base/errors.ts";

const conditional = Float32Array.of(1, -2, .5);
const unconditional = Float32Array.of(.5, -1, .5);

Deno.test("combineGuidance() goes from the unconditional through the conditional output", () => {
  const guided = (scale: number) => [...combineGuidance(conditional, unconditional, scale)];
  assertEquals(guided(0), [...unconditional]);
  assertEquals(guided(1), [...conditional]);
  assertEquals(guided(3), [2, -4, .5]);
  assertThrows(
    () => combineGuidance(conditional, new Float32Array(2), 2),
    UserError,
    "3 numbers, the unconditional one 2",
  );
});

function counted(output: Float32Array) {
  const asked: number[] = [];
  const denoise = (_: Float32Array, timestep: number) => {
    asked.push(timestep);
    return Promise.resolve(output);
  };
  return { asked, denoise };
}

Deno.test("classifierFreeGuidance() asks both denoisers about the same x when the scale is above 1", async () => {
  const [c, u] = [counted(conditional), counted(unconditional)];
  const guided = classifierFreeGuidance({
    conditional: c.denoise,
    unconditional: u.denoise,
    guidanceScale: 3,
  });
  assertEquals([...await guided(new Float32Array(3), 7)], [2, -4, .5]);
  assertEquals([c.asked, u.asked], [[7], [7]]);
});

Deno.test("classifierFreeGuidance() asks only the denoiser that counts when the scale is 0 or 1", async () => {
  for (const guidanceScale of [0, 1]) {
    const [c, u] = [counted(conditional), counted(unconditional)];
    const guided = classifierFreeGuidance({
      conditional: c.denoise,
      unconditional: u.denoise,
      guidanceScale,
    });
    assertEquals(await guided(new Float32Array(3), 7), [unconditional, conditional][guidanceScale]);
    assertEquals([u.asked.length, c.asked.length], [1 - guidanceScale, guidanceScale]);
  }
});

Deno.test("classifierFreeGuidance() refuses a scale that is no number and outputs that do not fit", async () => {
  const [c, u] = [counted(conditional).denoise, counted(new Float32Array(1)).denoise];
  const guide = (guidanceScale: number) =>
    classifierFreeGuidance({ conditional: c, unconditional: u, guidanceScale });
  assertThrows(() => guide(NaN), UserError, "guidanceScale is NaN");
  await assertRejects(() => guide(2)(new Float32Array(3), 0), UserError, "both denoisers");
});
