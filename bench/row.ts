/** A row of the benchmark. */
import type { Device } from "../engine/device.ts";

export interface Prepared {
  run(): Promise<unknown>;
  dispose(): Promise<void>;
}

export interface Row {
  /** The name, equal to that of the row in bench/pytorch. */
  readonly name: string;
  prepare(device: Device): Prepared;
}
