/**
 * The real data sets, which the project may not hold: DATA_DIR in the environment names a folder that
 * has them, one folder a set, and without it their tests are left out.
 */
import { permitted } from "../permissions.ts";

/** The folder, or undefined. */
export const dataDir: string | undefined = permitted({ name: "env", variable: "DATA_DIR" })
  ? Deno.env.get("DATA_DIR")
  : undefined;

/** Whether tests may read the real data. */
export const hasRealData = dataDir !== undefined && permitted({ name: "read", path: dataDir });
