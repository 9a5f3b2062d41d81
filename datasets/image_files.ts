/**
 * Image sets in the files that they are published in: IDX (MNIST, KMNIST, EMNIST, FashionMNIST), CIFAR-10's
 * binary batches, and the CSV files of Kaggle.
 */
import { join } from "node:path";
import { usageError, UserError } from "../base/errors.ts";
import { fileError } from "../base/file_errors.ts";
import { sha256OfParts } from "../base/json.ts";
import { printable, quote } from "../base/quote.ts";
import { gatherImages, type LabelledImages } from "./batches.ts";
import { gunzip, isGzip } from "./download/gzip.ts";
import { textInstead } from "./download/integrity.ts";
import { FASHION_MNIST, loadFashionMnist } from "./fashion_mnist.ts";
import { parseIdx, shapeText } from "./idx.ts";
import { type ImageSet, pixelsOf } from "./image_set.ts";
import { splitByContent } from "./split.ts";

/** Options of {@linkcode loadImageFiles}. */
export interface ImageFilesOptions {
  /** The most images to hold out; no more than a tenth. @default {a tenth} */
  readonly validationSize?: number | undefined;
  /** The name of the folder in messages, such as that of a program's flag. @default {"folder"} */
  readonly folderName?: string | undefined;
  /** What to do about a folder with other files. @default {"name another folder"} */
  readonly remedy?: string | undefined;
}

/** Images of a file, or of several of the same shape. */
export interface ShapedImages extends LabelledImages {
  readonly height: number;
  readonly width: number;
  readonly channels: 1 | 3;
}

/** What a folder has: training images, and test images if there are some. */
interface Found {
  readonly format: string;
  readonly train: ShapedImages;
  readonly test: ShapedImages | undefined;
  readonly classNames?: readonly string[];
  readonly sha256: Readonly<Record<string, string>>;
}

/** Larger files are refused: the images are in memory. */
const MOST_BYTES = 2 ** 30;
/** Sides of images that networks can be built for. */
const SIDES = { least: 4, most: 1024 };
/** Names that a message lists. */
const NAMED = 6;

const EXPECTED = "IDX files (train-images-idx3-ubyte and train-labels-idx1-ubyte, or with .gz), " +
  "CIFAR-10's binary batches (data_batch_1.bin to data_batch_5.bin), or a CSV file with the columns label, " +
  "pixel0, pixel1, ...";

/** A file's bytes, unpacked if it is packed. */
async function readPlain(path: string): Promise<Uint8Array<ArrayBuffer>> {
  let bytes: Uint8Array<ArrayBuffer>;
  try {
    const { size } = await Deno.stat(path);
    if (size > MOST_BYTES) {
      throw new UserError(`${path}: ${size} bytes, more than ${MOST_BYTES}: use a part of it`);
    }
    bytes = await Deno.readFile(path);
  } catch (error) {
    throw fileError(error, `read ${path}`);
  }
  const text = textInstead(bytes);
  if (text !== undefined) throw new UserError(`${path}: ${text.detail}; get the file again`);
  if (!isGzip(bytes)) return bytes;
  const unpacked = gunzip(bytes, MOST_BYTES);
  if ("bytes" in unpacked) return unpacked.bytes;
  throw new UserError(`${path}: ${unpacked.fault}: ${unpacked.detail}; get the file again`);
}

/** Images [N, H, W] and labels [N] of two IDX files. */
export function idxImages(
  images: { readonly name: string; readonly bytes: Uint8Array<ArrayBuffer> },
  labels: { readonly name: string; readonly bytes: Uint8Array<ArrayBuffer> },
): ShapedImages {
  const { shape, data } = parseIdx(images.bytes, images);
  const [count = 0, height = 0, width = 0] = shape;
  if (shape.length !== 3) {
    throw new UserError(
      `${images.name}: the shape is [${shapeText(shape)}], and images have [N, H, W]: ` +
        "name the right file",
    );
  }
  const found = parseIdx(labels.bytes, labels);
  if (found.shape.length !== 1 || found.shape[0] !== count) {
    throw new UserError(
      `${labels.name}: the shape is [${shapeText(found.shape)}], but ${images.name} has ` +
        `${count} images: the two files do not belong together; get both again`,
    );
  }
  // EMNIST's images are stored column by column, unlike those of all other sets.
  const isTurned = /(^|[/\\])emnist-[^/\\]*$/i.test(images.name);
  const upright = isTurned ? transposed(data, height, width) : data;
  const [rows, columns] = isTurned ? [width, height] : [height, width];
  return { images: upright, labels: found.data, height: rows, width: columns, channels: 1 };
}

