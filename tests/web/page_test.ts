/// <reference lib="dom" />
/// <reference lib="dom.iterable" />
/** The page in a real browser: every tab works, asks no other host, and logs no error. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import axe from "axe-core";
import { decode } from "fast-png";
import type { Page } from "puppeteer-core";
import { parseBoard, solveSudoku } from "../../datasets/sudoku.ts";
import { main } from "../../image.ts";
import { inFolder } from "../in_folder.ts";
import { runHere } from "../run_here.ts";
import { runText } from "../text/program/program.ts";
import { hasBrowser, openPage, set, submit, textOf } from "./browser.ts";

/** The grey values of a canvas with ten images, image by image. */
async function imagesOn(page: Page, selector: string): Promise<number[][]> {
  const { data, width } = await page.$eval(selector, (element) => {
    const canvas = element as HTMLCanvasElement;
    const { width, height } = canvas;
    const { data } = canvas.getContext("2d")!.getImageData(0, 0, width, height);
    return { width, data: [...data].filter((_, i) => i % 4 === 0) };
  });
  return Array.from({ length: 10 }, (_, image) =>
    Array.from({ length: 784 }, (_, i) => {
      const y = Math.floor(image / 5) * 28 + Math.floor(i / 28);
      return data[y * width + image % 5 * 28 + i % 28]!;
    }));
}

/** The images of `deno task image --sample-only`. */
async function imagesOfProgram(folder: string, ...flags: string[]): Promise<number[][]> {
  const args = ["--sample-only", "--samples=10", "--save-images", `--out=${folder}`, ...flags];
  assertEquals((await runHere(() => main(args))).code, 0);
  return Array.from({ length: 10 }, (_, i) => {
    const bytes = Deno.readFileSync(`${folder}/images/${String(i).padStart(5, "0")}.png`);
    return [...decode(bytes).data];
  });
}

function greatestDifference(a: readonly number[][], b: readonly number[][]): number {
  return Math.max(...a.flatMap((image, i) => image.map((grey, j) => Math.abs(grey - b[i]![j]!))));
}

