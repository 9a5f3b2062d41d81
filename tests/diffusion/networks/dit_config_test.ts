import { assert, assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import {
  checkDitConfig,
  DIT_DEFAULTS,
  type DitConfig,
  ditConfigFromJson,
  ditConfigToJson,
  ditWidth,
  isDiffusersDit,
} from "../../../diffusion/networks/dit_config.ts";
import { ditSpecs } from "../../../diffusion/networks/dit_specs.ts";
import { UserError } from "../../../base/errors.ts";
import { countParameters } from "../../../nn/parameters.ts";

Deno.test("ditConfigFromJson() inverts ditConfigToJson()", () => {
  const text: DitConfig = {
    ...DIT_DEFAULTS,
    patchSize: null,
    contextDim: 768,
    contextMode: "cross_attention",
    contextLength: 128,
    pooledDim: 768,
    nullCondition: true,
    selfConditioning: true,
    numEmbedsAdaNorm: null,
  };
  const image: DitConfig = { ...DIT_DEFAULTS, sharedEmbedding: false };
  for (const config of [text, image, DIT_DEFAULTS]) {
    assertEquals(ditConfigFromJson(ditConfigToJson(config), "config.json"), config);
  }
  assertEquals(ditConfigToJson(text)["_class_name"], "DiT");
  assertEquals(ditConfigToJson(image)["_class_name"], "DiTTransformer2DModel");
});

Deno.test("isDiffusersDit() is true only when there are patches, classes and separate embeddings", () => {
  const config: DitConfig = { ...DIT_DEFAULTS, sharedEmbedding: false };
  assert(isDiffusersDit(config));
  assert(!isDiffusersDit(DIT_DEFAULTS));
  assert(!isDiffusersDit({ ...config, patchSize: null }));
  assert(!isDiffusersDit({ ...config, numEmbedsAdaNorm: null }));
  assert(!isDiffusersDit({ ...config, contextDim: 8 }));
});

Deno.test("ditSpecs() has as many parameters as the paper's DiT-XL/2", () => {
  // 675 million with a learned variance (Peebles and Xie 2023, table 1).
  const count = countParameters(ditSpecs({ ...DIT_DEFAULTS, outChannels: 8 }));
  assertAlmostEquals(count / 1e6, 675, 0.5);
  assertEquals(ditWidth(DIT_DEFAULTS), 1152);
});

Deno.test("checkDitConfig() names the setting when it is wrong", () => {
  const refused = (change: Partial<DitConfig>, message: string) =>
    assertThrows(() => checkDitConfig({ ...DIT_DEFAULTS, ...change }), UserError, message);
  refused({ sampleSize: 29 }, "29 pixels do not divide into patches of 2");
  refused({ numLayers: 0 }, "numLayers is 0");
  refused({ numLayers: 1001 }, "a whole number from 1 to 1000");
  refused({ sampleSize: 2 ** 26 }, "sampleSize is 67108864");
  refused({ attentionBias: "no" as unknown as boolean }, 'attentionBias is "no"');
  refused({ numAttentionHeads: {} as number }, "numAttentionHeads is {}");
  refused({ inChannels: NaN }, "inChannels is NaN");
  refused({ pooledDim: 1.5 }, "or null");
  refused({ attentionHeadDim: 3, numAttentionHeads: 2 }, "multiple of 4");
  refused({ normEps: 0 }, "normEps is 0");
  refused({ contextMode: "prefix" as DitConfig["contextMode"] }, '"prefix" is not one of');
  refused({ contextLength: 4 }, "without contextDim");
  refused({ nullCondition: true }, "needs a condition");
});

Deno.test("ditConfigFromJson() throws when the class or a setting is not supported", () => {
  const json = ditConfigToJson(DIT_DEFAULTS);
  assertThrows(
    () => ditConfigFromJson({ ...json, _class_name: "UNet2DModel" }, "config.json"),
    UserError,
    'describes a "UNet2DModel"',
  );
  assertThrows(
    () => ditConfigFromJson({ ...json, activation_fn: "geglu" }, "config.json"),
    UserError,
    'activation_fn is "geglu"',
  );
});
