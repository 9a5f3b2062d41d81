/** Convolutions and poolings of every kind. */
import fc from "fast-check";
import * as tf from "../../tf.ts";

/** One convolution, or one pooling where the output's channels are not asked for. */
export interface Geometry {
  /** Samples: with 16 and 32 the blocked weight gradient is used, which divides them into blocks. */
  samples: number;
  /** Height and width of the image. */
  size: [number, number];
  /** Channels of the image. */
  inChannels: number;
  /** Channels of the result. */
  outChannels: number;
  /** Height and width of the filter. */
  filter: [number, number];
  /** Steps down and across. */
  strides: [number, number];
  /** Zeros around the image, as tfjs takes them. */
  pad: "same" | "valid" | number | tf.backend_util.ExplicitPadding;
}

/** The commonest: 1x1, 3x3 and the 4x4 of upsampling, stride 1 or 2, zeros around. */
const usual = fc.record({
  filter: fc.constantFrom<[number, number]>([1, 1], [3, 3], [4, 4]),
  strides: fc.constantFrom<[number, number]>([1, 1], [2, 2]),
  pad: fc.constantFrom<Geometry["pad"]>("same", 0, 1),
});

const side = fc.tuple(fc.integer({ min: 0, max: 2 }), fc.integer({ min: 0, max: 2 }));

const explicitPad = fc.tuple(side, side).map(
  ([vertical, horizontal]): Geometry["pad"] => [[0, 0], vertical, horizontal, [0, 0]],
);

/** A number of zeros for all sides is left out: tfjs 4.22 takes filter and strides as square there. */
const rare = fc.record({
  filter: fc.tuple(fc.integer({ min: 1, max: 5 }), fc.integer({ min: 1, max: 5 })),
  strides: fc.tuple(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 3 })),
  pad: fc.oneof(fc.constantFrom<Geometry["pad"]>("same", "valid"), explicitPad),
});

/** The size of the result, down and across, as tfjs works it out. */
export function outputSize(geometry: Geometry): [number, number] {
  const { samples, size, inChannels, outChannels, filter, strides, pad } = geometry;
  const { outHeight, outWidth } = tf.backend_util.computeConv2DInfo(
    [samples, ...size, inChannels],
    [...filter, inChannels, outChannels],
    strides,
    1,
    pad,
    "floor",
  );
  return [outHeight, outWidth];
}

/** Geometries whose results have at least one row and one column. */
export const geometries: fc.Arbitrary<Geometry> = fc.tuple(
  fc.record({
    samples: fc.constantFrom(1, 2, 3, 16, 32),
    size: fc.tuple(fc.integer({ min: 1, max: 7 }), fc.integer({ min: 1, max: 7 })),
    inChannels: fc.constantFrom(1, 3, 16, 20, 32),
    outChannels: fc.constantFrom(1, 5, 16, 24, 32),
  }),
  fc.oneof(usual, rare),
).map(([channels, window]) => ({ ...channels, ...window })).filter((geometry) => {
  const [height, width] = outputSize(geometry);
  return height > 0 && width > 0;
});

/** A geometry in one line, for the names of results. */
export function describe(geometry: Geometry): string {
  const { samples, size, inChannels, outChannels, filter, strides, pad } = geometry;
  return `${samples} of ${size.join("x")}x${inChannels} to ${outChannels}, ${filter.join("x")}, ` +
    `strides ${strides.join("x")}, pad ${pad}`;
}
