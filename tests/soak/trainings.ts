/** Every training of both programs, smoke-sized: what soaks run for a while, or on several devices. */
import { assertEquals } from "@std/assert";
import { startProgram } from "../image/program/program.ts";

/** A training. */
export interface Training {
  /** What it is called in counts. */
  readonly name: string;
  /** The program. */
  readonly program: "image" | "text";
  /** Stages that have to come before it, by their flags. */
  readonly before: readonly string[];
  /** Its own flags. */
  readonly flags: readonly string[];
  /** What its settings' flags begin with. */
  readonly prefix: "" | "diffusion-";
  /** Its folder within the run's. */
  readonly folder: "" | "diffusion/";
}

/** The trainings. */
export const TRAININGS: readonly Training[] = [
  {
    ...{ name: "image", program: "image", before: [], prefix: "", folder: "" },
    flags: ["--samples=10", "--sample-steps=2"],
  },
  {
    ...{ name: "text autoencoder", program: "text", before: [], prefix: "", folder: "" },
    flags: ["--stage=vae"],
  },
  {
    ...{ name: "text denoiser", program: "text", before: ["--stage=vae", "--stage=encode"] },
    ...{ flags: ["--stage=diffusion"], prefix: "diffusion-", folder: "diffusion/" },
  },
];

/** The flags of a training with some settings, such as `{ steps: 50 }`. */
export function trainingFlags(
  { flags, prefix }: Training,
  settings: Readonly<Record<string, number>>,
): string[] {
  const own = Object.entries(settings).map(([name, value]) => `--${prefix}${name}=${value}`);
  return ["--preset=smoke", ...flags, ...own];
}

/** Goes through the stages that have to come before a training, on the device onnx with one thread. */
export async function prepare({ program, before }: Training, out: string): Promise<void> {
  for (const stage of before) {
    const flags = ["--preset=smoke", "--threads=1", stage, `--out=${out}`];
    const { code, stderr } = await startProgram(program, flags).ended;
    assertEquals(code, 0, stderr);
  }
}
