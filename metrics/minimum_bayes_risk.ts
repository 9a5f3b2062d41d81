/** The choice of one of several candidates without a reference. */

/**
 * Minimum Bayes risk decoding (Kumar and Byrne 2004): the candidate with the largest total utility when the
 * other candidates serve as references.
 *
 * @param candidates Samples for one condition.
 * @param utility The score of a text with a reference; LD4LG uses ROUGE-2, and BLEU for translations.
 * @returns The candidate's index; of equal ones the first.
 * @throws {RangeError} If there are no candidates.
 */
export function minimumBayesRisk(
  candidates: readonly string[],
  utility: (hypothesis: string, reference: string) => number,
): number {
  if (candidates.length === 0) throw new RangeError("0 candidates; at least 1 is needed");
  const utilities = candidates.map((hypothesis, i) =>
    candidates.reduce((sum, other, j) => i === j ? sum : sum + utility(hypothesis, other), 0)
  );
  return utilities.indexOf(Math.max(...utilities));
}
