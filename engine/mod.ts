/**
 * Trains and runs functions of TensorFlow.js tensors on ONNX Runtime, and on tfjs's own backends. TensorFlow.js
 * itself is the entry point `./tf`.
 */
export * from "./device.ts";
export { shareBuffer, updatesInPlace } from "./memory.ts";
export { type OnnxBackendOptions, registerOnnxBackend } from "./onnx/register.ts";
export type { Scalar, Tensor, Tensor1D, Tensor2D, Tensor3D, Tensor4D } from "./tf.ts";
export * from "./tree.ts";