/** Images [N, H, W] as [N, W, H]. */
function transposed(images: Uint8Array, height: number, width: number): Uint8Array<ArrayBuffer> {
  const size = height * width;
  return Uint8Array.from(images, (_, i) => {
    const at = i % size;
    return images[i - at + (at % height) * width + Math.floor(at / height)]!;
  });
}

const CIFAR_SIDE = 32;
const CIFAR_PLANE = CIFAR_SIDE ** 2;
const CIFAR_ROW = 1 + 3 * CIFAR_PLANE;
const CIFAR_CLASSES = "airplane automobile bird cat deer dog frog horse ship truck".split(" ");

/**
 * A binary batch of CIFAR-10 (Krizhevsky 2009): for each image its label and the planes of red, green and blue,
 * 1,024 bytes each.
 */
export function parseCifar(bytes: Uint8Array<ArrayBuffer>, name: string): ShapedImages {
  const count = bytes.length / CIFAR_ROW;
  if (count === 0 || !Number.isInteger(count)) {
    throw new UserError(
      `${name}: ${bytes.length} bytes are not a multiple of ${CIFAR_ROW}, which an image of CIFAR-10 takes: ` +
        "get the binary version again",
    );
  }
  const labels = Uint8Array.from({ length: count }, (_, i) => bytes[i * CIFAR_ROW]!);
  const wrong = labels.findIndex((label) => label >= CIFAR_CLASSES.length);
  if (wrong >= 0) {
    throw new UserError(
      `${name}: image ${wrong} has the label ${
        labels[wrong]
      }, and CIFAR-10's are 0 to 9: get the binary ` +
        "version again",
    );
  }
  const images = new Uint8Array(count * 3 * CIFAR_PLANE);
  for (let i = 0, at = 0; i < count; i++) {
    const start = i * CIFAR_ROW + 1;
    for (let pixel = start; pixel < start + CIFAR_PLANE; pixel++) {
      for (let c = 0; c < 3; c++) images[at++] = bytes[pixel + c * CIFAR_PLANE]!;
    }
  }
  return { images, labels, height: CIFAR_SIDE, width: CIFAR_SIDE, channels: 3 };
}

/** The shape of square images of so many numbers; undefined if there is none. */
function squareOf(
  numbers: number,
): Pick<ShapedImages, "height" | "width" | "channels"> | undefined {
  for (const channels of [1, 3] as const) {
    const side = Math.sqrt(numbers / channels);
    if (Number.isInteger(side) && side >= SIDES.least) {
      return { height: side, width: side, channels };
    }
  }
  return undefined;
}

const [TAB, LINE_FEED, CARRIAGE_RETURN, SPACE, COMMA, ZERO] = [9, 10, 13, 32, 44, 48];

/**
 * A CSV file of Kaggle: a header `label,pixel0,pixel1,...`, and a row of numbers from 0 to 255 for each image,
 * which is square. It is read byte by byte, since a table of so many cells does not fit into memory.
 *
 * @throws {UserError} If it is no such file. The message has the line.
 */
