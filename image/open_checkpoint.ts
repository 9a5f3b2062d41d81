/** Opens the checkpoint that `--checkpoint` names. */
import { isHubName, openHubModel } from "../datasets/download/hub.ts";
import { loadCheckpoint, type LoadedCheckpoint } from "../training/checkpoint/checkpoint.ts";
import { resolveCheckpoint } from "../training/checkpoint/folders.ts";

/**
 * Opens the newest checkpoint of a run, a checkpoint, or a model on the hub.
 *
 * @param reference A folder, or OWNER/NAME or OWNER/NAME@REVISION.
 * @param options `log` receives a line about each download, `warn` one about each damaged checkpoint.
 * @throws {UserError} If it is none of these, cannot be had, or is damaged.
 */
export async function openCheckpoint(
  reference: string,
  { log, warn }: {
    log?: ((line: string) => void) | undefined;
    warn?: ((line: string) => void) | undefined;
  } = {},
): Promise<LoadedCheckpoint> {
  if (!await isHubName(reference)) {
    return await loadCheckpoint(await resolveCheckpoint(reference, warn));
  }
  const { name, files, read } = await openHubModel(reference, { log });
  // Pipelines may have further models, which are large.
  const needed = files.filter((path) => /^((unet|transformer|scheduler)\/)?[^/]+$/.test(path));
  return await loadCheckpoint({ name, files: needed, read });
}
