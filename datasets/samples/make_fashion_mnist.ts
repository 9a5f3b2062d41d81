/**
 * Makes the bundled sample of FashionMNIST from the whole set: the first 600 training images and the first
 * 100 test images of each class, in the files' order.
 *
 *     deno run --allow-read --allow-write=datasets/samples datasets/samples/make_fashion_mnist.ts DIR
 *
 * DIR contains the four files of the whole set. @default /usr/share/datasets/fashion-mnist
 */
import { fileURLToPath } from "node:url";
import { writeFileAtomic } from "../../base/files.ts";
import { gather } from "../batches.ts";
import { FASHION_MNIST, FASHION_MNIST_CLASSES } from "../fashion_mnist.ts";
import { gzip } from "../download/gzip.ts";
import { formatIdx, parseIdx } from "../idx.ts";
import { sha256Hex } from "../download/integrity.ts";
import { openDataset } from "../sources.ts";

/** The indices of the first `each` examples of each class, ascending. */
export function firstOfEachClass(labels: Uint8Array, each: number): Uint32Array<ArrayBuffer> {
  const counts = new Map<number, number>();
  return Uint32Array.from(labels.keys()).filter((i) => {
    const count = (counts.get(labels[i]!) ?? 0) + 1;
    counts.set(labels[i]!, count);
    return count <= each;
  });
}

if (import.meta.main) {
  const { systemFolder, sample } = FASHION_MNIST;
  const { contents } = await openDataset(FASHION_MNIST, { dataDir: Deno.args[0] ?? systemFolder });
  for (const part of ["train", "t10k"]) {
    const imagesName = `${part}-images-idx3-ubyte.gz`;
    const labelsName = `${part}-labels-idx1-ubyte.gz`;
    const images = parseIdx(contents.get(imagesName)!, { name: imagesName });
    const labels = parseIdx(contents.get(labelsName)!, { name: labelsName });
    const rows = sample.files.find(({ name }) => name === labelsName)!.rows;
    const indices = firstOfEachClass(labels.data, rows / FASHION_MNIST_CLASSES.length);
    const [, height, width] = images.shape as [number, number, number];
    const files = {
      [imagesName]: {
        shape: [rows, height, width],
        data: gather(images.data, indices, height * width),
      },
      [labelsName]: { shape: [rows], data: gather(labels.data, indices, 1) },
    };
    for (const [name, array] of Object.entries(files)) {
      const bytes = formatIdx(array);
      await writeFileAtomic(fileURLToPath(new URL(name, sample.folder)), gzip(bytes));
      console.log(name, await sha256Hex(bytes));
    }
  }
}
