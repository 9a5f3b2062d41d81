import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { fileURLToPath } from "node:url";
import { FASHION_MNIST, loadFashionMnist } from "../../datasets/fashion_mnist.ts";
import { firstOfEachClass } from "../../datasets/samples/make_fashion_mnist.ts";
import { permitted } from "../permissions.ts";

const samplePath = fileURLToPath(FASHION_MNIST.sample.folder);
const hasSample = permitted({ name: "read", path: samplePath });

const systemFolder = FASHION_MNIST.systemFolder!;
const hasSystem = permitted({ name: "read", path: systemFolder }) &&
  await Deno.stat(systemFolder).then(() => true, () => false);

/** The number of labels of each class. */
function counts(labels: Uint8Array): number[] {
  return Array.from({ length: 10 }, (_, label) => labels.filter((l) => l === label).length);
}

Deno.test("FASHION_MNIST pins hashes, sizes and two mirrors of every file", () => {
  const sizes = FASHION_MNIST.files.map(({ size }) => size);
  assertEquals(sizes, [47_040_016, 60_008, 7_840_016, 10_008]); // as the original server lists them
  for (const { sha256, addresses, name } of FASHION_MNIST.files) {
    assertEquals(/^[0-9a-f]{64}$/.test(sha256), true);
    assertEquals(addresses.map((address) => new URL(address).pathname.split("/").at(-1)), [
      name,
      name,
    ]);
  }
});

Deno.test("firstOfEachClass() keeps the file's order", () => {
  const labels = Uint8Array.of(1, 1, 0, 1, 0, 2, 0, 2);
  assertEquals([...firstOfEachClass(labels, 2)], [0, 1, 2, 4, 5, 7]);
});

Deno.test({
  name: "loadFashionMnist() gives the balanced bundled sample when sampleOnly is set",
  ignore: !hasSample,
  async fn() {
    const data = await loadFashionMnist({ sampleOnly: true });
    assertEquals([data.origin, data.height, data.width], ["sample", 28, 28]);
    assertEquals(counts(data.train.labels), Array(10).fill(550));
    assertEquals(counts(data.validation.labels), Array(10).fill(50));
    assertEquals(counts(data.test.labels), Array(10).fill(100));
    for (const { images, labels } of [data.train, data.validation, data.test]) {
      assertEquals(images.length, labels.length * 28 * 28);
    }
    // The first test labels of the whole set: an ankle boot, a pullover, two pairs of trousers.
    assertEquals([...data.test.labels.slice(0, 4)], [9, 2, 1, 1]);
    assertEquals(data.classNames[9], "Ankle boot");
    assertEquals(Object.keys(data.sha256).length, 4);
    assertStringIncludes(data.description, "ONLY THE BUNDLED SAMPLE, 6,000 + 1,000 of the 60,000");
  },
});

Deno.test({
  name: "loadFashionMnist() holds out the same images when loaded again",
  ignore: !hasSample,
  async fn() {
    const load = () => loadFashionMnist({ sampleOnly: true, validationSize: 20 });
    const [first, second] = [await load(), await load()];
    assertEquals(counts(first.validation.labels), Array(10).fill(2));
    assertEquals(first.validation, second.validation);
    const key = (images: Uint8Array, i: number) => images.subarray(i * 784, (i + 1) * 784).join();
    const train = new Set(Array.from({ length: 5980 }, (_, i) => key(first.train.images, i)));
    const shared = Array.from({ length: 20 }, (_, i) => key(first.validation.images, i))
      .filter((image) => train.has(image));
    assertEquals(shared, []);
  },
});

Deno.test({
  name: "loadFashionMnist() throws when validationSize is out of range",
  ignore: !hasSample,
  async fn() {
    const load = (validationSize: number) => () =>
      loadFashionMnist({ sampleOnly: true, validationSize });
    await assertRejects(load(15), RangeError, "15 examples to hold out are not a multiple of 10");
    await assertRejects(load(6000), RangeError, "leaves nothing to train on");
    await assertRejects(load(NaN), RangeError, "NaN");
  },
});

Deno.test({
  name: "loadFashionMnist() gives the whole set when the system's package is installed",
  ignore: !hasSystem || !hasSample,
  async fn() {
    const data = await loadFashionMnist({ dataDir: systemFolder });
    assertEquals(data.origin, "data-dir");
    assertEquals(counts(data.train.labels), Array(10).fill(5500));
    assertEquals(counts(data.validation.labels), Array(10).fill(500));
    assertEquals(counts(data.test.labels), Array(10).fill(1000));
    // The sample is the first images of each class of the whole set.
    const sample = await loadFashionMnist({ sampleOnly: true, validationSize: 0 });
    const whole = await loadFashionMnist({ dataDir: systemFolder, validationSize: 0 });
    const picked = firstOfEachClass(whole.train.labels, 600);
    assertEquals(sample.train.labels, Uint8Array.from(picked, (i) => whole.train.labels[i]!));
    assertEquals(
      sample.train.images.subarray(-784),
      whole.train.images.subarray(picked.at(-1)! * 784, (picked.at(-1)! + 1) * 784),
    );
    assertEquals(sample.train.images.subarray(0, 784), whole.train.images.subarray(0, 784));
  },
});
