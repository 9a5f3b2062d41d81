/** The tab of garments. */
import { FASHION_MNIST_CLASSES } from "../../datasets/fashion_mnist_classes.ts";
import { samplerNames } from "../../diffusion/samplers/registry.ts";
import { drawGrid } from "../../report/grid.ts";
import { encodeGif } from "../../report/gif.ts";
import type { Client } from "../client.ts";
import {
  arrowKeys,
  button,
  control,
  fill,
  find,
  numberIn,
  onSubmit,
  save,
  say,
  Steps,
} from "../elements.ts";
import type { GarmentRequest, GarmentStep } from "./compute.ts";

const [SIDE, COLUMNS, ROWS] = [28, 5, 2];
/** A part of the mask is a square of this many pixels. */
const PART = 4;
const PARTS = SIDE / PART;
const ENLARGED = 4;

/** Draws ten images [10, 28, 28] in rows of five. */
function paint(canvas: HTMLCanvasElement, pixels: Uint8Array): void {
  const image = new ImageData(COLUMNS * SIDE, ROWS * SIDE);
  for (const [i, grey] of pixels.entries()) {
    const [index, row, column] = [
      Math.floor(i / SIDE ** 2),
      Math.floor(i / SIDE) % SIDE,
      i % SIDE,
    ];
    const y = Math.floor(index / COLUMNS) * SIDE + row;
    const at = y * COLUMNS * SIDE + index % COLUMNS * SIDE + column;
    image.data.set([grey, grey, grey, 255], 4 * at);
  }
  canvas.getContext("2d")!.putImageData(image, 0, 0);
}

/** Buttons over an image, which choose the parts to redraw. */
function openMask(root: HTMLElement): () => Float32Array {
  const parts = Array.from({ length: PARTS ** 2 }, (_, i) => {
    const part = document.createElement("button");
    part.type = "button";
    part.ariaLabel = `row ${Math.floor(i / PARTS) + 1}, column ${i % PARTS + 1}`;
    part.ariaPressed = String(Math.floor(i / PARTS) >= PARTS / 2); // the lower part at first
    return part;
  });
  root.replaceChildren(...parts);
  arrowKeys(parts, PARTS);
  let painting: string | undefined;
  const partAt = ({ clientX, clientY }: PointerEvent) =>
    parts.find((part) => part === document.elementFromPoint(clientX, clientY));
  root.onpointerdown = (event) => {
    const part = partAt(event);
    if (part === undefined) return;
    painting = String(part.ariaPressed !== "true");
    part.ariaPressed = painting;
  };
  root.onpointermove = (event) => {
    const part = partAt(event);
    if (painting !== undefined && part !== undefined) part.ariaPressed = painting;
  };
  self.addEventListener("pointerup", () => painting = undefined);
  root.onclick = ({ detail, target }) => {
    if (detail !== 0 || !(target instanceof HTMLButtonElement)) return; // by pointer: done above
    target.ariaPressed = String(target.ariaPressed !== "true");
  };
  return () =>
    Float32Array.from({ length: SIDE ** 2 }, (_, i) => {
      const row = Math.floor(i / SIDE / PART);
      return parts[row * PARTS + Math.floor(i % SIDE / PART)]!.ariaPressed === "true" ? 0 : 1;
    });
}

/** The settings in the form. */
function requestOf(panel: Element): Omit<GarmentRequest, "keep"> {
  const label = control(panel, "label").value;
  const isBetween = control(panel, "mode").value === "between";
  return {
    label: label === "" ? undefined : Number(label),
    seed: numberIn(panel, "seed"),
    sampler: control(panel, "sampler").value as GarmentRequest["sampler"],
    steps: numberIn(panel, "steps"),
    eta: numberIn(panel, "eta"),
    guidance: numberIn(panel, "guidance"),
    otherSeed: isBetween ? numberIn(panel, "otherSeed") : undefined,
  };
}

export function openGarments(panel: HTMLElement, client: Client): void {
  fill(panel, "label", [
    ["", "one of each"],
    ...FASHION_MNIST_CLASSES.map((name, i): [string, string] => [String(i), name]),
  ]);
  fill(panel, "sampler", samplerNames.map((name) => [name, name]));
  control(panel, "sampler").value = "ddim";
  const noisy = find(panel, ".noisy", HTMLCanvasElement);
  const predicted = find(panel, ".predicted", HTMLCanvasElement);
  const redraw = find(panel, ".redraw", HTMLElement);
  const mask = find(panel, ".mask", HTMLElement);
  const maskOf = openMask(mask);
  const downloads = [button(panel, "png"), button(panel, "gif")] as const;
  let images: Float32Array | undefined; // of the last step
  const steps = new Steps<GarmentStep>(panel, (step) => {
    paint(noisy, step.noisy);
    paint(predicted, step.predicted);
  });
  const gridOf = (pixels: Uint8Array) => {
    const data = { width: SIDE, height: SIDE, channels: 1 as const, data: pixels };
    return drawGrid(data, { columns: COLUMNS });
  };

  const update = () => {
    const mode = control(panel, "mode").value;
    control(panel, "otherSeed").closest("label")!.hidden = mode !== "between";
    control(panel, "eta").disabled = control(panel, "sampler").value !== "ddim";
    redraw.hidden = mode !== "redraw";
  };
  find(panel, "form", HTMLFormElement).onchange = update;
  update();

  onSubmit(panel, () => {
    const request = requestOf(panel);
    const isRedraw = control(panel, "mode").value === "redraw";
    if (isRedraw && images === undefined) {
      say(panel, "Draw ten samples first: a part of them is then drawn again.", true);
      return undefined;
    }
    const keep = isRedraw ? { pixels: images!, mask: maskOf() } : undefined;
    steps.clear();
    downloads.forEach((download) => download.disabled = true);
    const call = client.call("drawGarments", { ...request, keep }, (step) => {
      steps.add(step, step.steps);
      if (step.step < step.steps) return;
      images = step.sample;
      paintFirst(mask, step.noisy);
    });
    return {
      stop: call.stop,
      result: call.result.then(({ milliseconds }) => {
        downloads.forEach((download) => download.disabled = false);
        say(panel, `${(milliseconds / 1000).toFixed(1)} s for ten images`);
      }),
    };
  });

  const [png, gif] = downloads;
  png.onclick = () => enlarge(noisy).toBlob((blob) => blob && save("garments.png", blob));
  gif.onclick = () => {
    const frames = steps.all.map((step) => gridOf(step.noisy));
    save("garments.gif", new Blob([encodeGif(frames)], { type: "image/gif" }));
  };
}

/** Shows the first of ten images behind the mask. */
function paintFirst(mask: HTMLElement, pixels: Uint8Array): void {
  const all = document.createElement("canvas");
  [all.width, all.height] = [COLUMNS * SIDE, ROWS * SIDE];
  paint(all, pixels);
  const one = document.createElement("canvas");
  [one.width, one.height] = [SIDE, SIDE];
  one.getContext("2d")!.drawImage(all, 0, 0);
  mask.style.backgroundImage = `url(${one.toDataURL()})`;
}

function enlarge(canvas: HTMLCanvasElement): HTMLCanvasElement {
  const large = document.createElement("canvas");
  [large.width, large.height] = [ENLARGED * canvas.width, ENLARGED * canvas.height];
  const context = large.getContext("2d")!;
  context.imageSmoothingEnabled = false;
  context.drawImage(canvas, 0, 0, large.width, large.height);
  return large;
}
