/** The tab of reviews. */
import type { Client } from "../client.ts";
import { find, numberIn, onSubmit, say, Steps } from "../elements.ts";
import type { ReviewStep } from "./compute.ts";

/** Reviews that are sampled together. */
const COUNT = 2;

export function openTexts(panel: HTMLElement, client: Client): void {
  const list = find(panel, ".texts", HTMLElement);
  const steps = new Steps<ReviewStep>(panel, ({ texts }) => {
    list.replaceChildren(...texts.map((text) => {
      const item = document.createElement("li");
      item.textContent = text;
      return item;
    }));
  });
  onSubmit(panel, () => {
    steps.clear();
    const request = {
      rating: numberIn(panel, "rating"),
      seed: numberIn(panel, "seed"),
      steps: numberIn(panel, "steps"),
      guidance: numberIn(panel, "guidance"),
      count: COUNT,
    };
    const call = client.call("writeReviews", request, (step) => steps.add(step, step.shown));
    return {
      stop: call.stop,
      result: call.result.then(({ seconds }) =>
        say(panel, `${seconds.toFixed(1)} s for ${COUNT} reviews`)
      ),
    };
  });
}
