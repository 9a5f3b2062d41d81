/**
 * The safetensors file format (https://github.com/huggingface/safetensors, "Format"): eight bytes with the
 * header's length, a JSON header with the type, shape and byte range of each tensor, and the tensors'
 * bytes, little-endian and without gaps. Equal contents give equal bytes.
 */
import { fileError } from "../base/file_errors.ts";
import { UserError } from "../base/errors.ts";
import { writeFileAtomic } from "../base/files.ts";
import { isJsonObject, jsonProblem } from "../base/json.ts";
import { quote } from "../base/quote.ts";
import { decodeBfloat16, decodeFloat16, encodeBfloat16, encodeFloat16 } from "./half.ts";
import {
  bytesOf,
  type Dtype,
  DTYPE_CLASSES,
  elementCount,
  type HostTensor,
  type NamedTensors,
} from "./host_tensor.ts";

export { floatValues } from "./host_tensor.ts";

/** The content of a safetensors file. */
export interface SafetensorsFile {
  /** The tensors, in the file's order. */
  readonly tensors: Map<string, HostTensor>;
  /** The types of tensors that are left out because they are not read here, such as F8_E4M3, by name. */
  readonly unread: ReadonlyMap<string, string>;
  /** The header's further strings. */
  readonly metadata: Map<string, string>;
}

/** Options of {@linkcode encodeSafetensors}. */
export interface EncodeOptions {
  /** Further strings of the header; transformers requires `format: "pt"`. @default {} */
  readonly metadata?: Readonly<Record<string, string>>;
  /** Whether finite values may become infinite in F16 and BF16. @default false */
  readonly allowOverflow?: boolean;
}

/** The limit of the reference implementation. */
const MAX_HEADER_BYTES = 100_000_000;

/** The checked description of a tensor, with its range in bytes from the end of the header. */
interface Entry {
  readonly name: string;
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly begin: number;
  readonly end: number;
}

/**
 * The bytes of tensors in the safetensors format; {@linkcode writeSafetensors} writes a file. Tensors are in
 * the reference implementation's order: by falling alignment, then by name. To store float32 weights as F16
 * or BF16, pass `{ ...tensor, dtype: "F16" }`: values are rounded to nearest, with ties to even.
 *
 * @throws {RangeError} If a tensor's values do not match its shape or type.
 * @throws {UserError} If a finite value is too large for F16 or BF16.
 */
export function encodeSafetensors(
  tensors: NamedTensors,
  options: EncodeOptions = {},
): Uint8Array<ArrayBuffer> {
  const parts = safetensorsParts(tensors, options);
  const file = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let position = 0;
  for (const part of parts) {
    file.set(part, position);
    position += part.length;
  }
  return file;
}

/**
 * The bytes of {@linkcode encodeSafetensors} in parts: the header, then each tensor. Parts of 32-bit tensors
 * are views, so that a model of half the memory's size can be written. Throws the same errors.
 */
export function safetensorsParts(
  tensors: NamedTensors,
  { metadata = {}, allowOverflow = false }: EncodeOptions = {},
): Uint8Array<ArrayBuffer>[] {
  const order = Object.keys(DTYPE_CLASSES);
  const names = sortedByBytes([...tensors.keys()]);
  names.sort((a, b) => order.indexOf(tensors.get(a)!.dtype) - order.indexOf(tensors.get(b)!.dtype));

  const header: [string, unknown][] = [];
  const keys = sortedByBytes(Object.keys(metadata));
  if (keys.length > 0) {
    const text = keys.map((key) => `${JSON.stringify(key)}:${JSON.stringify(metadata[key])}`);
    header.push(["__metadata__", `{${text.join(",")}}`]);
  }
  let offset = 0;
  for (const name of names) {
    const { dtype, shape, data } = tensors.get(name)!;
    if (name === "__metadata__" || !name.isWellFormed()) {
      throw new RangeError(`${quote(name)} cannot be the name of a tensor in a safetensors file`);
    }
    if (!(data instanceof DTYPE_CLASSES[dtype]) || elementCount(shape) !== data.length) {
      throw new RangeError(
        `tensor ${
          quote(name)
        }: a ${data.constructor.name} of ${data.length} elements is not a ${dtype} ` +
          `tensor of shape [${shape.join(", ")}]`,
      );
    }
    const end = offset + data.length * bytesOf(dtype);
    header.push([name, JSON.stringify({ dtype, shape, data_offsets: [offset, end] })]);
    offset = end;
  }
  // JSON.stringify of an object would put names that look like integers first.
  const text = `{${header.map(([key, value]) => `${JSON.stringify(key)}:${value}`).join(",")}}`;
  const json = new TextEncoder().encode(text);
  const start = 8 + Math.ceil(json.length / 8) * 8;
  if (start - 8 > MAX_HEADER_BYTES) throw new RangeError("the names of the tensors are too long");

  const head = new Uint8Array(start).fill(0x20); // padded with spaces to align the data
  new DataView(head.buffer).setBigUint64(0, BigInt(start - 8), true);
  head.set(json, 8);
  return [head, ...names.map((name) => tensorBytes(name, tensors.get(name)!, allowOverflow))];
}

