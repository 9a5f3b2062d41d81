import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { decode, encode } from "fast-png";
import { inFolder } from "../../in_folder.ts";
import { permitted } from "../../permissions.ts";
import { imageRuns, runImage, runImageProcess, TINY } from "./program.ts";

const ignore = !imageRuns || !permitted({ name: "sys" });

/** Writes thirty files of 12x12 pixels, RGB, for each class. */
async function writeImages(folder: string, classes: readonly string[]): Promise<void> {
  for (const [label, name] of classes.entries()) {
    await Deno.mkdir(`${folder}/${name}`, { recursive: true });
    for (let i = 0; i < 30; i++) {
      const data = Uint8Array.from({ length: 432 }, (_, at) => (at * (i + 3) + 60 * label) % 256);
      const png = encode({ width: 12, height: 12, data, channels: 3, depth: 8 });
      await Deno.writeFile(`${folder}/${name}/${i}.png`, png);
    }
  }
}

Deno.test({
  name: "image --images trains on RGB images in classes, and --sample-only knows their names",
  ignore,
  fn: () =>
    inFolder(async (folder) => {
      await writeImages(`${folder}/pets`, ["cat", "dog"]);
      const images = [`--images=${folder}/pets`];
      const run = ["--out", `${folder}/run`];
      const flags = TINY;
      // In a process of its own, with the permissions of the task.
      const trained = await runImageProcess(...flags, ...images, "--steps=4", "--flip", ...run);
      assertEquals(trained.code, 0, trained.stderr);
      assertStringIncludes(
        trained.stdout,
        "60 images in 2 classes (cat 30, dog 30), cut to 12x12 RGB",
      );
      const config = JSON.parse(await Deno.readTextFile(`${folder}/run/config.json`));
      assertEquals([config.config.imageSize, config.config.colors], [12, "rgb"]);
      assertEquals(config.data[0].classNames, ["cat", "dog"]);
      const report = await Deno.readTextFile(`${folder}/run/report.html`);
      assertStringIncludes(report, "<h1>pets, UNet of");

      const without = await runImage("--resume", "--steps=6", ...run);
      assertEquals(without.code, 2);
      assertStringIncludes(without.stderr, "--images: the run was trained on the images of");
      const resumed = await runImage("--resume", "--steps=6", ...run, ...images);
      assertEquals(resumed.code, 0, resumed.stderr);

      const sample = async (...args: string[]) => {
        const from = ["--sample-only", "--checkpoint", `${folder}/run`, "--samples=2"];
        return await runImage(...from, "--out", `${folder}/${args.join("")}`, ...args);
      };
      const dogs = await sample("--class=DOG", "--save-images");
      assertEquals(dogs.code, 0, dogs.stderr);
      const one = decode(
        await Deno.readFile(`${folder}/--class=DOG--save-images/images/00000.png`),
      );
      assertEquals([one.width, one.height, one.channels], [12, 12, 3]);
      const unknown = await sample("--class=cow");
      assertEquals(unknown.code, 2);
      assertStringIncludes(unknown.stderr, "must be one of cat, dog, or 0 to 1");
      const inpainted = await sample("--inpaint=left", ...images);
      assertEquals(inpainted.code, 0, inpainted.stderr);
      const other = await sample("--inpaint=left");
      assertEquals(other.code, 2);
      assertStringIncludes(other.stderr, "the model makes images of 12x12x3");
      const evaluated = await runImage(...flags, ...images, "--evaluate", "--out", `${folder}/x`);
      assertEquals(evaluated.code, 2);
      assertStringIncludes(
        evaluated.stderr,
        "--evaluate measures with a classifier of FashionMNIST",
      );
    }),
});

