/** A user's own images: PNG, JPEG, WebP and GIF files in a folder, in folders of their classes or flat. */
import { join } from "node:path";
import { usageError } from "../base/errors.ts";
import { fileError } from "../base/file_errors.ts";
import { makeFolder } from "../base/files.ts";
import { canonicalJson, sha256, sha256OfParts } from "../base/json.ts";
import { printable, quote } from "../base/quote.ts";
import { readSafetensors, writeSafetensors } from "../nn/safetensors.ts";
import { gatherImages, type LabelledImages } from "./batches.ts";
import { cacheDirectory } from "./download/cache.ts";
import { type ImageKind, type ImageSet, pixelsOf } from "./image_set.ts";
import { splitByContent } from "./split.ts";

/** Options of {@linkcode loadImageFolder}. */
export interface ImageFolderOptions {
  /** The side of the images. @default {their own if all are equal squares of at most 64, else at most 32} */
  readonly size?: number | undefined;
  /** 1 for grey images, 3 for RGB. @default {1 if all files are grey} */
  readonly channels?: 1 | 3 | undefined;
  /** The most images to hold out; no more than a tenth. @default {a tenth} */
  readonly validationSize?: number | undefined;
  /** The folder that decoded images are kept in; null for none. @default {cacheDirectory()} */
  readonly cacheDir?: string | null | undefined;
  /** Receives the files that are skipped. */
  readonly log?: ((line: string) => void) | undefined;
  /** Called after each image that was read, and again when it was decoded. */
  readonly onProgress?:
    | ((done: number, total: number, what: "reading" | "decoding") => void)
    | undefined;
}

const EXTENSIONS = /\.(png|jpe?g|webp|gif)$/i;
/** A picture with more pixels than this is refused before memory is taken. */
const MOST_PIXELS = 1e8;
/** The most bytes of a file. */
const MOST_BYTES = 1e8;
/** Larger pictures are decoded one at a time, since each may take some hundred megabytes. */
const LARGE = 1e7;
/** Labels are bytes. */
const MOST_CLASSES = 255;
/** Skipped files that are named; the rest is counted. */
const NAMED = 5;
/** Files that are decoded side by side. */
const PARALLEL = 8;

type Sharp = typeof import("sharp")["default"];

interface ImageFile {
  readonly path: string;
  readonly label: number;
}

/** A file whose header was read. */
interface Probed extends ImageFile {
  readonly sha256: string;
  readonly width: number;
  readonly height: number;
  readonly isGrey: boolean;
}

/**
 * Loads the images of a folder, cut to squares out of the middle and resized. Folders in it are classes; without
 * any, the images have none. Transparent pixels become white, the first frame stands for an animation, and
 * the rotation that cameras write is applied. Decoded images are kept, bound to the hashes of their files.
 *
 * Images are held out by the hashes of their pixels, so that copies of an image are never on both sides; each
 * class keeps at least one image to train on.
 *
 * @throws {UserError} If the folder has fewer than two images, more than 255 classes, or images beside
 * folders of images.
 */
