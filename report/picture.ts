/** Pictures in memory. */

/** A picture of bytes. */
export interface Picture {
  /** Columns. */
  readonly width: number;
  /** Rows. */
  readonly height: number;
  /** 1 for grey, 3 for red, green and blue. */
  readonly channels: 1 | 3;
  /** Row-major, channels last: [height, width, channels]. */
  readonly data: Uint8Array;
}

/** Several pictures of one size, as a batch of samples is. */
export interface Pictures extends Omit<Picture, "data"> {
  /** [count, height, width, channels]; the count follows from the length. */
  readonly data: Uint8Array;
}

/** The number of pictures. @throws {RangeError} If the data does not make whole pictures. */
export function countPictures({ width, height, channels, data }: Pictures): number {
  const count = data.length / (width * height * channels);
  if (!Number.isInteger(count)) {
    throw new RangeError(
      `${data.length} bytes do not make pictures of ${width}x${height}x${channels}`,
    );
  }
  return count;
}
