/** Tensors in files and on the host: a type, a shape and a typed array. */

/**
 * The typed array for the values of each stored type, by the types' names in safetensors files. 16-bit
 * floats are widened to float32; BOOL is 0 for false and 1 for true.
 */
export type DtypeArrays = {
  F64: Float64Array;
  F32: Float32Array;
  F16: Float32Array;
  BF16: Float32Array;
  I64: BigInt64Array;
  I32: Int32Array;
  I16: Int16Array;
  I8: Int8Array;
  U64: BigUint64Array;
  U32: Uint32Array;
  U16: Uint16Array;
  U8: Uint8Array;
  BOOL: Uint8Array;
};

/** The name of a stored type, as safetensors files spell it. */
export type Dtype = keyof DtypeArrays;

/**
 * A tensor on the host, in row-major order; a scalar has the shape `[]`. `dtype` is the type in the file, which
 * is not always that of `data`: F16 and BF16 come as a Float32Array, see {@linkcode DtypeArrays}. To compute
 * with any floating point tensor as float32, take {@linkcode floatValues}.
 */
export type HostTensor = {
  [D in Dtype]: {
    readonly dtype: D;
    readonly shape: readonly number[];
    readonly data: DtypeArrays[D];
  };
}[Dtype];

/** Tensors by name; the order has no meaning. */
export type NamedTensors = ReadonlyMap<string, HostTensor>;

/**
 * The class of the typed array behind each stored type. The keys are in the order of tensors in a file of the
 * safetensors reference implementation: by falling alignment.
 */
export const DTYPE_CLASSES: Readonly<
  { [D in Dtype]: { new (length: number): DtypeArrays[D]; readonly BYTES_PER_ELEMENT: number } }
> = {
  U64: BigUint64Array,
  I64: BigInt64Array,
  F64: Float64Array,
  F32: Float32Array,
  U32: Uint32Array,
  I32: Int32Array,
  BF16: Float32Array,
  F16: Float32Array,
  U16: Uint16Array,
  I16: Int16Array,
  I8: Int8Array,
  U8: Uint8Array,
  BOOL: Uint8Array,
};

/** The bytes of one stored element. */
export function bytesOf(dtype: Dtype): number {
  return dtype === "F16" || dtype === "BF16" ? 2 : DTYPE_CLASSES[dtype].BYTES_PER_ELEMENT;
}

/** The product of the sizes of a shape, 1 for a scalar; NaN if it is not an exact integer. */
export function elementCount(shape: readonly number[]): number {
  let count = 1;
  for (const size of shape) {
    count *= size;
    if (!Number.isSafeInteger(count) || count < 0) return NaN;
  }
  return count;
}

/**
 * The values of a floating point tensor as float32. @throws {TypeError} If the tensor holds integers or
 * booleans.
 */
export function floatValues(tensor: HostTensor): Float32Array {
  switch (tensor.dtype) {
    case "F32":
    case "F16":
    case "BF16":
      return tensor.data;
    case "F64":
      return Float32Array.from(tensor.data);
    default:
      throw new TypeError(`a tensor has type ${tensor.dtype}; it must have a floating point type`);
  }
}

/** The index of the first value that is not a finite float32 (NaN, infinite or too large), or -1. */
export function notFinite(values: ArrayLike<number | bigint>): number {
  for (let i = 0; i < values.length; i++) {
    if (!Number.isFinite(Math.fround(Number(values[i])))) return i;
  }
  return -1;
}
