// Load any number of items: cut into batches, each a job, whose outcomes are paired with the caller's own objects.
//
// Three tasks work at once. One reads the source and sends its batches, one after the other, because jobs of a tenant take
// effect in the order in which they are accepted. One waits for the jobs, the oldest first. The third is the caller, who takes
// the events. At most `inFlight` batches are held between them: a slow server or caller slows the source.
import type { Data } from "./calls.js";
import { Channel } from "./channel.js";
import { type Batch, batchesOf, type Sizes, type Source } from "./cutting.js";
import { Conflict, TooLarge } from "./errors.js";
import { Job } from "./jobs.js";
import type { OperationId } from "./operations.js";
import type { LoadEvent } from "./reports.js";
import type { Request, Transport } from "./transport.js";

/** A load, as its caller has described it. */
export interface Plan extends Required<Sizes> {
  operation: OperationId;
  /** Of each batch, without its body. */
  request: Request;
  inFlight: number;
  maxErrors: number;
  isOrdered: boolean;
}

interface Sent<Item> {
  job: Job<Item>;
  first: number;
}

// Stands behind the last event of a batch: once the caller takes it, there is place for another batch.
const TAKEN = null;

export class Load<Item> {
  readonly #transport: Transport;
  readonly #plan: Plan;
  readonly #events = new Channel<LoadEvent<Item> | typeof TAKEN>();
  readonly #batches = new Channel<{ accepted: Promise<Sent<Item>[]> }>();
  readonly #ending = new AbortController();
  readonly #underWay = new Set<Job<Item>>();
  #held = 0;
  #failed = 0;
  #isStopped = false;
  #free: () => void = () => {};

  constructor(transport: Transport, plan: Plan) {
    this.#transport = transport;
    this.#plan = plan;
  }

  /** Yield what becomes of the items of a source, which is read once. */
  async *events(source: Source<Item>): AsyncGenerator<LoadEvent<Item>, void, undefined> {
    const { signal } = this.#plan.request;
    const abort = () => this.#end(signal?.reason);
    signal?.addEventListener("abort", abort);
    if (signal?.aborted) abort();
    try {
      void this.#read(source);
      void this.#watch();
      for await (const event of this.#events) {
        if (event) yield event;
        else {
          this.#held -= 1;
          this.#free();
        }
      }
    } finally {
      signal?.removeEventListener("abort", abort);
      this.#end();
    }
  }

  /** End the events, the reader, the watcher and their calls. */
  #end(reason?: unknown): void {
    this.#events.end(reason);
    this.#ending.abort(reason);
    this.#free();
  }

  /** Read the source, and send its batches. An error of the source is told once the batches before have ended. */
  async #read(source: Source<Item>): Promise<void> {
    const { signal } = this.#ending;
    let last: Promise<unknown> = Promise.resolve();
    let isBroken = false;
    try {
      for await (const batch of batchesOf(source, this.#plan, signal)) {
        while (this.#held >= this.#plan.inFlight && !signal.aborted) {
          await new Promise<void>((resolve) => (this.#free = resolve));
        }
        if (isBroken || this.#isStopped || signal.aborted) break;
        this.#held += 1;
        const accepted = this.#plan.isOrdered ? last.then(() => this.#accept(batch)) : this.#accept(batch);
        accepted.catch(() => (isBroken = true)); // the watcher throws it, in its turn
        this.#batches.push({ accepted });
        last = accepted;
      }
      this.#batches.end();
    } catch (error) {
      this.#batches.end(error);
    }
  }

  /** Send a batch; in halves, and smaller ones from then on, where something on the way finds it too large. */
  async #accept(batch: Batch<Item>): Promise<Sent<Item>[]> {
    const { operation, request } = this.#plan;
    let answer: Data<"writeEntities"> | undefined;
    const isOne = batch.rows.length === 1;
    if (isOne || batch.bytes <= this.#plan.batchBytes) {
      try {
        answer = await this.#transport.call(operation, {
          ...request,
          body: batch.body(),
          // One of its own: Node.js warns where more than ten calls listen to one signal.
          signal: AbortSignal.any([this.#ending.signal]),
        });
      } catch (error) {
        if (isOne || !(error instanceof TooLarge)) throw error;
        this.#plan.batchBytes = batch.bytes >> 1;
      }
    }
    if (!answer) {
      const [first, second] = batch.halves();
      return [...(await this.#accept(first)), ...(await this.#accept(second))];
    }
    const job = new Job(this.#transport, answer.jobId, undefined, batch.rows);
    this.#underWay.add(job);
    this.#events.push({ type: "Accepted", jobId: job.id, first: batch.first, items: batch.rows.length });
    if (this.#isStopped) await this.#cancel(job);
    return [{ job, first: batch.first }];
  }

  /** Wait for the jobs, the oldest first, and tell what became of their items. */
  async #watch(): Promise<void> {
    try {
      for await (const { accepted } of this.#batches) {
        for (const sent of await accepted) await this.#settle(sent);
        this.#events.push(TAKEN);
      }
      this.#events.end();
    } catch (error) {
      this.#events.end(error);
    }
  }

  async #settle({ job, first }: Sent<Item>): Promise<void> {
    const { signal } = this.#ending;
    const info = await job.wait({ check: false, signal });
    this.#underWay.delete(job);
    if (info.effects.failed) {
      for await (const error of job.errors({ signal })) {
        // The line is that of the batch's body, of which the caller knows nothing.
        this.#events.push({ type: "ItemFailed", error: { ...error, index: first + error.index, line: null } });
      }
    }
    this.#events.push({ type: "JobEnded", job: info });
    this.#failed += info.effects.failed;
    if (this.#failed > this.#plan.maxErrors && !this.#isStopped) {
      this.#isStopped = true;
      this.#batches.end();
      await Promise.all([...this.#underWay].map((other) => this.#cancel(other)));
    }
  }

  async #cancel(job: Job<Item>): Promise<void> {
    try {
      await job.cancel({ signal: this.#ending.signal });
    } catch (error) {
      if (!(error instanceof Conflict)) throw error; // it has ended
    }
  }
}