export function parsePixelCsv(bytes: Uint8Array<ArrayBuffer>, name: string): ShapedImages {
  const lineEnd = bytes.indexOf(LINE_FEED);
  const headerEnd = lineEnd < 0 ? bytes.length : lineEnd;
  const header = new TextDecoder().decode(bytes.subarray(0, headerEnd)).trim().toLowerCase()
    .split(",").map((cell) => cell.trim().replace(/^"(.*)"$/, "$1"));
  const columns = header.length;
  const shape = squareOf(columns - 1);
  const isPixels = header[0] === "label" &&
    header.slice(1).every((cell) => /^pixel\d+$/.test(cell));
  if (!isPixels || shape === undefined) {
    const found = isPixels
      ? `${columns - 1} pixels, which are no square image`
      : quote(header.join(","), 60);
    throw new UserError(
      `${name}:1: expected the columns label, pixel0, pixel1, ..., found ${found}: name the right file`,
    );
  }
  // A number takes at least two bytes, so a header that announces more takes no memory.
  const values = new Uint8Array(Math.ceil((bytes.length - headerEnd) / 2) + 1);
  let [count, line, column, value] = [0, 1, 0, -1];
  const refuse = (problem: string) =>
    new UserError(`${name}:${line}: ${problem}: correct that line, or get the file again`);
  const endOfCell = () => {
    if (value < 0) {
      throw refuse(`column ${column + 1} is empty, and must be a number from 0 to 255`);
    }
    if (column >= columns) throw refuse(`more than the ${columns} columns of the header`);
    values[count++] = value;
    column++;
    value = -1;
  };
  const endOfLine = () => {
    if (column === 0 && value < 0) return; // a blank line
    endOfCell();
    if (column !== columns) throw refuse(`${column} columns, and the header has ${columns}`);
    column = 0;
  };
  for (let at = headerEnd; at < bytes.length; at++) {
    const byte = bytes[at]!;
    const digit = byte - ZERO;
    if (digit >= 0 && digit <= 9) {
      value = Math.max(0, value) * 10 + digit;
      if (value > 255) {
        throw refuse(`column ${column + 1} is ${value} or more, and at most 255 is allowed`);
      }
    } else if (byte === COMMA) endOfCell();
    else if (byte === LINE_FEED) {
      endOfLine();
      line++;
    } else if (byte !== CARRIAGE_RETURN && byte !== SPACE && byte !== TAB) {
      const text = String.fromCharCode(byte);
      throw refuse(`column ${column + 1} has ${quote(text)}, and must be a number from 0 to 255`);
    }
  }
  endOfLine();
  const rows = count / columns;
  if (rows === 0) throw new UserError(`${name}: no images: get the file again`);
  const images = new Uint8Array(rows * (columns - 1));
  for (let row = 0; row < rows; row++) {
    images.set(values.subarray(row * columns + 1, (row + 1) * columns), row * (columns - 1));
  }
  const labels = Uint8Array.from({ length: rows }, (_, row) => values[row * columns]!);
  return { ...shape, images, labels };
}

/** Sets of the same shape, one after the other. */
function joined(sets: readonly ShapedImages[]): ShapedImages {
  const concatenate = (parts: readonly Uint8Array[]) => {
    const whole = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
    let at = 0;
    for (const part of parts) {
      whole.set(part, at);
      at += part.length;
    }
    return whole;
  };
  return {
    ...sets[0]!,
    images: concatenate(sets.map(({ images }) => images)),
    labels: concatenate(sets.map(({ labels }) => labels)),
  };
}

/** train-images-idx3-ubyte.gz, emnist-letters-test-labels-idx1-ubyte, t10k-images.idx3-ubyte ... */
const IDX_NAME = /^(.*?)(train|t10k|test)-(images|labels)[-.]idx\d-ubyte(?:\.gz)?$/i;

/** The IDX files of a folder; "fashion-mnist" if they are FashionMNIST's. */
async function readIdx(
  folder: string,
  names: readonly string[],
): Promise<Found | "fashion-mnist" | undefined> {
  const files = new Map<string, string>(); // by prefix, part and kind
  const prefixes = new Set<string>();
  for (const name of names) {
    const [, prefix, part, kind] = IDX_NAME.exec(name.toLowerCase()) ?? [];
    if (prefix === undefined) continue;
    prefixes.add(prefix);
    files.set(`${part === "train" ? part : "test"} ${kind}`, name);
  }
  if (prefixes.size === 0) return undefined;
  if (prefixes.size > 1) {
    throw usageError(
      `${folder} has IDX files of ${prefixes.size} sets (${
        [...prefixes].slice(0, NAMED).map((prefix) => quote(prefix, 30)).join(", ")
      }): put those of one set into a folder of their own`,
    );
  }
  const sha256: Record<string, string> = {};
  const faults: unknown[] = [];
  const read = async (key: string) => {
    const name = files.get(key);
    if (name === undefined) return undefined;
    try {
      const bytes = await readPlain(join(folder, name));
      sha256[name] = sha256OfParts([bytes]);
      return { name: join(folder, name), bytes };
    } catch (error) {
      faults.push(error);
    }
  };
  const [images, labels, testImages, testLabels] = [
    await read("train images"),
    await read("train labels"),
    await read("test images"),
    await read("test labels"),
  ];
  // One file of FashionMNIST is enough: its loader says what is wrong with the others.
  const { files: pinned, sample } = FASHION_MNIST;
  const pins = new Set([...pinned, ...sample.files].map(({ sha256 }) => sha256));
  if (Object.values(sha256).some((hash) => pins.has(hash))) return "fashion-mnist";
  if (faults.length > 0) throw faults[0];
  if (images === undefined || labels === undefined) {
    const [prefix] = prefixes;
    const kind = images === undefined ? "images-idx3" : "labels-idx1";
    throw usageError(
      `${folder} has IDX files, but no ${prefix}train-${kind}-ubyte: put it there too`,
    );
  }
  return {
    format: "IDX files",
    train: idxImages(images, labels),
    test: testImages && testLabels && idxImages(testImages, testLabels),
    sha256,
  };
}

