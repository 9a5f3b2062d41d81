/** Tensors in files and on the host: a type, a shape and a typed array. */

/** The typed array for the values of each stored type. 16-bit floats are widened to float32. */
export interface DtypeArrays {
  /** 64-bit floats. */
  F64: Float64Array;
  /** 32-bit floats. */
  F32: Float32Array;
  /** IEEE 754 binary16 floats, widened. */
  F16: Float32Array;
  /** bfloat16 floats, widened. */
  BF16: Float32Array;
  /** 64-bit signed integers. */
  I64: BigInt64Array;
  /** 32-bit signed integers. */
  I32: Int32Array;
  /** 16-bit signed integers. */
  I16: Int16Array;
  /** 8-bit signed integers. */
  I8: Int8Array;
  /** 64-bit unsigned integers. */
  U64: BigUint64Array;
  /** 32-bit unsigned integers. */
  U32: Uint32Array;
  /** 16-bit unsigned integers. */
  U16: Uint16Array;
  /** 8-bit unsigned integers. */
  U8: Uint8Array;
  /** 0 for false and 1 for true. */
  BOOL: Uint8Array;
}

/** The name of a stored type, as safetensors files spell it. */
export type Dtype = keyof DtypeArrays;

/**
 * A tensor on the host, in row-major order. `dtype` is the type in the file; the length of `data` is the
 * product of `shape`. A scalar has the shape `[]`. F16 and BF16 values are in a Float32Array, without
 * loss; BOOL values are 0 and 1 in a Uint8Array.
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
 * The bytes of one stored element. The keys are in the order of tensors in a file of the safetensors
 * reference implementation: by falling alignment.
 */
export const DTYPE_BYTES: Readonly<Record<Dtype, number>> = {
  U64: 8,
  I64: 8,
  F64: 8,
  F32: 4,
  U32: 4,
  I32: 4,
  BF16: 2,
  F16: 2,
  U16: 2,
  I16: 2,
  I8: 1,
  U8: 1,
  BOOL: 1,
};

/** The class of the typed array behind each stored type. */
export const DTYPE_CLASSES: Readonly<{ [D in Dtype]: { new (length: number): DtypeArrays[D] } }> = {
  F64: Float64Array,
  F32: Float32Array,
  F16: Float32Array,
  BF16: Float32Array,
  I64: BigInt64Array,
  I32: Int32Array,
  I16: Int16Array,
  I8: Int8Array,
  U64: BigUint64Array,
  U32: Uint32Array,
  U16: Uint16Array,
  U8: Uint8Array,
  BOOL: Uint8Array,
};

/**
 * The number of elements of a shape: the product of its sizes, 1 for a scalar.
 *
 * @returns NaN if the product or an intermediate one is not an exact integer.
 */
export function elementCount(shape: readonly number[]): number {
  let count = 1;
  for (const size of shape) {
    count *= size;
    if (!Number.isSafeInteger(count) || count < 0) return NaN;
  }
  return count;
}

/**
 * The values of a floating point tensor as float32: the array itself if it is float32, otherwise a rounded
 * copy.
 *
 * @throws {TypeError} If the tensor holds integers or booleans.
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
