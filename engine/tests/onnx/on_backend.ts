/** Runs tfjs programs on a backend. */
import type { RecorderStatistics } from "../../onnx/recorder.ts";
import { initializeBackend, registerOnnxBackend } from "../../onnx/register.ts";
import * as tf from "../../tf.ts";

/** Runs a tfjs program on a backend, and restores the former backend. */
export async function on<Result>(
  name: "cpu" | "onnx",
  program: () => Promise<Result>,
): Promise<Result> {
  if (name === "onnx") await registerOnnxBackend({ threads: 1 });
  const previous = tf.getBackend() || "cpu";
  await tf.setBackend(name);
  try {
    return await program();
  } finally {
    await tf.setBackend(previous);
  }
}

/** The statistics of the onnx backend for a program. */
export async function counted(
  program: () => Promise<unknown>,
): Promise<Pick<RecorderStatistics, "runs" | "sessionsMade">> {
  const { recorder } = await initializeBackend();
  const before = recorder.statistics;
  await on("onnx", program);
  const { runs, sessionsMade } = recorder.statistics;
  return { runs: runs - before.runs, sessionsMade: sessionsMade - before.sessionsMade };
}
