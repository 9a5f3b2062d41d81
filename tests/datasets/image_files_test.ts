import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { UserError } from "../../base/errors.ts";
import { gzip } from "../../datasets/download/gzip.ts";
import { FASHION_MNIST } from "../../datasets/fashion_mnist.ts";
import { formatIdx } from "../../datasets/idx.ts";
import { loadImageFiles, parseCifar, parsePixelCsv } from "../../datasets/image_files.ts";
import { inFolder } from "../in_folder.ts";
import { permitted } from "../permissions.ts";

const ignore = !permitted({ name: "read" }, { name: "write" });

type Files = Readonly<Record<string, Uint8Array<ArrayBuffer> | string>>;

/** Writes files into a folder, and loads it. */
async function load(folder: string, files: Files) {
  for (const [name, content] of Object.entries(files)) {
    const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
    await Deno.writeFile(`${folder}/${name}`, bytes);
  }
  return await loadImageFiles(folder);
}

const test = (name: string, fn: (folder: string) => Promise<void>) =>
  Deno.test({ name: `loadImageFiles() ${name}`, ignore, fn: () => inFolder(fn) });

/** Images [N, height, width], all different. */
function idxImages(count: number, height: number, width: number) {
  const data = Uint8Array.from(
    { length: count * height * width },
    (_, i) => i % (height * width) === 0 ? i / (height * width) : i % 7,
  );
  return formatIdx({ shape: [count, height, width], data });
}

const idxLabels = (labels: readonly number[]) =>
  formatIdx({ shape: [labels.length], data: Uint8Array.from(labels) });

const LABELS = Array.from({ length: 40 }, (_, i) => i % 4 + 1);

test("reads IDX files of any size, packed or not, whose labels need not begin at 0", async (folder) => {
  const set = await load(folder, {
    "train-images-idx3-ubyte.gz": gzip(idxImages(40, 6, 5)),
    "train-labels.idx1-ubyte": idxLabels(LABELS),
    "t10k-images-idx3-ubyte": idxImages(3, 6, 5),
    "t10k-labels-idx1-ubyte": idxLabels([4, 1, 2]),
  });
  assertEquals([set.height, set.width, set.channels], [6, 5, 1]);
  assertEquals(set.classNames, ["1", "2", "3", "4"]);
  assertEquals([...set.test.labels], [3, 0, 1]);
  assertEquals([set.train.labels.length, set.validation.labels.length], [36, 4]);
  assertEquals(set.origin, "data-dir");
  assertEquals(Object.keys(set.sha256).sort()[0], "t10k-images-idx3-ubyte");
  // Image i has the label i % 4: labels stay with their images.
  for (const { images, labels } of [set.train, set.validation]) {
    labels.forEach((label, i) => assertEquals(images[30 * i]! % 4, label));
  }
});

test("turns EMNIST's images upright, and lets held-out images stand in for the test", async (folder) => {
  const set = await load(folder, {
    "emnist-letters-train-images-idx3-ubyte": formatIdx({
      shape: [2, 4, 5],
      data: Uint8Array.from({ length: 40 }, (_, i) => i % 20 + Math.floor(i / 20) * 100),
    }),
    "emnist-letters-train-labels-idx1-ubyte": idxLabels([1, 1]),
  });
  assertEquals([set.height, set.width], [5, 4]);
  const first = set.train.images[0]! < 100 ? 0 : 100;
  const column = [...set.train.images.subarray(0, 4)].map((value) => value - first);
  assertEquals(column, [0, 5, 10, 15]); // the first column of the file's image is the first row
  assertEquals(set.test, set.validation);
});

test("identifies FashionMNIST by its hashes, whatever tool unpacked it", async (folder) => {
  const source = FASHION_MNIST.systemFolder!;
  const isThere = await Deno.stat(source).then(() => true, () => false);
  if (!isThere) return;
  for (const { name } of FASHION_MNIST.files) {
    const packed = await Deno.readFile(`${source}/${name}`);
    const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
    const plain = name.replace("-idx", ".idx").replace(".gz", "");
    await Deno.writeFile(`${folder}/${plain}`, await new Response(stream).bytes());
  }
  const set = await loadImageFiles(folder);
  assertEquals(set.classNames[9], "Ankle boot");
  assertEquals(set.validation.labels.length, 5000);
  assertEquals(set.sha256["train-images-idx3-ubyte.gz"], FASHION_MNIST.files[0]!.sha256);
});

/** Batches of CIFAR-10 with two images each. */
function cifar(): Record<string, Uint8Array<ArrayBuffer>> {
  const batch = (b: number) => {
    const bytes = new Uint8Array(2 * 3073);
    for (const image of [0, 1]) {
      const row = bytes.subarray(image * 3073, (image + 1) * 3073);
      row[0] = 2 * b + image;
      row.fill(10 + b, 1, 1025).fill(20 + image, 1025, 2049).fill(30, 2049);
    }
    return bytes;
  };
  return Object.fromEntries([1, 2, 3, 4].map((b) => [`data_batch_${b}.bin`, batch(b)]));
}

