/**
 * A module that is loaded before a program: every half second it writes down what the process holds, in
 * `probe.jsonl` of the run's folder, once that is there.
 */
import { importOnnxRuntime } from "../../engine/onnx_library.ts";
import * as tf from "../../engine/tf.ts";

/** What a process held at a moment. */
export interface Probe {
  /** Resident memory in bytes. */
  readonly rss: number;
  /** Tensors of tfjs. */
  readonly tensors: number;
  /** Sessions of ONNX Runtime that were opened and not released. */
  readonly sessions: number;
}

/** The number of open sessions from now on. */
async function countSessions(): Promise<() => number> {
  const { InferenceSession } = await importOnnxRuntime();
  let open = 0;
  const create = InferenceSession.create.bind(InferenceSession);
  const counting = async (...given: Parameters<typeof create>) => {
    const session = await create(...given);
    const release = session.release.bind(session);
    open++;
    session.release = async () => {
      open--;
      await release();
    };
    return session;
  };
  Object.assign(InferenceSession, { create: counting });
  return () => open;
}

if (Deno.mainModule.endsWith("/image.ts") || Deno.mainModule.endsWith("/text.ts")) {
  const out = Deno.args.find((arg) => arg.startsWith("--out="))!.slice("--out=".length);
  const sessions = await countSessions();
  const timer = setInterval(() => {
    const { rss } = Deno.memoryUsage();
    const probe: Probe = { rss, tensors: tf.memory().numTensors, sessions: sessions() };
    try {
      Deno.statSync(`${out}/metrics.csv`);
      Deno.writeTextFileSync(`${out}/probe.jsonl`, JSON.stringify(probe) + "\n", { append: true });
    } catch {
      // The run has no folder yet.
    }
  }, 500);
  Deno.unrefTimer(timer);
}
