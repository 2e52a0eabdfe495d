// A queue between two tasks: one pushes values and ends it, the other reads them as they come.

export class Channel<Value> {
  #values: Value[] = [];
  #isEnded = false;
  #error: unknown;
  #wake: () => void = () => {};

  push(value: Value): void {
    if (this.#isEnded) return;
    this.#values.push(value);
    this.#wake();
  }

  /** Have the reader end once it has read all values, by an error if one is given. Only the first end counts. */
  end(error?: unknown): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.#error = error;
    this.#wake();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Value, void, undefined> {
    for (;;) {
      const values = this.#values;
      this.#values = [];
      yield* values;
      if (this.#values.length) continue;
      if (this.#isEnded) break;
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
    if (this.#error !== undefined) throw this.#error;
  }
}
