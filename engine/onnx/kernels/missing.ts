/** Kernels of tfjs's cpu device that this one does not have, and why. */

const COMPLEX = "ONNX Runtime computes with no complex numbers";
const DYNAMIC = "the shape of its result depends on the values of its inputs";
const NO_OPERATOR = "ONNX has no operator for it";
const STRINGS = "the device has no tensors of strings";

/** Why each is missing, by its tfjs name. */
export const missing: Readonly<Record<string, string>> = {
  BitwiseAnd: "ONNX has it from operator set 18, and the graphs are of 17",
  Complex: COMPLEX,
  ComplexAbs: COMPLEX,
  CropAndResize: NO_OPERATOR,
  Dilation2D: NO_OPERATOR,
  Dilation2DBackpropFilter: NO_OPERATOR,
  Dilation2DBackpropInput: NO_OPERATOR,
  Draw: "it draws on a canvas",
  FFT: COMPLEX,
  IFFT: COMPLEX,
  Imag: COMPLEX,
  Multinomial: "random numbers in a graph could not be repeated",
  NonMaxSuppressionV3: DYNAMIC,
  NonMaxSuppressionV4: DYNAMIC,
  NonMaxSuppressionV5: DYNAMIC,
  RaggedGather: DYNAMIC,
  RaggedRange: DYNAMIC,
  RaggedTensorToTensor: DYNAMIC,
  Real: COMPLEX,
  SparseFillEmptyRows: DYNAMIC,
  SparseReshape: DYNAMIC,
  SparseSegmentMean: DYNAMIC,
  SparseSegmentSum: DYNAMIC,
  StaticRegexReplace: STRINGS,
  StringNGrams: STRINGS,
  StringSplit: STRINGS,
  StringToHashBucketFast: STRINGS,
  Transform: NO_OPERATOR,
  Unique: DYNAMIC,
};
