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

const NEWLINE = 10;
const encoder = new TextEncoder();

/** Items that go as one job: the caller's own objects, and the body with a line of each. */
export class Batch<Item> {
  /** The length of its body, in UTF-8, with a newline behind each line. */
  bytes: number;
  /** The moment at which it is old enough, of performance.now(). */
  agedAt = Infinity;
  #body: Uint8Array<ArrayBuffer>;

  /**
   * @param first the index of the first item in the load.
   * @param body the lines of the rows; room for lines if there are no rows.
   */
  constructor(
    readonly first: number,
    readonly rows: Item[] = [],
    body = new Uint8Array(),
  ) {
    this.#body = body;
    this.bytes = rows.length && body.length;
  }

  /**
   * Add an item with its line; return false if it has no place here, because the batch is full or old.
   *
   * The line is encoded at once, because the garbage collector would move texts that live as long as their batch.
   */
  add(row: Item, text: string, { batchItems, batchBytes, flushMs }: Required<Sizes>): boolean {
    const { bytes, rows } = this;
    const needed = bytes + 3 * text.length + 1; // at most: a unit of UTF-16 takes three bytes of UTF-8
    if (needed > this.#body.length) {
      const body = this.body();
      this.#body = new Uint8Array(needed + this.#body.length);
      this.#body.set(body);
    }
    const end = bytes + encoder.encodeInto(text, this.#body.subarray(bytes)).written;
    if (rows.length) {
      const isOld = flushMs < Infinity && performance.now() >= this.agedAt;
      if (isOld || rows.length >= batchItems || end >= batchBytes) return false;
    } else this.agedAt = performance.now() + flushMs;
    rows.push(row);
    this.#body[end] = NEWLINE;
    this.bytes = end + 1;
    return true;
  }

  body(): Uint8Array<ArrayBuffer> {
    return this.#body.subarray(0, this.bytes);
  }

  /** Return the batch that comes after this one, with room for somewhat more bytes. */
  following(): Batch<Item> {
    return new Batch(this.first + this.rows.length, [], new Uint8Array(this.bytes + 1e5));
  }

  halves(): [Batch<Item>, Batch<Item>] {
    const body = this.body();
    const rows = this.rows.slice();
    const before = rows.splice(0, rows.length >> 1);
    const cut = before.reduce((end) => body.indexOf(NEWLINE, end) + 1, 0);
    return [
      new Batch(this.first, before, body.subarray(0, cut)),
      new Batch(this.first + before.length, rows, body.subarray(cut)),
    ];
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
        if (batch.rows.length) yield batch;
        break;
      }
      const text = lineOf(result.value, batch.first + batch.rows.length);
      while (!batch.add(result.value, text, sizes)) {
        yield batch;
        batch = batch.following();
      }
    }
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
