/** A figure of a result, as reports and programs show it. */
export interface KeyFigure {
  readonly name: string;
  readonly value: string;
  /** How it was measured. Figures with different protocols cannot be compared. */
  readonly protocol: string;
  /** The same figure of real data. */
  readonly real?: { readonly value: string } | undefined;
}
