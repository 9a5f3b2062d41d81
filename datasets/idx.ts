/**
 * IDX, the format of MNIST and its successors: two zero bytes, the type of the elements, the number
 * of dimensions, each dimension as a big-endian 32-bit integer, then the elements in row-major order
 * (https://yann.lecun.org/exdb/mnist/, "The IDX file format"). Only unsigned bytes, the type of the image
 * sets, are supported here.
 */
import { UserError } from "../base/errors.ts";

/** The content of an IDX file. */
export interface IdxArray {
  /** The length of each dimension: [N, 28, 28] for images, [N] for labels. */
  readonly shape: readonly number[];
  /** The elements in row-major order. */
  readonly data: Uint8Array<ArrayBuffer>;
}

const TYPES: Readonly<Record<number, string>> = {
  0x08: "unsigned bytes",
  0x09: "signed bytes",
  0x0b: "16-bit integers",
  0x0c: "32-bit integers",
  0x0d: "32-bit floats",
  0x0e: "64-bit floats",
};
const UNSIGNED_BYTES = 0x08;

const hex = (byte: number) => `0x${byte.toString(16).padStart(2, "0")}`;

/** A shape for people, in a line. */
export function shapeText(shape: readonly number[]): string {
  const more = shape.length > SHOWN ? `, ... (${shape.length} dimensions)` : "";
  return `${shape.slice(0, SHOWN).join(", ")}${more}`;
}

/** Dimensions that a message lists. */
const SHOWN = 8;

/** The product of the dimensions; Infinity if a number cannot represent it exactly. */
function elementCount(shape: readonly number[]): number {
  if (shape.includes(0)) return 0;
  const count = shape.reduce((product, length) => product * length, 1);
  return count <= Number.MAX_SAFE_INTEGER ? count : Infinity;
}

/**
 * Reads an unpacked IDX file of unsigned bytes with any number of dimensions. The elements are a view of
 * the bytes. It allocates no memory from the header's dimensions, which must match the size of the file.
 *
 * @throws {UserError} If the bytes are not such a file. The message names the byte at fault.
 */
export function parseIdx(
  bytes: Uint8Array<ArrayBuffer>,
  { name = "IDX data" }: { name?: string | undefined } = {},
): IdxArray {
  const refuse = (problem: string) =>
    new UserError(`${name}: ${problem}; get the file again, or name the right one`);
  if (bytes.length < 4) {
    throw refuse(`${bytes.length} bytes are too few for the 4-byte start of an IDX file`);
  }
  const [zero0 = 0, zero1 = 0, type = 0, rank = 0] = bytes;
  if (zero0 !== 0 || zero1 !== 0) {
    throw refuse(
      `not an IDX file: it begins with ${hex(zero0)} ${hex(zero1)}, not with two zero bytes`,
    );
  }
  if (type !== UNSIGNED_BYTES) {
    throw refuse(
      TYPES[type] === undefined
        ? `byte 2 is ${hex(type)}, which is no IDX type`
        : `byte 2 announces ${TYPES[type]} (${hex(type)}), but only ` +
          `${TYPES[UNSIGNED_BYTES]} (${hex(UNSIGNED_BYTES)}) are supported`,
    );
  }
  if (rank === 0) throw refuse("byte 3 announces no dimensions");
  const start = 4 + 4 * rank;
  if (bytes.length < start) {
    throw refuse(
      `truncated: byte 3 announces ${rank} dimensions, which end at byte ${start}, but the file ` +
        `ends at byte ${bytes.length}`,
    );
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const shape = Array.from({ length: rank }, (_, i) => view.getUint32(4 + 4 * i));
  const count = elementCount(shape);
  const there = bytes.length - start;
  if (count !== there) {
    const fault = there < count ? "truncated" : "too long";
    throw refuse(
      `${fault}: the shape [${shapeText(shape)}] at byte 4 asks for ${count} bytes from byte ` +
        `${start} on, but there are ${there}`,
    );
  }
  return { shape, data: bytes.subarray(start) };
}

/** Writes an IDX file of unsigned bytes: the inverse of {@linkcode parseIdx}. */
export function formatIdx({ shape, data }: IdxArray): Uint8Array<ArrayBuffer> {
  const start = 4 + 4 * shape.length;
  const bytes = new Uint8Array(start + data.length);
  const view = new DataView(bytes.buffer);
  bytes[2] = UNSIGNED_BYTES;
  bytes[3] = shape.length;
  shape.forEach((length, i) => view.setUint32(4 + 4 * i, length));
  bytes.set(data, start);
  return bytes;
}
