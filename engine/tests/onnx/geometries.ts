/** Arbitrary geometries of convolutions and pooling, for property-based tests. */
import fc from "fast-check";
import * as tf from "../../tf.ts";

/** The geometry of one convolution, or of one pooling without output channels. */
export interface Geometry {
  /** The number of samples. With 16 and 32 the filter gradient uses the blocked layout. */
  samples: number;
  /** Height and width of the image. */
  size: [number, number];
  /** The number of channels of the image. */
  inChannels: number;
  /** The number of channels of the result. */
  outChannels: number;
  /** Height and width of the filter. */
  filter: [number, number];
  /** The vertical and horizontal strides. */
  strides: [number, number];
  /** The padding, in tfjs's format. */
  pad: "same" | "valid" | number | tf.backend_util.ExplicitPadding;
}

/** Common geometries: 1x1, 3x3 and the 4x4 of upsampling, stride 1 or 2, padded. */
const usual = fc.record({
  filter: fc.constantFrom<[number, number]>([1, 1], [3, 3], [4, 4]),
  strides: fc.constantFrom<[number, number]>([1, 1], [2, 2]),
  pad: fc.constantFrom<Geometry["pad"]>("same", 0, 1),
});

const side = fc.tuple(fc.integer({ min: 0, max: 2 }), fc.integer({ min: 0, max: 2 }));

const explicitPad = fc.tuple(side, side).map(
  ([vertical, horizontal]): Geometry["pad"] => [[0, 0], vertical, horizontal, [0, 0]],
);

/** No padding by one number for all sides: tfjs 4.22 then treats filter and strides as square. */
const rare = fc.record({
  filter: fc.tuple(fc.integer({ min: 1, max: 5 }), fc.integer({ min: 1, max: 5 })),
  strides: fc.tuple(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 3 })),
  pad: fc.oneof(fc.constantFrom<Geometry["pad"]>("same", "valid"), explicitPad),
});

/** The height and width of the result, as tfjs computes them. */
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

/** A geometry in one line, for messages. */
export function describe(geometry: Geometry): string {
  const { samples, size, inChannels, outChannels, filter, strides, pad } = geometry;
  return `${samples} of ${size.join("x")}x${inChannels} to ${outChannels}, ${filter.join("x")}, ` +
    `strides ${strides.join("x")}, pad ${pad}`;
}
