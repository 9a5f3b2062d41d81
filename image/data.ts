/** FashionMNIST as image.ts's flags ask for it. */
import { type FashionMnist, loadFashionMnist } from "../datasets/fashion_mnist.ts";
import type { ImageFlags } from "./flags.ts";

/**
 * Loads the images and says where they came from. The smoke preset is content with the bundled sample.
 *
 * @param sampleOnly Whether the bundled sample is enough, unless flags name a folder.
 * @throws {UserError} As loadFashionMnist.
 */
export async function loadImages(
  { dataDir, preset }: ImageFlags,
  sampleOnly: boolean = preset === "smoke",
): Promise<FashionMnist> {
  const data = await loadFashionMnist({
    dataDir,
    dataDirName: "--data-dir",
    sampleOnly: sampleOnly && dataDir === undefined,
    log: (line) => console.error(line),
  });
  console.log(data.description);
  return data;
}