/** CIFAR-10's binary batches in a folder. */
async function readCifar(folder: string, names: readonly string[]): Promise<Found | undefined> {
  const batches = [1, 2, 3, 4, 5].map((n) => `data_batch_${n}.bin`);
  if (!names.some((name) => batches.includes(name) || name === "test_batch.bin")) {
    if (!names.includes("data_batch_1")) return undefined;
    throw usageError(
      `${folder} has the Python version of CIFAR-10 (data_batch_1): get the binary version, ` +
        "data_batch_1.bin to data_batch_5.bin",
    );
  }
  const missing = batches.filter((name) => !names.includes(name));
  if (missing.length > 0) {
    throw usageError(`${folder} lacks ${missing.join(", ")} of CIFAR-10: put them there too`);
  }
  const sha256: Record<string, string> = {};
  const read = async (name: string) => {
    const bytes = await readPlain(join(folder, name));
    sha256[name] = sha256OfParts([bytes]);
    return parseCifar(bytes, join(folder, name));
  };
  const parts: ShapedImages[] = [];
  for (const name of batches) parts.push(await read(name));
  const test = names.includes("test_batch.bin") ? await read("test_batch.bin") : undefined;
  return { format: "CIFAR-10", train: joined(parts), test, classNames: CIFAR_CLASSES, sha256 };
}

