/** A choice among candidates without knowing the reference. */

/**
 * Minimum Bayes risk decoding (Kumar and Byrne 2004): the candidate that is most like the others, which
 * stand for what else might have been right.
 *
 * @param candidates Samples for one condition.
 * @param utility How good the first text would be if the second were right; LD4LG takes ROUGE-2, and
 * BLEU for translations.
 * @returns The candidate's index; of equals the first.
 * @throws {RangeError} Where there are none.
 */
export function minimumBayesRisk(
  candidates: readonly string[],
  utility: (hypothesis: string, reference: string) => number,
): number {
  if (candidates.length === 0) throw new RangeError("0 candidates: at least 1");
  const utilities = candidates.map((hypothesis, i) =>
    candidates.reduce((sum, other, j) => i === j ? sum : sum + utility(hypothesis, other), 0)
  );
  return utilities.indexOf(Math.max(...utilities));
}
