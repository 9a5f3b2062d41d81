/**
 * The tokenizers of npm:@huggingface/transformers, which since its version 4 are a package of their
 * own. Importing them from there, under the version that transformers itself depends on, needs no
 * permission and takes milliseconds; transformers' entry point would load onnxruntime and sharp, two
 * native libraries (--allow-ffi, --allow-env, --allow-sys) that no tokenizer uses.
 */
export { Tokenizer as LibraryTokenizer } from "@huggingface/tokenizers";
