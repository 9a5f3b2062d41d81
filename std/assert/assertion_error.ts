/** The error that every assertion of this package throws when it fails. */
export class AssertionError extends Error {
  /**
   * Makes the error.
   *
   * @param message What was expected and what was found.
   * @param options The error's `cause`, if any.
   */
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "AssertionError";
  }
}
