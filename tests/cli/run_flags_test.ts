import { assertEquals } from "@std/assert";
import { parseFlags } from "../../cli/flags.ts";
import { prefixed, trainingFlags } from "../../cli/run_flags.ts";

Deno.test("prefixed() puts a prefix before the names of flags and keeps their types", () => {
  const flags = { "Training": prefixed("diffusion", trainingFlags("texts")) };
  const given = parseFlags(["--diffusion-steps", "5", "--diffusion-lr-schedule=linear"], flags);
  const typed: { diffusionSteps?: number; diffusionLrSchedule?: string } = given;
  assertEquals(typed, { diffusionSteps: 5, diffusionLrSchedule: "linear" });
});
