/** Which class labels a network takes. */
import { type ImageNetworkConfig, isDit } from "../diffusion/networks/image_network.ts";

export function hasClasses(config: ImageNetworkConfig): boolean {
  return (isDit(config) ? config.numEmbedsAdaNorm : config.numClassEmbeds) !== null;
}

/** The label that stands for no class, if the network was trained with one. @param classes Without it. */
export function nullClassOf(config: ImageNetworkConfig, classes: number): number | undefined {
  if (isDit(config)) return config.numEmbedsAdaNorm === classes ? classes : undefined;
  const { numClassEmbeds } = config;
  return numClassEmbeds !== null && numClassEmbeds > classes ? classes : undefined;
}