export async function loadImageFolder(
  folder: string,
  options: ImageFolderOptions = {},
): Promise<ImageSet> {
  const { validationSize = Infinity, log = () => {} } = options;
  const { files, classNames } = await listImages(folder);
  const { default: sharp } = await import("sharp");
  const skipped: string[] = [];
  const probed = await probeAll(sharp, files, skipped, options);
  const fitting = fittingSize(probed);
  const areGrey = probed.every(({ isGrey }) => isGrey);
  const { size = fitting.size, channels = areGrey ? 1 : 3 } = options;
  const why = [
    options.size === undefined && fitting.why,
    options.channels === undefined && (areGrey ? "all files are grey" : "not all files are grey"),
  ].filter((reason) => reason !== false).join("; ");
  const kind: ImageKind = { height: size, width: size, channels, classNames };
  const large = probed.filter(({ path, width, height }) => {
    if (Math.min(width, height) >= size) return true;
    skipped.push(`${path}: ${width}x${height} pixels are fewer than ${size}x${size}`);
    return false;
  });
  const all = await decodeOnce(sharp, large, { kind, skipped, folder, ...options });
  report(skipped, log);
  const count = all.labels.length;
  if (count < 2) {
    const small = probed.length - large.length;
    const remedy = small > 1 ? `choose a smaller size than ${size}` : "add images";
    throw usageError(
      `${folder} has ${count} usable image${count === 1 ? "" : "s"}${
        skipped.length > 0 ? ` (${skipped.length} skipped)` : ""
      }: at least two are needed, one of them to hold out: ${remedy}`,
    );
  }
  const heldOut = Math.max(1, Math.min(validationSize, Math.floor(count / 10)));
  const { kept, out } = splitByContent(all, pixelsOf(kind), heldOut);
  const validation = gatherImages(all, out);
  return {
    ...kind,
    train: gatherImages(all, kept),
    validation,
    test: validation,
    origin: "data-dir",
    place: folder,
    sha256: { images: sha256OfParts([all.images, all.labels]) },
    description: describe(folder, all, kind, { skipped: skipped.length, why }),
  };
}

/** The image files of a folder with the indices of their classes, and the names of these. */
async function listImages(
  folder: string,
): Promise<{ files: ImageFile[]; classNames: string[] }> {
  const names = async (path: string) => {
    try {
      const entries = await Array.fromAsync(Deno.readDir(path));
      return entries.filter(({ name }) => !name.startsWith("."))
        .sort((a, b) => a.name < b.name ? -1 : 1);
    } catch (error) {
      throw error instanceof Deno.errors.NotADirectory || error instanceof Deno.errors.NotFound
        ? usageError(`${path} is no folder: name one with images`)
        : fileError(error, `read ${path}`);
    }
  };
  const below = async (path: string): Promise<string[]> => {
    const entries = await names(path);
    const nested = entries.filter(({ isDirectory }) => isDirectory)
      .map(({ name }) => below(join(path, name)));
    const own = entries.filter(({ isDirectory, name }) => !isDirectory && EXTENSIONS.test(name))
      .map(({ name }) => join(path, name));
    return [...own, ...(await Promise.all(nested)).flat()];
  };
  const entries = await names(folder);
  const flat = entries.filter(({ isDirectory, name }) => !isDirectory && EXTENSIONS.test(name));
  const classes: { name: string; paths: string[] }[] = [];
  for (const { name, isDirectory } of entries) {
    const paths = isDirectory ? await below(join(folder, name)) : [];
    if (paths.length > 0) classes.push({ name: printable(name), paths });
  }
  if (flat.length > 0 && classes.length > 0) {
    throw usageError(
      `${folder} has images beside the folder ${
        quote(classes[0]!.name)
      } of images: put all of them ` +
        "into folders, which are the classes, or none",
    );
  }
  if (classes.length > MOST_CLASSES) {
    throw usageError(
      `${folder} has ${classes.length} folders of images: use at most ${MOST_CLASSES}`,
    );
  }
  const files = flat.length > 0
    ? flat.map(({ name }) => ({ path: join(folder, name), label: 0 }))
    : classes.flatMap(({ paths }, label) => paths.map((path) => ({ path, label })));
  if (files.length > 0) return { files, classNames: classes.map(({ name }) => name) };
  throw usageError(`${folder} has no images: put PNG, JPEG, WebP or GIF files there`);
}

async function readImage(path: string): Promise<Uint8Array<ArrayBuffer>> {
  try {
    const { size } = await Deno.stat(path);
    if (size > MOST_BYTES) throw new Error(`${size} bytes are too many`);
    return await Deno.readFile(path);
  } catch (error) {
    throw error instanceof Deno.errors.NotCapable ? error : new Error((error as Error).message);
  }
}

