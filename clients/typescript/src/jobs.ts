// Jobs: watch one, read what became of its items, and steer it.
import type { Query, Shape } from "./calls.js";
import { JobFailed, TransportError, WaitTimeout } from "./errors.js";
import type { OperationId } from "./operations.js";
import { type Answer, type CallOptions, type Request, sleep, type Transport } from "./transport.js";
import { line } from "./values.js";

/** A job as the server shows it; its errors are not in lists and streams of progress. */
export type JobInfo = Shape<"JobRow"> & Partial<Shape<"Job">>;

/** An error of an item, with the caller's own object where the client still has it. */
export type ItemError<Item = unknown> = Omit<Shape<"ItemError">, "item"> & { item: Item; jobId: string };

/** The items to send again: by what became of them, or by their indexes. */
export type Select = "failed" | "retryable" | "unprocessed" | readonly number[];

export interface WaitOptions extends CallOptions {
  /** Called with the job whenever it has moved. */
  onProgress?: ((job: JobInfo) => void) | undefined;
  /** False throws nothing if the job could not be carried out. */
  check?: boolean | undefined;
}

export interface ErrorsOptions extends CallOptions {
  /** Only errors of this code. */
  code?: Shape<"ItemError">["code"];
  /** Only errors of items from this index on. */
  from?: number;
  /** Each with its item as it was sent, where the client no longer has it. */
  items?: boolean;
}

const HELD_SECONDS = 30; // a poll may be held back by the server for so long: docs/contracts/jobs.md section 3
const FIRST_PAUSE_MS = 50;
const LONGEST_PAUSE_MS = 1_000;
const PAUSE_GROWTH = 1.6;
const ENDED = /completed|failed|cancelled/;
/** A job of the server's. */
export class Job<Item = unknown> {
  readonly id: string;
  /** The job as it was last seen. */
  info: JobInfo | undefined;
  /** Of the callback that its batch asked for. */
  callbackSecret: string | undefined;
  readonly #transport: Transport;
  readonly #rows: readonly Item[] | undefined;

  constructor(transport: Transport, id: string, info?: JobInfo, rows?: readonly Item[]) {
    this.#transport = transport;
    this.id = id;
    this.info = info;
    this.#rows = rows;
  }

  /** Look at the job, and return what it shows. */
  refresh(options: CallOptions = {}): Promise<JobInfo> {
    return this.#steered("getJob", options);
  }

  /**
   * Wait for the end of the job, and return what it shows then. `timeoutMs` is of the whole wait, and unlimited where it is
   * not said.
   *
   * @throws WaitTimeout when the time is up; the job goes on.
   * @throws JobFailed if it ended as failed or cancelled.
   */
  async wait({ timeoutMs = Infinity, signal, onProgress, check = true }: WaitOptions = {}): Promise<JobInfo> {
    const end = performance.now() + timeoutMs;
    let tag: string | null = null;
    for (let pause = FIRST_PAUSE_MS; ; pause = Math.min(pause * PAUSE_GROWTH, LONGEST_PAUSE_MS)) {
      const left = end - performance.now();
      if (left <= 0) throw new WaitTimeout(this.id, this.info, timeoutMs);
      const answer = await this.#poll(tag, left, signal);
      if (!answer) continue;
      tag = answer.headers.get("ETag") ?? tag;
      if (answer.status !== 304) {
        this.info = this.#transport.decoded("getJob", answer) as JobInfo;
        onProgress?.(this.info);
      }
      if (this.info && ENDED.test(this.info.status)) break;
      await sleep(Math.min(pause, Math.max(0, end - performance.now())), signal);
    }
    if (check && this.info.status !== "completed") throw new JobFailed(this.info);
    return this.info;
  }

  /** Return the job once it is not as its tag says, or 304 after a while; undefined if the time is up. */
  async #poll(tag: string | null, left: number, signal?: AbortSignal): Promise<Answer | undefined> {
    const held = Math.floor(Math.min(HELD_SECONDS, left / 1_000));
    const headers: Record<string, string> = tag ? { "If-None-Match": tag, Prefer: `wait=${held}` } : {};
    const over = performance.now() + left;
    const timeoutMs = left === Infinity ? undefined : left;
    try {
      return await this.#transport.send("getJob", { path: [this.id], headers, signal, timeoutMs });
    } catch (error) {
      if (error instanceof TransportError && performance.now() >= over) return undefined;
      throw error;
    }
  }

  /** Yield the errors of the job's items, in the order of their indexes. */
  async *errors({ signal, timeoutMs, items, ...query }: ErrorsOptions = {}): AsyncGenerator<ItemError<Item>> {
    const rows = this.#rows;
    const wanted = { limit: 1_000, ...query, items: (items && !rows) || undefined };
    const request = { path: [this.id], query: wanted, signal, timeoutMs };
    for await (const error of this.#transport.pages<Shape<"ItemError">>("listJobErrors", request)) {
      yield { ...error, item: (rows ? rows[error.index] : error.item) as Item, jobId: this.id };
    }
  }

  /** End the job; what it has done stands. */
  cancel(options: CallOptions = {}): Promise<JobInfo> {
    return this.#steered("cancelJob", options);
  }

  /** Have no further block of the job begun until it is resumed. */
  pause(options: CallOptions = {}): Promise<JobInfo> {
    return this.#steered("pauseJob", options);
  }

  /** Let a paused job go on, in its former place. */
  resume(options: CallOptions = {}): Promise<JobInfo> {
    return this.#steered("resumeJob", options);
  }

  /**
   * Send items of the job again, and return their job.
   *
   * @param patch by index, a merge patch (RFC 7396) of the item, as in `{17: {data: {email: "a@example.com"}}}`.
   */
  retry(
    select: Select = "failed",
    { patch = {}, ...options }: CallOptions & { patch?: Readonly<Record<number, unknown>> } = {},
  ): Promise<Job<Item>> {
    return this.#child("retryJob", { ...options, body: line({ select, patch }) });
  }

  /** Write what a job of `validateOnly` has checked, and return the job that does. */
  commit(options: CallOptions = {}): Promise<Job<Item>> {
    return this.#child("commitJob", options);
  }

  async #steered(operation: OperationId, request: Request): Promise<JobInfo> {
    return (this.info = await this.#transport.call<JobInfo>(operation, { ...request, path: [this.id] }));
  }

  async #child(operation: OperationId, request: Request): Promise<Job<Item>> {
    const info = await this.#transport.call<JobInfo>(operation, { ...request, path: [this.id] });
    return new Job(this.#transport, info.id, info, this.#rows);
  }
}

/** The tenant's jobs. */
export class Jobs {
  readonly #transport: Transport;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  /** Return a job as it stands. */
  async get(id: string, options: CallOptions = {}): Promise<Job> {
    const job = new Job(this.#transport, id);
    await job.refresh(options);
    return job;
  }

  /** Yield jobs, the newest first; `limit` is how many to read at a time, not how many there are. */
  async *list({ signal, timeoutMs, ...query }: CallOptions & Query<"listJobs"> = {}): AsyncGenerator<Job> {
    const request = { query: { limit: 200, ...query }, signal, timeoutMs };
    for await (const info of this.#transport.pages<JobInfo>("listJobs", request)) yield new Job(this.#transport, info.id, info);
  }
}