function tensorBytes(
  name: string,
  tensor: HostTensor,
  allowOverflow: boolean,
): Uint8Array<ArrayBuffer> {
  let { data } = tensor as { data: ArrayBufferView<ArrayBuffer> };
  if (tensor.dtype === "F16" || tensor.dtype === "BF16") {
    const half = tensor.dtype === "F16";
    const bits = half ? encodeFloat16(tensor.data) : encodeBfloat16(tensor.data);
    const infinity = half ? 0x7c00 : 0x7f80;
    const at = allowOverflow
      ? -1
      : bits.findIndex((word, i) =>
        (word & 0x7fff) === infinity && Number.isFinite(tensor.data[i])
      );
    if (at >= 0) {
      throw new UserError(
        `tensor ${quote(name)}: element ${at}, ${tensor.data[at]}, is too large for ` +
          `${tensor.dtype}: keep this file in F32${half ? " or BF16" : ""}`,
      );
    }
    data = bits;
  }
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

/** Sorts names by code points, as UTF-8 does and JavaScript does not. */
function sortedByBytes(names: string[]): string[] {
  const points = (text: string) => Array.from(text, (character) => character.codePointAt(0)!);
  const keyed = names.map((name) => [name, points(name)] as const);
  keyed.sort(([, a], [, b]) => {
    const i = a.findIndex((point, index) => point !== b[index]);
    return i < 0 ? a.length - b.length : a[i]! - (b[i] ?? -1);
  });
  return keyed.map(([name]) => name);
}

/**
 * Reads bytes in the safetensors format; {@linkcode readSafetensors} reads a file. Everything is checked: the
 * header's length against the file's size and the format's limit, each range against type and shape, and
 * all ranges together (no gap, no overlap, nothing after the end). Tensors with aligned bytes are views of
 * `bytes`, others are copies. Values of F16 and BF16 become float32, in a Float32Array; `dtype` remains the
 * type in the file. Tensors of other types, such as 8-bit floats, are left out.
 *
 * @param bytes The whole file.
 * @param source The file's name in error messages, such as its path.
 * @throws {UserError} If the file violates the format; the message names the file and the tensor.
 */
export function decodeSafetensors(bytes: Uint8Array, source: string): SafetensorsFile {
  const fail = (problem: string): never => {
    throw new UserError(`${source} is not a valid safetensors file: ${problem}`);
  };
  if (bytes.length < 8) fail(`it has ${bytes.length} bytes, too few for a header`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const headerBytes = Number(view.getBigUint64(0, true));
  if (headerBytes > bytes.length - 8 || headerBytes > MAX_HEADER_BYTES) {
    fail(
      `the first 8 bytes announce a header of ${headerBytes} bytes, the file has ` +
        `${bytes.length}: it is truncated or of another kind`,
    );
  }
  const { entries, metadata } = parseHeader(bytes.subarray(8, 8 + headerBytes), fail);
  const data = bytes.subarray(8 + headerBytes);
  let position = 0;
  const tensors = new Map<string, HostTensor>();
  const unread = new Map<string, string>();
  for (const { name, dtype, shape, begin, end } of entries) {
    const place = `tensor ${quote(name)}`;
    if (begin !== position) {
      fail(
        `${place} starts at byte ${begin} of the data, where the one before ends at ${position}`,
      );
    }
    const isKnown = isDtype(dtype);
    if (isKnown && end - begin !== elementCount(shape) * bytesOf(dtype)) {
      fail(`${place} takes ${end - begin} bytes, which do not make ${dtype} [${shape.join(", ")}]`);
    }
    if (end < begin) fail(`${place} ends at byte ${end}, before it starts at ${begin}`);
    if (end > data.length) {
      fail(`${place} ends at byte ${end} of the data, which ends at ${data.length}: truncated`);
    }
    position = end;
    if (!isKnown) {
      unread.set(name, dtype);
      continue;
    }
    const values = tensorData(dtype, data.subarray(begin, end));
    if (dtype === "BOOL" && (values as Uint8Array).some((value) => value > 1)) {
      fail(`${place} has the type BOOL and a byte other than 0 and 1`);
    }
    tensors.set(name, { dtype, shape, data: values } as HostTensor);
  }
  if (position !== data.length) {
    fail(`${data.length - position} bytes follow the last tensor`);
  }
  return { tensors, unread, metadata };
}

const isDtype = (name: string): name is Dtype => Object.hasOwn(DTYPE_CLASSES, name);

function parseHeader(
  bytes: Uint8Array,
  fail: (problem: string) => never,
): { entries: Entry[]; metadata: Map<string, string> } {
  let header: unknown;
  let problem: string | undefined;
  try {
    const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
    header = JSON.parse(text);
    problem = jsonProblem(text, { anyKey: true });
  } catch {
    fail("its header is not JSON");
  }
  if (!isJsonObject(header)) return fail("its header is not a JSON object");
  if (problem !== undefined) fail(`its header ${problem}`);

  const metadata = new Map<string, string>();
  const entries: Entry[] = [];
  for (const [name, value] of Object.entries(header)) {
    if (!isJsonObject(value)) return fail(`the header's entry ${quote(name)} is not an object`);
    if (name === "__metadata__") {
      for (const [key, text] of Object.entries(value)) {
        if (typeof text !== "string") return fail(`the metadata ${quote(key)} is not a string`);
        metadata.set(key, text);
      }
      continue;
    }
    const place = `tensor ${quote(name)}`;
    if (!name.isWellFormed()) fail(`the name of ${place} is not Unicode`);
    const { dtype, shape, data_offsets: range } = value;
    if (typeof dtype !== "string") return fail(`the type of ${place} is not a string`);
    if (!isSizes(shape)) return fail(`the shape of ${place} is not a list of sizes`);
    if (!isSizes(range) || range.length !== 2) {
      return fail(`the data_offsets of ${place} are not two byte positions`);
    }
    const [begin, end] = range as [number, number];
    entries.push({ name, dtype, shape, begin, end });
  }
  entries.sort((a, b) => a.begin - b.begin || a.end - b.end);
  return { entries, metadata };
}

function tensorData(dtype: Dtype, bytes: Uint8Array): HostTensor["data"] {
  const width = bytesOf(dtype);
  const { buffer, byteOffset } = bytes.byteOffset % width === 0 ? bytes : bytes.slice();
  const length = bytes.length / width;
  if (dtype === "F16") return decodeFloat16(new Uint16Array(buffer, byteOffset, length));
  if (dtype === "BF16") return decodeBfloat16(new Uint16Array(buffer, byteOffset, length));
  const type = DTYPE_CLASSES[dtype] as unknown as Uint8ArrayConstructor;
  return new type(buffer, byteOffset, length);
}

function isSizes(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((size) => Number.isSafeInteger(size) && size >= 0);
}

/**
 * Reads a safetensors file.
 *
 * @throws {UserError} If it cannot be read, or as {@linkcode decodeSafetensors}.
 *
 * @example
 * ```ts
 * import { readSafetensors } from "@nanodiffusion/nanodiffusion/safetensors";
 *
 * const { tensors } = await readSafetensors("checkpoints/fashion-mnist-classifier/model.safetensors");
 * const { dtype, shape, data } = tensors.get("head.weight")!;
 * console.assert(dtype === "F16" && data instanceof Float32Array); // widened
 * console.assert(data.length === shape[0]! * shape[1]!);
 * ```
 */
export async function readSafetensors(path: string): Promise<SafetensorsFile> {
  let bytes: Uint8Array;
  try {
    bytes = await Deno.readFile(path);
  } catch (error) {
    throw fileError(error, `read ${path}`);
  }
  return decodeSafetensors(bytes, path);
}

/** Writes a safetensors file atomically. */
export async function writeSafetensors(
  path: string,
  tensors: NamedTensors,
  options: EncodeOptions = {},
): Promise<void> {
  await writeFileAtomic(path, encodeSafetensors(tensors, options));
}
