/** The names that a library user can import: a change of this list is a change of the library. */
import { assertEquals } from "@std/assert";
import { permitted } from "./permissions.ts";

/** The names of each entry point, types included. types.ts has whatever types these refer to. */
const NAMES: Readonly<Record<string, string>> = {
  "mod.ts": `
    AdamWOptions adamWStep attention batcher beamSearch bert BERT_BASE BertConfig bertSpecs
    bertStates BetaSchedule bitsPerDimension classifierFreeGuidance Compiled compileGpt2Decoder
    compileClassifier compileImageDenoiser compileTextCodec compileTrainStep compileValidationLoss constants
    conv2d conv2dSpecs countParameters ddim ddpm Denoiser TrainableDenoiser denoiserLoss
    describeNetwork Device DeviceOptions DiffusionBatch diffusionBatch diffusionLosses dit
    DIT_DEFAULTS DitConfig ditSpecs drawFlowTimes drawGrid drawSamples drawTimesteps
    dynamicThreshold emaDecayAt embedding embeddingSpecs encode encodePng FASHION_MNIST_CLASSES
    FashionMnist float32 flowBatch fromSchedulerConfig gatherImages gelu generateMultiplication
    gpt2 GPT2_SMALL Gpt2Config Gpt2Decoder gpt2Loss gpt2Specs groupNorm guidanceInterval holdOut
    HostArray HostParameters hybridBatch hybridLosses imageCheckpoint CompiledDenoiser ImageNetwork
    imageToImage Initializer initParameters inpaint inputCorruption int32 lastSample layerNorm
    learningRateAt linear linearSpecs loadBert loadCheckpoint loadClassifier LoadedImageModel LoadedTextVae
    loadFashionMnist loadGpt2 loadGsm8k loadHotelReviews loadImageModel loadTokenizer
    loadWinogrande loadWsc273 LoopStep LossFunction maskedLmLogits MeanWindow MetricsLog
    minSnrWeights networkSpecs NetworkWithWeights NoiseSchedule noiseSchedule normSpecs OnDevice openDevice openModelFiles
    openTextVae p2Weights Parameters ParameterSpec ParameterSpecs parseIdx posterior
    PredictionType qSample RandomStream randomStream ravel rescaleGuidance SamplerOptions
    SamplerStep SamplingOptions saveCheckpoint scalar ScheduleConfig schedulerConfig silu slerp
    loadImageFiles loadImageFolder openCheckpoint parseOwnTexts TextCodec TextTokenizer TextVaeConfig textVaeLoss textVaeSpecs timestepEmbedding
    toModelRange toPixels train trainableDenoiser trainBpe TrainingConfig TrainState TrainStep
    unet UNET_DEFAULTS UNetConfig unetConfig unetConfigFromJson unetConfigToJson unetSpecs unravel
    UserError variationalBound
  `,
  "diffusion/samplers/mod.ts": `
    ddim ddpm Denoiser dpmppMultistep dpmppSde dpmppSinglestep euler eulerAncestral
    exponentialSigmas flowEuler FlowSamplerName flowSamplerNames heun inferenceTimesteps
    isFlowSampler karrasSigmas lastSample NoiseLeft noiseLeft quadraticTimesteps
    respacedTimesteps Sampler SamplerName samplerNames samplerOf SamplerOption samplerOptions
    SamplerOptions SamplerStep stopAtSigma uniPC
  `,
  "metrics/mod.ts": `
    Accuracy accuracyByVotes accuracyOf BleuOptions BleuScore BleuSmoothing corpusBleu distinctN
    decimalNumber diversity exactMatch extractDigits extractNumber FeatureRows FeatureStatistics
    featureStatistics frechetDistance hostProducts InnerProducts kernelDistance majorityVote
    mauve MauveCurveOptions mauveOfHistograms MauveOptions memorisation minimumBayesRisk
    nearestNeighbours NeighbourOptions Neighbours pairwiseBleu PrecisionRecall precisionRecall
    PrecisionRecallOptions repetition rouge RougeScore RougeScores selfBleu SelfBleuOptions
    sentenceBleu tokenize13a TrigramModel unknownWords VoteOptions wilsonInterval
  `,
};

/** The names in the export lists of a module. */
function exportedNames(source: string): string[] {
  return [...source.matchAll(/^export (?:type )?\{([^}]*)\} from/gm)]
    .flatMap(([, list]) => list!.split(","))
    .map((name) => name.trim().replace(/^type /, ""))
    .filter((name) => name !== "")
    .sort();
}

for (const [file, names] of Object.entries(NAMES)) {
  Deno.test({
    name: `${file} exports the names that this test lists, and no others`,
    ignore: !permitted({ name: "read" }),
    fn: async () => {
      const source = await Deno.readTextFile(new URL(`../${file}`, import.meta.url));
      assertEquals(exportedNames(source), names.trim().split(/\s+/).sort());
      assertEquals(/^export \*/m.test(source), false);
    },
  });
}