Deno.test({
  name: "image --data-dir trains on CIFAR-10's files, and is needed to go on",
  ignore,
  fn: () =>
    inFolder(async (folder) => {
      const data = `${folder}/cifar`;
      await Deno.mkdir(data);
      for (const [batch, name] of ["1", "2", "3", "4", "5"].entries()) {
        const bytes = Uint8Array.from({ length: 10 * 3073 }, (_, i) => (i * (batch + 3)) % 251)
          .map((byte, i) => i % 3073 === 0 ? i / 3073 : byte);
        await Deno.writeFile(`${data}/data_batch_${name}.bin`, bytes);
      }
      const run = ["--out", `${folder}/run`];
      const trained = await runImage(...TINY, "--data-dir", data, "--steps=2", ...run);
      assertEquals(trained.code, 0, trained.stderr);
      assertStringIncludes(trained.stdout, "CIFAR-10, 50 images in 10 classes, 32x32 RGB");
      const config = JSON.parse(await Deno.readTextFile(`${folder}/run/config.json`));
      assertEquals(config.data[0].classNames[9], "truck");
      const without = await runImage("--resume", "--steps=4", ...run);
      assertEquals(without.code, 2);
      assertStringIncludes(without.stderr, "--data-dir: the run was trained on the images of");
      const resumed = await runImage("--resume", "--steps=4", "--data-dir", data, ...run);
      assertEquals(resumed.code, 0, resumed.stderr);
      const from = ["--sample-only", "--checkpoint", `${folder}/run`, "--out", `${folder}/x`];
      const evaluated = await runImage(...from, "--evaluate");
      assertEquals(evaluated.code, 2);
      assertStringIncludes(evaluated.stderr, "measures with a classifier of FashionMNIST");
      const frogs = await runImage(...from, "--class=frog", "--samples=1");
      assertEquals(frogs.code, 0, frogs.stderr);
    }),
});

Deno.test({
  name: "image --images refuses too few images in one line with the remedy, and leaves no folder",
  ignore,
  fn: () =>
    inFolder(async (folder) => {
      const png = (i: number) =>
        encode({ width: 8, height: 8, data: new Uint8Array(64).fill(20 * i), channels: 1 });
      const sets: Readonly<Record<string, readonly string[]>> = {
        empty: [],
        one: ["1.png"],
        class: ["a/1.png"],
        small: ["1.png", "2.png", "3.png"],
      };
      for (const [name, paths] of Object.entries(sets)) {
        await Deno.mkdir(`${folder}/${name}/a`, { recursive: true });
        for (const [i, path] of paths.entries()) {
          await Deno.writeFile(`${folder}/${name}/${path}`, png(i));
        }
      }
      const cases = [
        ["empty", [], "empty has no images: put PNG, JPEG, WebP or GIF files there"],
        [
          "one",
          [],
          "has 1 usable image: at least two are needed, one of them to hold out: add images",
        ],
        [
          "class",
          [],
          "has 1 usable image: at least two are needed, one of them to hold out: add im",
        ],
        [
          "small",
          ["--image-size=16"],
          "(3 skipped): at least two are needed, one of them to hold " +
          "out: choose a smaller size than 16",
        ],
      ] as const;
      for (const [name, flags, message] of cases) {
        const own = [`--images=${folder}/${name}`, `--out=${folder}/out`, ...flags];
        const { code, stderr } = await runImage(...TINY, ...own);
        const [error, ...rest] = stderr.trim().split("\n")
          .filter((line) => !line.startsWith("skipped "));
        assertEquals([code, rest], [2, []], stderr);
        assertStringIncludes(error!, message);
        assertEquals(await Deno.stat(`${folder}/out`).then(() => true, () => false), false);
      }
    }),
});

Deno.test({
  name: "image --images trains without classes when the folder is flat",
  ignore,
  fn: () =>
    inFolder(async (folder) => {
      await writeImages(folder, ["."]);
      const flags = [...TINY, "--steps=2"];
      const own = [`--images=${folder}`, "--out", `${folder}/run`];
      const { code, stdout, stderr } = await runImage(...flags, ...own);
      assertEquals(code, 0, stderr);
      assertStringIncludes(stdout, "30 images without classes");
      const path = `${folder}/run/checkpoints/step-000002/unet/config.json`;
      const { num_class_embeds, in_channels } = JSON.parse(await Deno.readTextFile(path));
      assertEquals([num_class_embeds, in_channels], [null, 3]);
      const guided = await runImage(...flags, `--images=${folder}`, "--guidance=3", "--out=x");
      assert(guided.code !== 0, "there is nothing to guide by");
    }),
});