/** Reads headers and hashes. Files that are no images are skipped. */
async function probeAll(
  sharp: Sharp,
  files: readonly ImageFile[],
  skipped: string[],
  { onProgress }: Pick<ImageFolderOptions, "onProgress">,
): Promise<Probed[]> {
  let done = 0;
  const found = await inParallel(files, async (file) => {
    try {
      const bytes = await readImage(file.path);
      const { autoOrient, space } = await sharp(bytes, { limitInputPixels: false }).metadata();
      const { width, height } = autoOrient;
      if (width * height > MOST_PIXELS) throw new Error(`${width}x${height} pixels are too many`);
      const isGrey = space === "b-w" || space === "grey16";
      return { ...file, width, height, isGrey, sha256: await sha256(bytes) };
    } catch (error) {
      if (error instanceof Deno.errors.NotCapable) throw error;
      skipped.push(`${file.path}: ${reason(error)}`);
      return undefined;
    } finally {
      onProgress?.(++done, files.length, "reading");
    }
  });
  return found.filter((file) => file !== undefined);
}

/** The side of images if none is asked for: see {@linkcode ImageFolderOptions.size}. */
function fittingSize(files: readonly Probed[]): { size: number; why: string } {
  const [first] = files;
  if (first === undefined) return { size: 32, why: "there are none" };
  const areEqual = files.every(({ width, height }) =>
    width === first.width && height === first.width
  );
  if (areEqual && first.width <= 64 && first.width % 4 === 0) {
    return { size: first.width, why: "the size of all files" };
  }
  const sides = files.map(({ width, height }) => Math.min(width, height)).sort((a, b) => a - b);
  const small = sides[Math.floor(sides.length / 10)]!; // a few small images do not decide
  const size = Math.max(4, Math.min(32, small - small % 4));
  return { size, why: size === 32 ? "32 is the default" : "nine tenths of the files are as large" };
}

/** Decodes the files, or reads what an earlier call decoded. */
async function decodeOnce(
  sharp: Sharp,
  files: readonly Probed[],
  { kind, skipped, folder, cacheDir = cacheDirectory(), onProgress }:
    & Pick<ImageFolderOptions, "cacheDir" | "onProgress">
    & { kind: ImageKind; skipped: string[]; folder: string },
): Promise<LabelledImages> {
  const { height, width, channels } = kind;
  const hashes = files.map(({ sha256, label }) => [sha256, label] as const);
  const key = sha256OfParts([
    new TextEncoder().encode(canonicalJson([height, width, channels, ...hashes])),
  ]);
  const path = cacheDir == null ? undefined : `${cacheDir}/own-images/${key}.safetensors`;
  const kept = path === undefined ? undefined : await readSafetensors(path).catch(() => undefined);
  const [keptImages, keptLabels] = ["images", "labels"].map((name) =>
    kept?.tensors.get(name)?.data
  );
  if (isBytes(keptImages) && isBytes(keptLabels)) return { images: keptImages, labels: keptLabels };
  const size = pixelsOf(kind);
  const images = new Uint8Array(files.length * size);
  const labels = new Uint8Array(files.length);
  let done = 0;
  const isLarge = ({ width, height }: Probed) => width * height > LARGE;
  const isWhole = new Uint8Array(files.length);
  const decodeAt = async (i: number) => {
    const { path, label } = files[i]!;
    try {
      images.set(await decode(sharp, files[i]!, kind), i * size);
      labels[i] = label;
      isWhole[i] = 1;
    } catch (error) {
      if (error instanceof Deno.errors.NotCapable) throw error;
      skipped.push(`${path}: ${reason(error)}`);
    } finally {
      onProgress?.(++done, files.length, "decoding");
    }
  };
  const indices = [...files.keys()];
  await inParallel(indices.filter((i) => !isLarge(files[i]!)), decodeAt);
  for (const i of indices.filter((i) => isLarge(files[i]!))) await decodeAt(i);
  const whole = indices.filter((i) => isWhole[i] === 1);
  const all = whole.length === files.length
    ? { images, labels }
    : gatherImages({ images, labels }, Uint32Array.from(whole));
  // What is kept must be all files, since it is found by their hashes.
  if (path !== undefined && whole.length === files.length) {
    await makeFolder(`${cacheDir}/own-images`);
    const count = files.length;
    await writeSafetensors(
      path,
      new Map([
        ["images", { dtype: "U8", shape: [count, height, width, channels], data: all.images }],
        ["labels", { dtype: "U8", shape: [count], data: all.labels }],
      ]),
      { metadata: { folder: printable(folder) } },
    );
  }
  return all;
}