/** The CSV files of a folder: one with training images, and at most one more, whose name has "test" in it. */
async function readCsv(folder: string, names: readonly string[]): Promise<Found | undefined> {
  const files = names.filter((name) => /\.csv(?:\.gz)?$/i.test(name));
  if (files.length === 0) return undefined;
  const tests = files.filter((name) => /test/i.test(name));
  const trains = files.filter((name) => !tests.includes(name));
  if (trains.length !== 1) {
    throw usageError(
      `${folder} has ${trains.length} CSV files of training images (${
        listed(files)
      }): leave one there, ` +
        'and at most one more with "test" in its name',
    );
  }
  const sha256: Record<string, string> = {};
  const read = async (name: string) => {
    const bytes = await readPlain(join(folder, name));
    // Competitions keep the labels of their test images.
    const start = new TextDecoder().decode(bytes.subarray(0, 10)).replace(/^["\ufeff]*/, "");
    if (name !== trains[0] && /^pixel\d/i.test(start)) return undefined;
    sha256[name] = sha256OfParts([bytes]);
    return parsePixelCsv(bytes, join(folder, name));
  };
  const train = (await read(trains[0]!))!;
  const test = tests.length === 1 ? await read(tests[0]!) : undefined;
  return { format: "a CSV file", train, test, sha256 };
}

function listed(names: readonly string[]): string {
  if (names.length === 0) return "nothing";
  const more = names.length > NAMED ? `, and ${names.length - NAMED} more` : "";
  return `${names.slice(0, NAMED).map(printable).join(", ")}${more}`;
}

/** The names of a folder's files, and of its folders. */
async function listFolder(folder: string, folderName: string) {
  try {
    const entries = await Array.fromAsync(Deno.readDir(folder));
    const named = (areFolders: boolean) =>
      entries.filter(({ name, isDirectory }) => isDirectory === areFolders && !name.startsWith("."))
        .map(({ name }) => name).sort();
    return { files: named(false), folders: named(true) };
  } catch (error) {
    const isMissing = error instanceof Deno.errors.NotFound;
    if (!isMissing && !(error instanceof Deno.errors.NotADirectory)) {
      throw fileError(error, `read ${folder}`);
    }
    const problem = isMissing ? "there is no such folder" : "not a folder";
    throw usageError(`${folderName} ${folder}: ${problem}; name a folder that has ${EXPECTED}`);
  }
}

/** Folders in a folder in which FashionMNIST's own loader looks. */
const FASHION_FOLDERS = [FASHION_MNIST.id, "FashionMNIST"];

/**
 * Loads the image set whose files are in a folder, by their names: IDX files of any size and number of classes,
 * CIFAR-10's binary batches, or a CSV file of pixels. FashionMNIST is identified by the hashes of its files.
 * Without test images, the held-out ones stand in for them. Classes without known names have their labels for
 * names.
 *
 * Images are held out by the hashes of their pixels, so that copies of an image are never on both sides.
 *
 * @throws {UserError} If the folder has nothing of these, or a file is not as its name says. The message names
 * what was found and what was expected.
 */
export async function loadImageFiles(
  folder: string,
  options: ImageFilesOptions = {},
): Promise<ImageSet> {
  const { validationSize = Infinity, folderName = "folder", remedy = "name another folder" } =
    options;
  const { files, folders } = await listFolder(folder, folderName);
  const found = await readIdx(folder, files) ?? await readCifar(folder, files) ??
    await readCsv(folder, files);
  const isFashion = found === "fashion-mnist" ||
    found === undefined && folders.some((name) => FASHION_FOLDERS.includes(name));
  if (isFashion) return await loadFashionMnist({ dataDir: folder, dataDirName: folderName });
  if (found === undefined) {
    throw usageError(
      `${folderName} ${folder}: found ${
        listed([...files, ...folders])
      }; expected ${EXPECTED}: ${remedy}`,
    );
  }
  return imageSet(folder, found, validationSize);
}

/** Splits what was found, and counts labels from 0. */
function imageSet(folder: string, found: Found, validationSize: number): ImageSet {
  const { train: all, test, format, sha256 } = found;
  const { height, width, channels } = all;
  const size = `${width}x${height}`;
  if ([height, width].some((side) => side < SIDES.least || side > SIDES.most)) {
    throw usageError(
      `${folder}: images of ${size} pixels; sides must be from ${SIDES.least} to ${SIDES.most}`,
    );
  }
  const count = all.labels.length;
  if (count < 2) throw usageError(`${folder}: ${count} images; at least two are needed`);
  const values = [...new Set(all.labels)].sort((a, b) => a - b);
  const { classNames = values.map(String) } = found;
  const indexOf = new Map(values.map((value, i) => [value, found.classNames ? value : i]));
  const relabelled = ({ images, labels }: LabelledImages, part: string): LabelledImages => ({
    images,
    labels: labels.map((label) => {
      const index = indexOf.get(label);
      if (index !== undefined) return index;
      throw usageError(
        `${folder}: ${part} images have the label ${label}, and no training image has`,
      );
    }),
  });
  if (
    test !== undefined &&
    (test.height !== height || test.width !== width || test.channels !== channels)
  ) {
    throw usageError(
      `${folder}: training images of ${size} pixels, but test images of ${test.width}x${test.height}`,
    );
  }
  const labelled = relabelled(all, "training");
  const heldOut = Math.max(1, Math.min(validationSize, Math.floor(count / 10)));
  const { kept, out } = splitByContent(labelled, pixelsOf(all), heldOut);
  const validation = gatherImages(labelled, out);
  const shown = (n: number) => n.toLocaleString("en");
  return {
    height,
    width,
    channels,
    classNames,
    train: gatherImages(labelled, kept),
    validation,
    test: test === undefined ? validation : relabelled(test, "test"),
    origin: "data-dir",
    place: folder,
    sha256,
    description: `${folder}: ${format}, ${shown(count)}${
      test === undefined ? "" : ` + ${shown(test.labels.length)}`
    } images in ${classNames.length} classes, ${size} ${channels === 1 ? "grey" : "RGB"}`,
  };
}