test("reads CIFAR-10's batches as RGB, and names the one that is missing", async (folder) => {
  await assertRejects(() => load(folder, cifar()), UserError, "lacks data_batch_5.bin");
  // Two images more of the classes 0 and 1, so that each class keeps one.
  const five = cifar()["data_batch_1.bin"]!.slice();
  five[0] = 2;
  five[3073] = 3;
  five.fill(99, 1, 3);
  five.fill(98, 3074, 3076);
  const set = await load(folder, { "data_batch_5.bin": five });
  assertEquals([set.height, set.width, set.channels], [32, 32, 3]);
  assertEquals(set.classNames[8], "ship");
  assertEquals(set.train.labels.length + set.validation.labels.length, 10);
  const at = set.train.labels.indexOf(9); // the second image of the fourth batch
  assertEquals([...set.train.images.subarray(at * 3072, at * 3072 + 6)], [14, 21, 30, 14, 21, 30]);
});

Deno.test("parseCifar() refuses other sizes and labels", () => {
  const refuses = (bytes: Uint8Array<ArrayBuffer>, message: string) =>
    assertThrows(() => parseCifar(bytes, "a.bin"), UserError, message);
  refuses(new Uint8Array(0), "a.bin: 0 bytes are not a multiple of 3073");
  refuses(new Uint8Array(3074), "a.bin: 3074 bytes are not a multiple of 3073");
  refuses(
    new Uint8Array(3073).fill(10, 0, 1),
    "image 0 has the label 10, and CIFAR-10's are 0 to 9",
  );
});

const HEADER = `label,${Array.from({ length: 16 }, (_, i) => `pixel${i}`).join()}`;
const row = (label: number, value: number) => `${label},${Array(16).fill(value).join()}`;

test("reads Kaggle's CSV, with test images only where they have labels", async (folder) => {
  const lines = Array.from({ length: 20 }, (_, i) => row(i % 2 + 3, i * 12));
  const files = { "train.csv": [HEADER, ...lines, ""].join("\r\n") };
  const set = await load(folder, { ...files, "test.csv": HEADER.replace("label,", "") });
  assertEquals([set.height, set.width, set.channels], [4, 4, 1]);
  assertEquals(set.classNames, ["3", "4"]);
  assertEquals(set.test, set.validation);
  assertEquals(set.train.labels.length, 18);
  const tested = await load(folder, { ...files, "test.csv": `${HEADER}\n${row(4, 7)}\n` });
  assertEquals([...tested.test.labels, ...tested.test.images.subarray(0, 2)], [1, 7, 7]);
  await assertRejects(
    () => load(folder, { ...files, "test.csv": `${HEADER}\n${row(5, 7)}\n` }),
    UserError,
    "test images have the label 5, and no training image has",
  );
});

Deno.test("parsePixelCsv() names the line and the column of what is wrong", () => {
  const refuses = (text: string, message: string) => {
    const bytes = new TextEncoder().encode(text);
    assertThrows(() => parsePixelCsv(bytes, "a.csv"), UserError, message);
  };
  const columns = (n: number) => `label,${Array.from({ length: n }, (_, i) => `pixel${i}`)}`;
  refuses("", 'a.csv:1: expected the columns label, pixel0, pixel1, ..., found ""');
  refuses("Review,Rating\nfine,4\n", 'found "review,rating"');
  refuses(columns(17), "found 17 pixels, which are no square image");
  refuses(`${HEADER}\n`, "a.csv: no images");
  refuses(`${HEADER}\n${row(1, 2)}\n${row(1, 256)}\n`, "a.csv:3: column 2 is 256 or more");
  refuses(`${HEADER}\n${row(1, 2)},5\n`, "a.csv:2: more than the 17 columns of the header");
  refuses(`${HEADER}\n1,2\n`, "a.csv:2: 2 columns, and the header has 17");
  refuses(`${HEADER}\n1,,2\n`, "a.csv:2: column 2 is empty");
  refuses(`${HEADER}\n1,0.5\n`, 'a.csv:2: column 2 has "."');
  refuses(`${HEADER}\n${row(-1, 2)}\n`, 'a.csv:2: column 1 has "-"');
});

test("says what was found and what was expected", async (folder) => {
  const refuses = async (files: Files, message: string) => {
    await Deno.remove(folder, { recursive: true });
    await Deno.mkdir(folder);
    await assertRejects(() => load(folder, files), UserError, message);
  };
  await refuses({ "a.npz": "x", "b.txt": "y" }, "found a.npz, b.txt; expected IDX files");
  await refuses({ "data_batch_1": "x" }, "the Python version of CIFAR-10");
  await refuses(
    { "a.csv": "x", "b.csv": "x" },
    "has 2 CSV files of training images (a.csv, b.csv)",
  );
  const images = "train-images-idx3-ubyte";
  const labels = "train-labels-idx1-ubyte";
  await refuses({ [images]: idxImages(4, 4, 4) }, `no ${labels}: put it there too`);
  await refuses(
    { [images]: idxImages(4, 4, 4), [labels]: idxLabels([1]) },
    "the shape is [1], but ",
  );
  await refuses({ [images]: idxLabels([1]), [labels]: idxLabels([1]) }, "images have [N, H, W]");
  await refuses({ [images]: "<!DOCTYPE html>", [labels]: idxLabels([1]) }, "an HTML page");
  await refuses(
    { [images]: idxImages(4, 2, 4), [labels]: idxLabels([1, 1, 1, 1]) },
    "images of 4x2 pixels; sides must be from 4 to 1024",
  );
  await refuses(
    { [`a-${images}`]: "", [`b-${images}`]: "" },
    'IDX files of 2 sets ("a-", "b-"): put those of one set into a folder of their own',
  );
  const { message } = await assertRejects(() => loadImageFiles(`${folder}/none`), UserError);
  assertStringIncludes(message, "there is no such folder");
  assert(!message.includes("\n"));
});