function isBytes(data: unknown): data is Uint8Array<ArrayBuffer> {
  return data instanceof Uint8Array && data.buffer instanceof ArrayBuffer;
}

/** The pixels [H, W, C] of a file. */
async function decode(
  sharp: Sharp,
  file: Probed,
  { height, width, channels }: ImageKind,
): Promise<Uint8Array> {
  const bytes = await readImage(file.path);
  const picture = sharp(bytes, { limitInputPixels: MOST_PIXELS, failOn: "error" }).autoOrient();
  const side = Math.min(file.width, file.height);
  const [left, top] = [file.width, file.height].map((length) => Math.floor((length - side) / 2));
  // A strip of 4,000,000 x 20 pixels would be resized whole, in gigabytes. (JPEG is read faster whole.)
  const isStrip = Math.max(file.width, file.height) > 4 * side;
  if (isStrip) picture.extract({ left: left!, top: top!, width: side, height: side });
  const { data, info } = await picture
    .flatten({ background: "#ffffff" })
    .resize(width, height, { fit: "cover", position: "centre", kernel: "cubic" })
    .toColourspace(channels === 1 ? "b-w" : "srgb")
    .raw({ depth: "uchar" })
    .toBuffer({ resolveWithObject: true });
  if (info.width === width && info.height === height && info.channels === channels) return data;
  throw new Error(`decoded to ${info.width}x${info.height}x${info.channels}`);
}

function describe(
  folder: string,
  { labels }: LabelledImages,
  { height, width, channels, classNames }: ImageKind,
  { skipped, why }: { readonly skipped: number; readonly why: string },
): string {
  const counts = Map.groupBy(labels, (label) => label);
  const some = classNames.slice(0, NAMED)
    .map((name, label) => `${name} ${counts.get(label)?.length ?? 0}`).join(", ");
  const more = classNames.length > NAMED ? " ..." : "";
  const classes = classNames.length === 0
    ? "without classes"
    : `in ${classNames.length} class${classNames.length === 1 ? "" : "es"} (${some}${more})`;
  return `${folder}: ${
    labels.length.toLocaleString("en")
  } images ${classes}, cut to ${width}x${height} ` +
    `${channels === 1 ? "grey" : "RGB"}${why === "" ? "" : ` (${why})`}${
      skipped > 0 ? `; ${skipped} skipped` : ""
    }`;
}

function report(skipped: readonly string[], log: (line: string) => void): void {
  skipped.slice(0, NAMED).forEach((line) => log(`skipped ${line}`));
  if (skipped.length > NAMED) log(`skipped ${skipped.length - NAMED} more files`);
}

/** An error of the decoder in one short line. */
function reason(error: unknown): string {
  return quote((error as Error).message.split("\n")[0]!, 120);
}

/** Calls a function for each item, a few at a time; the results are in the items' order. */
async function inParallel<T, R>(
  items: readonly T[],
  fn: (item: T, index: number) => Promise<R>,
): Promise<R[]> {
  const results: R[] = Array(items.length);
  let next = 0;
  const work = async () => {
    while (next < items.length) {
      const i = next++;
      results[i] = await fn(items[i]!, i);
    }
  };
  await Promise.all(Array.from({ length: PARALLEL }, work));
  return results;
}
