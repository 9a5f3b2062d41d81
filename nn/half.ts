/** Conversions of the 16-bit floats in files: IEEE 754 binary16 (F16) and bfloat16 (BF16). */

/** Reads binary16 numbers. @param bits One number per word. */
export function decodeFloat16(bits: Uint16Array): Float32Array {
  return new Float32Array(new Float16Array(bits.buffer, bits.byteOffset, bits.length));
}

/** Rounds to binary16, to nearest with ties to even; 65520 and above become infinity. */
export function encodeFloat16(values: Float32Array): Uint16Array<ArrayBuffer> {
  return new Uint16Array(new Float16Array(values).buffer);
}

/** Reads bfloat16 numbers, which are the upper halves of float32 numbers. */
export function decodeBfloat16(bits: Uint16Array): Float32Array {
  const words = new Uint32Array(bits.length);
  for (let i = 0; i < bits.length; i++) words[i] = bits[i]! << 16;
  return new Float32Array(words.buffer);
}

/** Rounds to bfloat16, to nearest with ties to even; 3.3961776e38 and above become infinity. */
export function encodeBfloat16(values: Float32Array): Uint16Array<ArrayBuffer> {
  const words = new Uint32Array(values.buffer, values.byteOffset, values.length);
  const bits = new Uint16Array(values.length);
  for (let i = 0; i < words.length; i++) {
    const word = words[i]!;
    // A NaN needs a nonzero fraction: rounding could turn it into infinity or zero.
    bits[i] = Number.isNaN(values[i])
      ? (word >>> 16) | 0x40
      : (word + 0x7fff + ((word >>> 16) & 1)) >>> 16;
  }
  return bits;
}
