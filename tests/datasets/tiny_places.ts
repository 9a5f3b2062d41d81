/** The tiny data set with its places, for tests of datasets/sources.ts. */
import { assertEquals } from "@std/assert";
import { join } from "node:path";
import type { Dataset } from "../../datasets/dataset.ts";
import type { SourceOptions } from "../../datasets/sources.ts";
import { CONTENT, folderWith, patientNetwork, tinyDataset } from "./tiny_dataset.ts";

/** Folders for the cache, a system package and the sample, the first two with the given files. */
export async function places(
  { cached = {}, system = {}, mirrors = ["http://127.0.0.1:1"] }: {
    cached?: Record<string, Uint8Array>;
    system?: Record<string, Uint8Array>;
    mirrors?: string[];
  } = {},
) {
  const stack = new AsyncDisposableStack();
  const inCache = Object.entries(cached).map(([name, bytes]) => [`tiny/${name}`, bytes]);
  const cache = stack.use(await folderWith(Object.fromEntries(inCache))).path;
  const systemFolder = stack.use(await folderWith(system)).path;
  const sample = stack.use(await folderWith()).path;
  const dataset: Dataset = await tinyDataset(mirrors, sample);
  return {
    dataset,
    cache: join(cache, "tiny"),
    systemFolder,
    sample,
    options: {
      cacheDir: cache,
      systemFolder,
      network: patientNetwork({ mayReach: () => false }),
    } satisfies SourceOptions,
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

/** Asserts that these are all the files of the tiny data set. */
export function assertWhole(contents: ReadonlyMap<string, Uint8Array<ArrayBuffer>>) {
  assertEquals(Object.fromEntries(contents), { ...CONTENT });
}
