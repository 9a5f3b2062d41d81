import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { UserError } from "../../base/errors.ts";
import { gzip } from "../../datasets/download/gzip.ts";
import { formatIdx } from "../../datasets/idx.ts";
import { findImageFiles, loadImageFiles } from "../../datasets/image_files.ts";
import { permitted } from "../permissions.ts";

const ignore = !permitted({ name: "read" }, { name: "write" });

type Content = Uint8Array | string;

/** Calls a function with a folder of files. */
async function withFolder<T>(
  files: Readonly<Record<string, Content>>,
  use: (folder: string) => Promise<T>,
): Promise<T> {
  const folder = await Deno.makeTempDir();
  try {
    for (const [name, content] of Object.entries(files)) {
      const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
      await Deno.writeFile(`${folder}/${name}`, bytes);
    }
    return await use(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

async function load(folder: string, validationSize?: number) {
  return await loadImageFiles(folder, (await findImageFiles(folder))!, { validationSize });
}

const count = (length: number, first = 0) => Uint8Array.from({ length }, (_, i) => first + i);
const images = (...shape: number[]) => {
  const data = count(shape.reduce((a, b) => a * b));
  return formatIdx({ shape, data });
};
const labels = (...data: number[]) =>
  formatIdx({ shape: [data.length], data: Uint8Array.from(data) });

Deno.test({
  name: "loadImageFiles() reads IDX files of any size, and labels that do not begin at 0",
  ignore,
  fn: async () => {
    const files = {
      "train-images.idx3-ubyte": images(5, 2, 3),
      "train-labels.idx1-ubyte": labels(1, 26, 1, 7, 7),
      "t10k-images-idx3-ubyte.gz": gzip(images(1, 2, 3)),
      "t10k-labels-idx1-ubyte.gz": gzip(labels(26)),
    };
    await withFolder(files, async (folder) => {
      const { train, validation, test, ...set } = await load(folder, 2);
      assertEquals([set.height, set.width, set.channels], [2, 3, 1]);
      assertEquals(set.classNames, ["1", "7", "26"]);
      assertEquals([train.labels.length, validation.labels.length], [3, 2]);
      assertEquals(test, { images: count(6), labels: Uint8Array.of(2) });
      const all = [...train.images, ...validation.images].sort((a, b) => a - b);
      assertEquals(all, [...count(30)]);
      assertStringIncludes(set.description, "5 images of 3x2 grey pixels in 3 classes (1, 7, 26)");
      assertEquals((await load(folder, 2)).train, train, "the same images are held out");
    });
  },
});

Deno.test({
  name:
    "loadImageFiles() turns EMNIST's images upright, and takes the validation images to test with",
  ignore,
  fn: async () => {
    const files = {
      "emnist-letters-train-images-idx3-ubyte": images(2, 2, 3),
      "emnist-letters-train-labels-idx1-ubyte": labels(1, 1),
    };
    await withFolder(files, async (folder) => {
      const { train, validation, test, height, width } = await load(folder);
      assertEquals([height, width], [3, 2]);
      assertEquals(test, validation);
      const [first] = [train, validation].map(({ images }) => [...images])
        .sort((a, b) => a[0]! - b[0]!);
      assertEquals(first, [0, 3, 1, 4, 2, 5]); // the columns of rows 0 1 2 and 3 4 5
    });
  },
});

Deno.test({
  name: "loadImageFiles() reads CIFAR-10's batches: planes of colors become pixels",
  ignore,
  fn: async () => {
    const record = (label: number) => {
      const bytes = new Uint8Array(3073);
      bytes[0] = label;
      [10, 20, 30].forEach((value, plane) =>
        bytes.fill(value, 1 + 1024 * plane, 1025 + 1024 * plane)
      );
      bytes[1 + 1024] = 99; // green of the first pixel
      return bytes;
    };
    const files = {
      "data_batch_1.bin": record(0),
      "data_batch_2.bin": record(1),
      "test_batch.bin": record(1),
      "batches.meta.txt": "airplane\nautomobile\n\n",
    };
    await withFolder(files, async (folder) => {
      const { test, classNames, height, channels } = await load(folder);
      assertEquals([height, channels, ...classNames], [32, 3, "airplane", "automobile"]);
      assertEquals([...test.images.subarray(0, 6)], [10, 99, 30, 10, 20, 30]);
      assertEquals([...test.labels], [1]);
    });
    await withFolder({ "data_batch_1.bin": new Uint8Array(3000) }, async (folder) => {
      await assertRejects(() => load(folder), UserError, "3000 bytes are not a multiple of 3073");
    });
  },
});

Deno.test({
  name: "loadImageFiles() reads Kaggle's CSV files, and names the line that is wrong",
  ignore,
  fn: async () => {
    const header = "label,pixel0,pixel1,pixel2,pixel3";
    const files = {
      "fashion_train.csv": `${header}\n7,0,1,2,3\r\n9,4,5,6,255\n`,
      "fashion_test.csv": `${header}\n9,1,1,1,1\n`,
      "notes.csv": "a,b\n1,2\n",
    };
    await withFolder(files, async (folder) => {
      const { test, classNames, height, width } = await load(folder);
      assertEquals([height, width, ...classNames], [2, 2, "7", "9"]);
      assertEquals(test, { images: Uint8Array.of(1, 1, 1, 1), labels: Uint8Array.of(1) });
    });
    const wrong = [
      ["7,0,1,2", "train.csv:2: 4 fields, where the header has 5"],
      ["7,0,1,2,256", 'train.csv:2: pixel 4 is "256", not a number from 0 to 255'],
      [",0,1,2,3", 'train.csv:2: the label is "", not a number from 0 to 255'],
    ] as const;
    for (const [row, message] of wrong) {
      await withFolder({ "train.csv": `${header}\n${row}\n` }, async (folder) => {
        await assertRejects(() => load(folder), UserError, message);
      });
    }
  },
});

Deno.test({
  name: "loadImageFiles() refuses files that do not fit together, and several sets in a folder",
  ignore,
  fn: async () => {
    const good = {
      "train-images-idx3-ubyte": images(2, 2, 2),
      "train-labels-idx1-ubyte": labels(0, 1),
    };
    const cases: [Record<string, Content>, string][] = [
      [{ ...good, "train-labels-idx1-ubyte": labels(0) }, "1 labels, where"],
      [{ ...good, "train-images-idx3-ubyte": images(2, 2) }, "is not that of images"],
      [
        { ...good, "t10k-images-idx3-ubyte": images(1, 3, 3), "t10k-labels-idx1-ubyte": labels(0) },
        "images of 3x3x1, where those to train on have 2x2x1",
      ],
      [
        { ...good, "t10k-images-idx3-ubyte": images(1, 2, 2), "t10k-labels-idx1-ubyte": labels(5) },
        "no training image has the label 5",
      ],
      [
        { "train-images-idx3-ubyte": images(1, 2, 2), "train-labels-idx1-ubyte": labels(0) },
        "1 images, and at least two are needed",
      ],
      [{
        ...good,
        "emnist-digits-train-images-idx3-ubyte": images(2, 2, 2),
        "emnist-digits-train-labels-idx1-ubyte": labels(0, 1),
      }, "has several sets (emnist-digits-train-images-idx3-ubyte, train-images-idx3-ubyte)"],
    ];
    for (const [files, message] of cases) {
      await withFolder(files, async (folder) => {
        const error = await assertRejects(() => load(folder), UserError);
        assertStringIncludes(error.message, message);
      });
    }
    await withFolder({ "a.txt": "x" }, async (folder) => {
      assertEquals(await findImageFiles(folder), undefined);
    });
  },
});