/** What axe-core finds wrong with the page as it is shown. */
async function violations(page: Page): Promise<string[]> {
  await page.evaluate(axe.source);
  const { violations } = await page.evaluate("axe.run()") as axe.AxeResults;
  return violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(" ")}`);
}

Deno.test({
  name: "the page computes what the programs compute",
  ignore: !hasBrowser,
  sanitizeOps: false, // puppeteer's connection ends a moment after it is closed
  sanitizeResources: false,
  fn: (t) =>
    inFolder(async (folder) => {
      await using opened = await openPage(folder);
      const { page, problems } = opened;

      await t.step("garments have the pixels of `deno task image --sample-only`", async () => {
        const message = await submit(page, "garments", { seed: 3, steps: 4 });
        assertMatch(message, /^[\d.]+ s for ten images$/);
        assertMatch(await textOf(page, "#garments .scrubber output"), /^4 of 4$/);
        const expected = await imagesOfProgram(`${folder}/a`, "--seed=3", "--sample-steps=4");
        const found = await imagesOn(page, "#garments .noisy");
        assert(greatestDifference(found, expected) <= 1);
        // The last step leads to the clean images that it predicts.
        assertEquals(await imagesOn(page, "#garments .predicted"), found);
      });

      await t.step("a sampler with noise, and one class", async () => {
        await submit(page, "garments", {
          ...{ seed: 1, steps: 3, label: 8, sampler: "ddpm", guidance: 1 },
        });
        const expected = await imagesOfProgram(
          `${folder}/b`,
          ...["--seed=1", "--sample-steps=3", "--class=Bag", "--sampler=ddpm", "--guidance=1"],
        );
        assert(greatestDifference(await imagesOn(page, "#garments .noisy"), expected) <= 1);
      });

      await t.step("garments between two seeds begin and end with those of the seeds", async () => {
        const settings = { steps: 2, label: 8, sampler: "ddim", guidance: 1 };
        const firstOf = async (seed: number) => {
          await submit(page, "garments", { ...settings, seed, mode: "samples" });
          return (await imagesOn(page, "#garments .noisy"))[0]!;
        };
        const ends = [await firstOf(5), await firstOf(6)];
        await submit(page, "garments", { ...settings, seed: 5, otherSeed: 6, mode: "between" });
        const between = await imagesOn(page, "#garments .noisy");
        assert(greatestDifference([between[0]!, between[9]!], ends) <= 1);
      });

      await t.step("a redrawn part leaves the rest as it was", async () => {
        await submit(page, "garments", { mode: "samples" });
        const before = await imagesOn(page, "#garments .noisy");
        await submit(page, "garments", { seed: 9, mode: "redraw" });
        const after = await imagesOn(page, "#garments .noisy");
        const upper = (images: number[][]) => images.map((image) => image.slice(0, 16 * 28));
        assert(greatestDifference(upper(before), upper(after)) <= 1);
        assert(greatestDifference(before, after) > 50);
      });

      await t.step("the scrubber goes back, and the status tells the device", async () => {
        await page.focus("#garments .scrubber input");
        await page.keyboard.press("Home");
        assertEquals(await textOf(page, "#garments .scrubber output"), "0 of 2");
      });

      await t.step("points in the plane are learned", async () => {
        for (const [prediction, sampler] of [["epsilon", "ddim"], ["flow", "ddpm"]] as const) {
          const message = await submit(page, "plane", { trainingSteps: 300, prediction, sampler });
          assertMatch(message, /^Trained in [\d.]+ s$/);
          assertMatch(await textOf(page, "#plane .scrubber output"), /^25 of 25$/);
          assertMatch(await textOf(page, "#plane .training"), /step 300 of 300, loss \d\.\d+$/);
        }
        assertEquals(await submit(page, "plane", { steps: 5 }), "Sampled"); // the same network
      });

      await t.step("points that the visitor draws with the keyboard are learned", async () => {
        const message = await submit(page, "plane", { data: "drawn" });
        assertMatch(message, /^there are no points/);
        await page.focus("#plane canvas");
        for (const key of ["ArrowUp", "Space", "ArrowRight", "Space"] as const) {
          await page.keyboard.press(key);
        }
        assertMatch(await submit(page, "plane", { trainingSteps: 20 }), /^Trained in/);
      });

      await t.step("a Sudoku is filled in, and a contradiction is refused", async () => {
        const board = () =>
          page.$$eval("#sudoku .board input", (cells) =>
            cells.map((cell) => (cell as HTMLInputElement).value || ".").join(""));
        const quiz = await board();
        assertMatch(await submit(page, "sudoku"), /^All cells are right\.$/);
        const answer = await board();
        assertEquals(
          answer.replaceAll(/./g, (digit, i) =>
            quiz[i] === "." ? "." : digit),
          quiz,
        );
        assertEquals([...solveSudoku(parseBoard(quiz))].join(""), answer);
        await page.click('#sudoku [name="new"]');
        await page.waitForFunction(
          () => document.querySelector("#sudoku .message")!.textContent === "",
        );
        assert(await board() !== answer);
        await page.click('#sudoku [name="clear"]');
        await page.type("#sudoku .board input:nth-child(1)", "5");
        await page.keyboard.press("ArrowRight");
        await page.keyboard.type("5");
        assertMatch(await submit(page, "sudoku"), /^row 1 has the digit 5 twice|5.*twice/);
      });

      await t.step("reviews are those of `deno task text --sample-only`", async () => {
        const message = await submit(page, "texts", { rating: 4, seed: 1, steps: 10 });
        assertMatch(message, /s for 2 reviews$/);
        const found = await page.$$eval(
          "#texts .texts li",
          (items) => items.map((item) => item.textContent),
        );
        const flags = ["--rating=4", "--seed=1", "--samples=2", "--sample-steps=10"];
        const { code } = await runText("--sample-only", `--out=${folder}/texts`, ...flags);
        assertEquals(code, 0);
        const lines = await Deno.readTextFile(`${folder}/texts/samples/samples.jsonl`);
        assertEquals(found, lines.trim().split("\n").map((line) => JSON.parse(line).text));
      });

      await t.step(
        "every tab is accessible, in light and dark, on a phone and a desktop",
        async () => {
          for (const width of [390, 1200]) {
            await page.setViewport({ width, height: 844 });
            for (const scheme of ["light", "dark"]) {
              await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: scheme }]);
              for (const tab of await page.$$('[role="tab"]')) {
                await tab.click();
                assertEquals(await violations(page), [], `${width} ${scheme}`);
                const isWide = await page.evaluate(() =>
                  document.documentElement.scrollWidth > document.documentElement.clientWidth
                );
                assertEquals(isWide, false, `${width}: the page scrolls sideways`);
              }
            }
          }
        },
      );

      await t.step("arrow keys move between tabs", async () => {
        await page.focus("#tab-garments");
        await page.keyboard.press("ArrowRight");
        assertEquals(await page.evaluate(() => document.activeElement?.id), "tab-plane");
        assert(await page.$eval("#plane", (panel) => !(panel as HTMLElement).hidden));
      });

      await t.step("a call that is stopped ends, and another may follow", async () => {
        await page.click("#tab-plane");
        await set(page, "plane", { trainingSteps: 20000 });
        await page.click('#plane [type="submit"]');
        await page.click('#plane [name="stop"]');
        await page.waitForSelector("#plane .message:not(:empty)");
        assertEquals(await textOf(page, "#plane .message"), "stopped");
        assertMatch(await submit(page, "plane", { trainingSteps: 20, data: "spiral" }), /^Trained/);
      });

      await t.step("it logs no error and asks no other host", () => assertEquals(problems, []));
    }),
});

/** Puts a line in front of the worker's code. */
const prepend = (line: string) => async (folder: string) => {
  const path = `${folder}/worker.js`;
  await Deno.writeTextFile(path, `${line}\n${await Deno.readTextFile(path)}`);
};

Deno.test({
  name: "the page says what is wrong with a checkpoint, a browser or a server",
  ignore: !hasBrowser,
  sanitizeOps: false,
  sanitizeResources: false,
  fn: async (t) => {
    const step = (name: string, test: (folder: string) => Promise<void>) =>
      t.step(name, () => inFolder(test));
    const quick = { steps: 1, guidance: 1 };

    await step("a damaged checkpoint is refused", async (folder) => {
      const change = async (site: string) => {
        const path = `${site}/models/fashion-mnist/unet/diffusion_pytorch_model.safetensors`;
        const bytes = await Deno.readFile(path);
        bytes[bytes.length - 5]! ^= 1;
        await Deno.writeFile(path, bytes);
      };
      await using opened = await openPage(folder, { change });
      assertMatch(await submit(opened.page, "garments", quick), /is damaged: its SHA-256/);
    });

    await step("a model that the page lacks is named", async (folder) => {
      await using opened = await openPage(folder, { models: {} });
      assertEquals(await submit(opened.page, "sudoku"), "this page has no model sudoku");
    });

    await step("a browser without SIMD is named as the reason", async (folder) => {
      const change = prepend("WebAssembly.validate = () => false;");
      await using opened = await openPage(folder, { change });
      assertMatch(await submit(opened.page, "garments", quick), /no WebAssembly SIMD/);
    });

    await step("without storage the page works, and says so", async (folder) => {
      const change = prepend("caches.open = () => Promise.reject(new Error('full'));");
      await using opened = await openPage(folder, { change });
      assertMatch(await submit(opened.page, "garments", quick), /s for ten images$/);
      assertMatch(await textOf(opened.page, "#status"), /no storage/);
    });

    await step("the page works offline once it was loaded", async (folder) => {
      await using opened = await openPage(folder);
      const { page } = opened;
      await page.evaluate(() => navigator.serviceWorker.ready.then(() => {}));
      assertMatch(await submit(page, "garments", quick), /s for ten images$/);
      await opened.endServer();
      await page.reload();
      assertMatch(await submit(page, "garments", quick), /s for ten images$/);
    });
  },
});
