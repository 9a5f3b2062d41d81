/// <reference lib="dom" />
/// <reference lib="dom.iterable" />
/** The page in a real browser: every tab works, asks no other host, and logs no error. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { decode } from "fast-png";
import type { Page } from "puppeteer-core";
import { parseBoard, solveSudoku } from "../../datasets/sudoku.ts";
import { main } from "../../image.ts";
import { inFolder } from "../in_folder.ts";
import { runHere } from "../run_here.ts";
import { hasBrowser, openPage } from "./browser.ts";

const SECOND = 1000;

/** The text of an element. */
const textOf = (page: Page, selector: string) =>
  page.$eval(selector, (element) => element.textContent ?? "");

/** Sets controls by name, as a visitor does. */
async function set(page: Page, panel: string, values: Record<string, string | number>) {
  for (const [name, value] of Object.entries(values)) {
    await page.$eval(
      `#${panel} [name="${name}"]`,
      (control, value) => {
        (control as HTMLInputElement).value = value;
        control.dispatchEvent(new Event("change", { bubbles: true }));
      },
      String(value),
    );
  }
}

/** Opens a tab, sets controls, submits the form, and waits for the message at the end. */
async function submit(page: Page, panel: string, values: Record<string, string | number> = {}) {
  await page.click(`#tab-${panel}`);
  await set(page, panel, values);
  await page.click(`#${panel} [type="submit"]`);
  await page.waitForSelector(`#${panel} .message:not(:empty)`, { timeout: 60 * SECOND });
  return await textOf(page, `#${panel} .message`);
}

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

      await t.step("it logs no error and asks no other host", () => assertEquals(problems, []));
    }),
});
