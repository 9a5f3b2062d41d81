import { assertEquals } from "@std/assert";
import { thoughtTargets } from "../../datasets/thoughts.ts";

const problem = { question: "?", thoughts: ["<<16-3-4=9>>", "<<9*2=18>>"], answer: "18" };

Deno.test("thoughtTargets() puts the last thought and the answer into one target", () => {
  assertEquals(thoughtTargets(problem), ["<<16-3-4=9>>", "<<9*2=18>> #### 18"]);
  assertEquals(thoughtTargets({ thoughts: [], answer: "5" }), ["#### 5"]);
});
