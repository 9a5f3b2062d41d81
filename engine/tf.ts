/**
 * TensorFlow.js, the modelling language and the autodiff of this project. Everything imports it from
 * here, so that its settings are made once: npm:@tensorflow/tfjs as a whole, because tfjs-core alone
 * registers no gradients under Deno; production mode, because the other prints an advertisement on
 * first use and copies every result to look for NaN.
 */
import * as tf from "@tensorflow/tfjs";

tf.env().set("PROD", true);

export * from "@tensorflow/tfjs";
