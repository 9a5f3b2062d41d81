/** Pictures in memory. */

/** A picture with 8 bits per channel. */
export interface Picture {
  /** Pixels a row. */
  readonly width: number;
  /** Rows. */
  readonly height: number;
  /** 1: grey; 3: red, green, blue. */
  readonly channels: 1 | 3;
  /** [height, width, channels] */
  readonly data: Uint8Array;
}

/** Several pictures of one size, such as a batch of samples. */
export interface Pictures extends Omit<Picture, "data"> {
  /** [count, height, width, channels] */
  readonly data: Uint8Array;
}

export function countPictures({ width, height, channels, data }: Pictures): number {
  const count = data.length / (width * height * channels);
  if (!Number.isInteger(count)) {
    throw new RangeError(
      `${data.length} bytes are no whole number of pictures of ${width}x${height}x${channels}`,
    );
  }
  return count;
}
