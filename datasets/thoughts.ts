/**
 * Problems that are solved by a chain of thoughts and an answer, as in Diffusion of Thought (Ye et al. 2024,
 * arXiv:2402.07754).
 */

/** A question, the thoughts that lead to its answer, and the answer. */
export interface ThoughtProblem {
  /** The question. */
  readonly question: string;
  /** The thoughts in order; there may be none. */
  readonly thoughts: readonly string[];
  /** The answer without its mark. */
  readonly answer: string;
}

export const ANSWER_MARK = "####";

/**
 * The targets of several passes: a thought each, the last one together with the answer, whose mark also
 * marks the end.
 */
export function thoughtTargets({ thoughts, answer }: Omit<ThoughtProblem, "question">): string[] {
  const last = `${thoughts.at(-1) ?? ""} ${ANSWER_MARK} ${answer}`.trim();
  return [...thoughts.slice(0, -1), last];
}
