/**
 * Other sets of labelled images in the files that they are published as: pairs of IDX files (MNIST, KMNIST,
 * EMNIST), CIFAR-10's binary batches, and CSV files with a label and the pixels of an image in each row, as
 * Kaggle has them.
 */
import { join } from "node:path";
import { usageError, UserError } from "../base/errors.ts";
import { fileError } from "../base/file_errors.ts";
import { sha256OfParts } from "../base/json.ts";
import { quote } from "../base/quote.ts";
import { gatherImages, type LabelledImages } from "./batches.ts";
import { gunzip, isGzip } from "./download/gzip.ts";
import { parseIdx } from "./idx.ts";
import type { ImageKind, ImageSet } from "./image_set.ts";
import { holdOut } from "./split.ts";
import { decodeUtf8 } from "./text_files.ts";

/** The names of a set's files; "images" and "labels" may be in one file. */
export interface ImageFiles {
  readonly kind: "idx" | "cifar10" | "csv";
  readonly train: readonly string[];
  readonly test: readonly string[];
}

/** What {@linkcode findImageFiles} looks for, for messages. */
export const IMAGE_FILES =
  "pairs of IDX files (train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-...), CIFAR-10's " +
  "data_batch_1.bin to data_batch_5.bin and test_batch.bin, or CSV files with the columns label, pixel0, ...";

/** The set's own prefix, the part, and what the file has. */
const IDX = /^(.*?)(train|t10k|test)-(images|labels)[-.]idx[134]-ubyte(?:\.gz)?$/;
const MOST_BYTES = 2 ** 30;
const MOST_CLASSES = 255;

/**
 * Finds the files of a set in a folder; undefined if there are none.
 *
 * @throws {UserError} If there are several sets.
 */
export async function findImageFiles(folder: string): Promise<ImageFiles | undefined> {
  let names: string[];
  try {
    names = (await Array.fromAsync(Deno.readDir(folder))).filter(({ isDirectory }) => !isDirectory)
      .map(({ name }) => name).sort();
  } catch {
    return undefined; // whoever opens the folder says why
  }
  return idxFiles(folder, names) ?? cifarFiles(names) ?? await tableFiles(folder, names);
}

function idxFiles(folder: string, names: readonly string[]): ImageFiles | undefined {
  const files = names.flatMap((name) => {
    const [, prefix, part, what] = IDX.exec(name) ?? [];
    return prefix === undefined ? [] : [{ name, prefix, isTrain: part === "train", what }];
  });
  const sets = [...Map.groupBy(files, ({ prefix }) => prefix).values()].flatMap((own) => {
    const pair = (isTrain: boolean) =>
      ["images", "labels"].map((wanted) =>
        own.find((file) => file.isTrain === isTrain && file.what === wanted)?.name
      ).filter((name) => name !== undefined);
    const [train, test] = [pair(true), pair(false)];
    return train.length < 2 ? [] : [{ train, test: test.length < 2 ? [] : test }];
  });
  if (sets.length > 1) {
    const first = sets.map(({ train }) => train[0]).join(", ");
    throw usageError(`${folder} has several sets (${first}): put one into a folder of its own`);
  }
  return sets[0] && { kind: "idx", ...sets[0] };
}

function cifarFiles(names: readonly string[]): ImageFiles | undefined {
  const train = names.filter((name) => /^data_batch_\d+\.bin$/.test(name));
  if (train.length === 0) return undefined;
  return { kind: "cifar10", train, test: names.filter((name) => name === "test_batch.bin") };
}

