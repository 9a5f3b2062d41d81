/** A program for proxy_test.ts: requests addresses as downloads do, and prints each result. */
import { systemNetwork } from "../../../datasets/download/network.ts";

for (const address of Deno.args) {
  if (!systemNetwork.mayReach(address)) {
    console.log("no permission");
    continue;
  }
  try {
    const answer = await systemNetwork.fetch(address, { signal: AbortSignal.timeout(10_000) });
    console.log(answer.status, await answer.text());
  } catch (error) {
    console.log(error instanceof Deno.errors.NotCapable ? "not capable" : "no connection");
  }
}
