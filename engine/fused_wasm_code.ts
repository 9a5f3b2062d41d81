/**
 * Assembles WebAssembly with SIMD, for loops over vectors that are too slow in JavaScript. It has only the
 * instructions that such loops need. Opcodes are those of the WebAssembly core specification 2.0.
 */

/** Instructions that leave one value or none on the stack. */
export type Code = readonly number[];

/** A number in unsigned LEB128, WebAssembly's encoding of integers. */
function unsigned(value: number): number[] {
  const bytes: number[] = [];
  do {
    const rest = Math.floor(value / 128);
    bytes.push(value % 128 + (rest > 0 ? 128 : 0));
    value = rest;
  } while (value > 0);
  return bytes;
}

/** A list, preceded by its length. A name is a list of bytes. */
function counted(items: readonly (readonly number[])[]): number[] {
  return [...unsigned(items.length), ...items.flat()];
}

function named(name: string): number[] {
  return counted([...new TextEncoder().encode(name)].map((byte) => [byte]));
}

/** The types of values and their codes. */
const TYPES = { i32: 0x7f, f32: 0x7d, f64: 0x7c, v128: 0x7b } as const;

type ValueType = keyof typeof TYPES;

const simd = (instruction: number) => [0xfd, ...unsigned(instruction)];
const binary = (bytes: readonly number[]) => (a: Code, b: Code): Code => [...a, ...b, ...bytes];
const unary = (bytes: readonly number[]) => (a: Code): Code => [...a, ...bytes];

/** Reads a local variable or parameter. */
export const get = (local: number): Code => [0x20, ...unsigned(local)];
/** Sets a local variable. */
export const set = (local: number, value: Code): Code => [...value, 0x21, ...unsigned(local)];
/** A constant i32 from 0 to 63. */
export const small = (value: number): Code => [0x41, value];

/** Arithmetic on i32. */
export const i32 = { add: binary([0x6a]), less: binary([0x49]) };

/** Arithmetic on four floats at a time. */
export const f32x4 = {
  splat: unary(simd(0x13)),
  abs: unary(simd(0xe0)),
  sqrt: unary(simd(0xe3)),
  add: binary(simd(0xe4)),
  sub: binary(simd(0xe5)),
  mul: binary(simd(0xe6)),
  div: binary(simd(0xe7)),
  max: binary(simd(0xe9)),
};

/** Arithmetic on two doubles at a time. */
export const f64x2 = {
  /** The first two of four floats as doubles. */
  promoteLow: unary(simd(0x5f)),
  add: binary(simd(0xf0)),
  mul: binary(simd(0xf2)),
  /** The sum of both doubles. */
  sum: (a: Code): Code => [...a, ...simd(0x21), 0, ...a, ...simd(0x21), 1, 0xa0],
};

/** The last two of four floats as the first two. */
export const upperHalf = (a: Code): Code => [
  ...a,
  ...a,
  ...simd(0x0d), // a shuffle of bytes
  ...Array.from({ length: 16 }, (_, i) => (i + 8) % 16),
];

const ALIGNED_TO_16 = 4;
/** Reads sixteen bytes at an address. */
export const load = (address: Code): Code => [...address, ...simd(0x00), ALIGNED_TO_16, 0];
/** Writes sixteen bytes to an address. */
export const store = (
  address: Code,
  value: Code,
): Code => [...address, ...value, ...simd(0x0b), ALIGNED_TO_16, 0];

/** Repeats instructions while a condition is true. */
export const repeatWhile = (condition: Code, body: readonly Code[]): Code => [
  0x03, // loop, without a value
  0x40,
  ...condition,
  0x04, // if, without a value
  0x40,
  ...body.flat(),
  0x0c, // branch to the beginning of the loop, one level out
  1,
  0x0b,
  0x0b,
];

/** A function that a module exports. */
export interface WasmFunction {
  readonly name: string;
  /** The types of the parameters, which are the first local variables. */
  readonly parameters: readonly ValueType[];
  /** The types of the other local variables, which are zero at first. */
  readonly locals: readonly ValueType[];
  readonly result?: ValueType;
  readonly body: readonly Code[];
}

const section = (
  id: number,
  content: readonly number[],
) => [id, ...unsigned(content.length), ...content];

/** The bytes of a module that imports its memory as "host.memory" and exports its functions. */
export function wasmModule(functions: readonly WasmFunction[]): Uint8Array<ArrayBuffer> {
  const types = functions.map(({ parameters, result }) => [
    0x60,
    ...counted(parameters.map((type) => [TYPES[type]])),
    ...counted(result === undefined ? [] : [[TYPES[result]]]),
  ]);
  const code = functions.map(({ locals, body }) => {
    const bytes = [...counted(locals.map((type) => [1, TYPES[type]])), ...body.flat(), 0x0b];
    return [...unsigned(bytes.length), ...bytes];
  });
  const memory = [...named("host"), ...named("memory"), 0x02, 0x00, 0x01]; // at least one page
  return Uint8Array.from([
    ...[0x00, 0x61, 0x73, 0x6d], // "\0asm"
    ...[0x01, 0x00, 0x00, 0x00],
    ...section(1, counted(types)),
    ...section(2, counted([memory])),
    ...section(3, counted(functions.map((_, i) => unsigned(i)))),
    ...section(7, counted(functions.map(({ name }, i) => [...named(name), 0x00, ...unsigned(i)]))),
    ...section(10, counted(code)),
  ]);
}