async function tableFiles(
  folder: string,
  names: readonly string[],
): Promise<ImageFiles | undefined> {
  const tables: string[] = [];
  for (const name of names.filter((name) => /\.csv$/i.test(name))) {
    if (/^"?label"?,"?pixel/i.test(await firstCharacters(join(folder, name)))) tables.push(name);
  }
  const { test = [], train = [] } = Object.groupBy(
    tables,
    (name) => /test/i.test(name) ? "test" : "train",
  );
  return train.length === 1 ? { kind: "csv", train, test: test.slice(0, 1) } : undefined;
}

async function firstCharacters(path: string): Promise<string> {
  using file = await Deno.open(path);
  const bytes = new Uint8Array(64);
  return new TextDecoder().decode(bytes.subarray(0, await file.read(bytes) ?? 0));
}

/** SHA-256 of the content of a file, unpacked. */
export async function hashOfFile(path: string): Promise<string> {
  return sha256OfParts([await readBytes(path)]);
}

/** The content of a file, unpacked. */
async function readBytes(path: string): Promise<Uint8Array<ArrayBuffer>> {
  let bytes: Uint8Array<ArrayBuffer>;
  try {
    const { size } = await Deno.stat(path);
    if (size > MOST_BYTES) throw new UserError(`${path}: ${size} bytes do not fit into memory`);
    bytes = await Deno.readFile(path);
  } catch (error) {
    throw fileError(error, `read ${path}`);
  }
  if (!isGzip(bytes)) return bytes;
  const unpacked = gunzip(bytes, MOST_BYTES);
  if ("fault" in unpacked) throw new UserError(`${path}: ${unpacked.fault}: ${unpacked.detail}`);
  return unpacked.bytes;
}

/** Images and labels as files have them; a label is any number. */
interface Part extends Omit<ImageKind, "classNames"> {
  readonly images: Uint8Array<ArrayBuffer>;
  readonly labels: ArrayLike<number>;
}

async function readIdxPair(folder: string, [images, labels]: readonly string[]): Promise<Part> {
  const [of, to] = [join(folder, images!), join(folder, labels!)];
  const { shape, data } = parseIdx(await readBytes(of), { name: of });
  const [count = 0, rows = 0, columns = 0, channels = 1] = shape;
  if (shape.length < 3 || shape.length > 4 || (channels !== 1 && channels !== 3)) {
    throw new UserError(
      `${of}: the shape [${
        shape.join(", ")
      }] is not that of images: [N, height, width], or with 1 or ` +
        "3 channels",
    );
  }
  const found = parseIdx(await readBytes(to), { name: to });
  if (found.shape.length !== 1 || found.data.length !== count) {
    throw new UserError(`${to}: ${found.data.length} labels, where ${of} has ${count} images`);
  }
  // EMNIST's images lie on their sides.
  const lies = /^emnist-/.test(images!) && channels === 1;
  return {
    images: lies ? transpose(data, [count, rows, columns]) : data,
    height: lies ? columns : rows,
    width: lies ? rows : columns,
    channels,
    labels: found.data,
  };
}

/** Images [N, H, W] as [N, W, H]. */
function transpose(
  images: Uint8Array,
  [count, rows, columns]: readonly [number, number, number],
): Uint8Array<ArrayBuffer> {
  const turned = new Uint8Array(images.length);
  const size = rows * columns;
  for (let n = 0; n < count; n++) {
    for (let i = 0; i < size; i++) {
      turned[n * size + (i % columns) * rows + Math.floor(i / columns)] = images[n * size + i]!;
    }
  }
  return turned;
}

const [CIFAR_SIDE, CIFAR_CHANNELS] = [32, 3] as const;
const CIFAR_PIXELS = CIFAR_SIDE ** 2;
const CIFAR_RECORD = 1 + CIFAR_CHANNELS * CIFAR_PIXELS;

/** CIFAR-10 (Krizhevsky 2009): each record is a label, then the red, green and blue pixels. */
async function readCifar(folder: string, names: readonly string[]): Promise<Part> {
  const files = await Promise.all(names.map((name) => readBytes(join(folder, name))));
  files.forEach((bytes, i) => {
    if (bytes.length > 0 && bytes.length % CIFAR_RECORD === 0) return;
    throw new UserError(
      `${
        join(folder, names[i]!)
      }: ${bytes.length} bytes are not a multiple of ${CIFAR_RECORD}, the size ` +
        "of CIFAR-10's records: it is truncated or of another kind",
    );
  });
  const count = files.reduce((sum, { length }) => sum + length / CIFAR_RECORD, 0);
  const images = new Uint8Array(count * CIFAR_CHANNELS * CIFAR_PIXELS);
  const labels = new Uint8Array(count);
  let n = 0;
  for (const bytes of files) {
    for (let start = 0; start < bytes.length; start += CIFAR_RECORD, n++) {
      labels[n] = bytes[start]!;
      for (let i = 0; i < CIFAR_PIXELS * CIFAR_CHANNELS; i++) {
        const [pixel, channel] = [Math.floor(i / CIFAR_CHANNELS), i % CIFAR_CHANNELS];
        images[n * (CIFAR_RECORD - 1) + i] = bytes[start + 1 + channel * CIFAR_PIXELS + pixel]!;
      }
    }
  }
  return { images, labels, height: CIFAR_SIDE, width: CIFAR_SIDE, channels: CIFAR_CHANNELS };
}

/** A CSV with the columns label, pixel0 (or pixel1), ...: square grey images, or RGB ones. */
async function readTable(path: string): Promise<Part> {
  const lines = decodeUtf8(await readBytes(path), path).split(/\r?\n/);
  const pixels = lines[0]!.split(",").length - 1;
  const channels = Number.isInteger(Math.sqrt(pixels)) ? 1 : 3;
  const side = Math.sqrt(pixels / channels);
  if (!Number.isInteger(side)) {
    throw new UserError(`${path}:1: ${pixels} pixels are not those of a square image`);
  }
  const rows = lines.map((line, i) => ({ line, where: `${path}:${i + 1}` })).slice(1)
    .filter(({ line }) => line.trim() !== "");
  const images = new Uint8Array(rows.length * pixels);
  const labels = new Float64Array(rows.length);
  rows.forEach(({ line, where }, n) => {
    const numbers = line.split(",");
    if (numbers.length !== pixels + 1) {
      throw new UserError(`${where}: ${numbers.length} fields, where the header has ${pixels + 1}`);
    }
    numbers.forEach((text, i) => {
      const value = text.trim() === "" ? NaN : Number(text);
      if (!Number.isInteger(value) || value < 0 || value > 255) {
        const what = i === 0 ? "the label" : `pixel ${i}`;
        throw new UserError(`${where}: ${what} is ${quote(text)}, not a number from 0 to 255`);
      }
      if (i === 0) labels[n] = value;
      else images[n * pixels + i - 1] = value;
    });
  });
  return { images, labels, height: side, width: side, channels };
}

const READERS: Record<
  ImageFiles["kind"],
  (folder: string, names: readonly string[]) => Promise<Part>
> = {
  idx: readIdxPair,
  cifar10: readCifar,
  csv: (folder, [name]) => readTable(join(folder, name!)),
};

/** The names of CIFAR-10's classes, if the folder has them. */
async function cifarNames(folder: string): Promise<string[] | undefined> {
  const text = await Deno.readTextFile(join(folder, "batches.meta.txt")).catch(() => undefined);
  return text?.split(/\r?\n/).map((name) => name.trim()).filter((name) => name !== "");
}

/** Options of {@linkcode loadImageFiles}. */
export interface ImageFilesOptions {
  /** The number of training images to hold out for validation. @default {a twelfth} */
  readonly validationSize?: number | undefined;
}

/**
 * Loads a set of images from the files that {@linkcode findImageFiles} found. The classes are the labels that
 * occur, in order. Without test files, the images held out for validation are the test set too.
 *
 * @throws {UserError} If a file is damaged or of another kind, its parts differ in size, or there are too few
 * images. The message names the file.
 */
export async function loadImageFiles(
  folder: string,
  files: ImageFiles,
  { validationSize }: ImageFilesOptions = {},
): Promise<ImageSet> {
  const read = READERS[files.kind];
  const train = await read(folder, files.train);
  const test = files.test.length === 0 ? undefined : await read(folder, files.test);
  const { height, width, channels } = train;
  if (
    test !== undefined &&
    [test.height, test.width, test.channels].join() !== [height, width, channels].join()
  ) {
    throw new UserError(
      `${
        join(folder, files.test[0]!)
      }: images of ${test.height}x${test.width}x${test.channels}, where ` +
        `those to train on have ${height}x${width}x${channels}`,
    );
  }
  const values = [...new Set(Array.from(train.labels))].sort((a, b) => a - b);
  if (values.length > MOST_CLASSES) {
    throw usageError(
      `${folder}: ${values.length} classes, and at most ${MOST_CLASSES} are supported`,
    );
  }
  const names = files.kind === "cifar10" ? await cifarNames(folder) : undefined;
  const classNames = values.map((value) => names?.[value] ?? String(value));
  const indices = new Map(values.map((value, i) => [value, i]));
  const labelled = ({ images, labels }: Part): LabelledImages => ({
    images,
    labels: Uint8Array.from(Array.from(labels), (label) => {
      const index = indices.get(label);
      if (index !== undefined) return index;
      throw new UserError(
        `${join(folder, files.test.at(-1)!)}: no training image has the label ${label}`,
      );
    }),
  });
  const all = labelled(train);
  const count = all.labels.length;
  if (count < 2) throw usageError(`${folder}: ${count} images, and at least two are needed`);
  const wanted = validationSize ?? Math.max(1, Math.floor(count / 12));
  if (!(wanted >= 1 && wanted < count)) {
    throw usageError(`${wanted} of ${count} images to hold out: give 1 to ${count - 1}`);
  }
  const { kept, heldOut } = holdOut([...all.labels.keys()], wanted, "image files validation");
  const validation = gatherImages(all, Uint32Array.from(heldOut));
  const tested = test === undefined ? undefined : labelled(test);
  return {
    height,
    width,
    channels,
    classNames,
    train: gatherImages(all, Uint32Array.from(kept)),
    validation,
    test: tested ?? validation,
    origin: "data-dir",
    place: folder,
    sha256: {
      train: sha256OfParts([all.images, all.labels]),
      ...tested && { test: sha256OfParts([tested.images, tested.labels]) },
    },
    description: describe(folder, { height, width, channels, classNames }, files, [
      count,
      tested?.labels.length,
    ]),
  };
}

function describe(
  folder: string,
  { height, width, channels, classNames }: ImageKind,
  { train, test }: ImageFiles,
  [count, tested]: readonly [number, number | undefined],
): string {
  const some = (names: readonly string[], most: number) =>
    names.slice(0, most).join(", ") + (names.length > most ? ", ..." : "");
  return `${folder}: ${count.toLocaleString("en")} images of ${width}x${height} ` +
    `${channels === 1 ? "grey" : "RGB"} pixels in ${classNames.length} classes ` +
    `(${some(classNames, 5)}), ` +
    `${tested === undefined ? "none" : tested.toLocaleString("en")} to test with, from ` +
    some([...train, ...test], 2);
}
