/** What a benchmark measures. */
import type { Device } from "../engine/device.ts";

/** A step that can be run again and again. */
export interface Prepared {
  /** Runs it once. */
  run(): Promise<unknown>;
  /** Releases what it needs. */
  dispose(): Promise<void>;
}

/** Something to measure. */
export interface Row {
  /** Its name, the same as on the other side of a comparison. */
  readonly name: string;
  /** Gets it ready. */
  prepare(device: Device): Promise<Prepared>;
}
