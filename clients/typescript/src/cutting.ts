// Items of any source, cut into batches by count, bytes and age.
import { UnsupportedValue } from "./errors.js";
import { line } from "./values.js";

/** Items in any number, read once. */
export type Source<Item> = Iterable<Item> | AsyncIterable<Item>;

export interface Sizes {
  /** A batch has at most so many items; 10,000 where it is not said. */
  batchItems?: number | undefined;
  /** It is cut before it has more bytes, unless one item alone has; 2 MiB where it is not said. */
  batchBytes?: number | undefined;
  /** It is sent once its first item is so old, for sources that never end; only full where it is not said. */
  flushMs?: number | undefined;
}

const buffer = (globalThis as { Buffer?: { byteLength(text: string): number } }).Buffer; // of Node.js, Deno and Bun
const bytesOf = (text: string): number => buffer?.byteLength(text) ?? new TextEncoder().encode(text).length;

/** Items that go as one job: the caller's own objects, and each as a line. */
export class Batch<Item> {
  readonly rows: Item[] = [];
  readonly #lines: string[] = [];
  /** Of its body, in UTF-8. */
  bytes = 0;
  /** The moment at which it is old enough, of performance.now(). */
  agedAt = Infinity;

  /** @param first the index of the first item in the load. */
  constructor(readonly first: number) {}

  /** True if it has items, and no place for one more of so many bytes. */
  isFull(bytes: number, { batchItems, batchBytes }: Required<Sizes>): boolean {
    const { length } = this.rows;
    const isOld = this.agedAt < Infinity && performance.now() >= this.agedAt;
    return length > 0 && (length >= batchItems || this.bytes + bytes >= batchBytes || isOld);
  }

  add(row: Item, text: string, bytes: number, flushMs: number): void {
    if (!this.rows.length) this.agedAt = performance.now() + flushMs;
    this.rows.push(row);
    this.#lines.push(text);
    this.bytes += bytes + 1;
  }

  body(): string {
    return this.#lines.join("\n");
  }

  /** Return the batch that comes after this one. */
  following(): Batch<Item> {
    return new Batch(this.first + this.rows.length);
  }

  halves(): [Batch<Item>, Batch<Item>] {
    const middle = this.rows.length >> 1;
    const halves: [Batch<Item>, Batch<Item>] = [new Batch(this.first), new Batch(this.first + middle)];
    this.rows.forEach((row, place) => {
      const text = this.#lines[place]!;
      halves[place < middle ? 0 : 1].add(row, text, bytesOf(text), Infinity);
    });
    return halves;
  }
}

/**
 * Yield the items of a source in batches, and close the source if it is not read to its end.
 *
 * @param sizes looked at for each item, since they may shrink.
 * @param signal closes the source too, even while it has no item.
 * @throws UnsupportedValue if an item cannot be sent; the batches before have been yielded.
 */
export async function* batchesOf<Item>(
  source: Source<Item>,
  sizes: Required<Sizes>,
  signal: AbortSignal,
): AsyncGenerator<Batch<Item>, void, undefined> {
  const iterator = iteratorOf(source);
  const close = () => void Promise.resolve(iterator.return?.()).catch(() => {}); // its error would hide why it is closed
  signal.addEventListener("abort", close);
  let batch = new Batch<Item>(0);
  let isOver = false;
  try {
    while (!signal.aborted) {
      const coming = iterator.next();
      let result = await (batch.agedAt === Infinity ? coming : within(coming, batch.agedAt - performance.now()));
      if (!result) {
        yield batch;
        batch = batch.following();
        result = await coming;
      }
      if (result.done) {
        isOver = true;
        break;
      }
      const text = lineOf(result.value, batch.first + batch.rows.length);
      const bytes = bytesOf(text);
      if (batch.isFull(bytes, sizes)) {
        yield batch;
        batch = batch.following();
      }
      batch.add(result.value, text, bytes, sizes.flushMs);
    }
    if (isOver && batch.rows.length) yield batch;
  } finally {
    signal.removeEventListener("abort", close);
    if (!isOver) close();
  }
}

function iteratorOf<Item>(source: Source<Item>): Iterator<Item> | AsyncIterator<Item> {
  const { [Symbol.asyncIterator]: asynchronous, [Symbol.iterator]: make = asynchronous } = Object(source);
  if (typeof source === "string" || !make) throw new TypeError("A load takes an iterable of items, such as a generator");
  return (asynchronous ?? make).call(source);
}

function lineOf(item: unknown, index: number): string {
  try {
    return line(item);
  } catch (cause) {
    if (cause instanceof UnsupportedValue) throw new UnsupportedValue(`Item ${index}: ${cause.message}`);
    throw cause;
  }
}

/** Return what a promise brings, or undefined if it takes longer. */
function within<Value>(promise: Value | PromiseLike<Value>, ms: number): Promise<Value | undefined> {
  let timer: ReturnType<typeof setTimeout>;
  const over = new Promise<undefined>((resolve) => (timer = setTimeout(resolve, ms)));
  return Promise.race([promise, over]).finally(() => clearTimeout(timer));
}
