/** Tensors as they lie in files and on the host: a type, a shape and a typed array. */

/** The typed array that holds the values of each stored type. The 16-bit floats widen to float32. */
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
 * A tensor on the host, in row-major order. `dtype` says how a file stores it; `data` holds as many
 * elements as the product of `shape`. A scalar has the shape `[]`. F16 and BF16 keep their values in
 * a Float32Array (every such value is a float32), BOOL keeps 0 and 1 in a Uint8Array.
 */
export type HostTensor = {
  [D in Dtype]: {
    readonly dtype: D;
    readonly shape: readonly number[];
    readonly data: DtypeArrays[D];
  };
}[Dtype];

/** Tensors by name. The order carries no meaning. */
export type NamedTensors = ReadonlyMap<string, HostTensor>;

/**
 * Bytes that one stored element takes. The order of the keys is the order in which the safetensors
 * reference implementation lays tensors out in a file: by falling alignment.
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
 * @returns NaN where the product, or one on the way to it, is no exact integer.
 */
export function elementCount(shape: readonly number[]): number {
  let count = 1;
  for (const size of shape) {
    count *= size;
    if (!Number.isSafeInteger(count) || count < 0) return NaN;
  }
  return count;
}

/** A float32 tensor. @throws {RangeError} If the shape does not fit the number of values. */
export function float32Tensor(data: Float32Array, shape: readonly number[]): HostTensor {
  if (elementCount(shape) !== data.length) {
    throw new RangeError(`${data.length} values do not fill the shape [${shape.join(", ")}]`);
  }
  return { dtype: "F32", shape, data };
}

/**
 * The values of a tensor of real numbers as float32: the array itself where it is one already,
 * else a rounded copy. Models read their weights through it, whatever type a file stores.
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
      throw new TypeError(`a tensor of type ${tensor.dtype} stands where real numbers belong`);
  }
}

/** The index of the first value that is no finite float32: NaN, infinite or too large; -1 if none is. */
export function notFinite(values: ArrayLike<number | bigint>): number {
  for (let i = 0; i < values.length; i++) {
    if (!Number.isFinite(Math.fround(Number(values[i])))) return i;
  }
  return -1;
}
