// Entities, events and states: by the batch, by the million, and one by one.
import type { Data, Query, Row, Shape } from "./calls.js";
import type { Sizes, Source } from "./cutting.js";
import { ItemsFailed, JobFailed, LoadBroken } from "./errors.js";
import { Job } from "./jobs.js";
import { Load } from "./load.js";
import type { OperationId } from "./operations.js";
import { type LoadEvent, type Progress, Report } from "./reports.js";
import type { CallOptions, Request, Transport } from "./transport.js";
import { line } from "./values.js";

type BatchId = "writeEntities" | "writeEvents" | "writeStates";

/** The options of a batch, by their names on the wire (docs/contracts/jobs.md section 1). */
export type BatchOptions<Id extends BatchId> = Query<Id> & {
  /** Members that an item should not have are errors. */
  strict?: boolean | undefined;
};

export type SendOptions<Id extends BatchId> = BatchOptions<Id> &
  CallOptions & {
    /** Seconds to wait for the end of the job; its `info` then shows how far it is. */
    wait?: number;
    /** Of a body as it is: `text/csv` or `application/x-ndjson`, which is the default. */
    contentType?: string;
    /** A key of the caller's own, so that the same batch sent by another process is the same job. */
    idempotencyKey?: string;
  };

export type StreamOptions<Id extends BatchId> = BatchOptions<Id> &
  CallOptions &
  Sizes & {
    /** So many batches are held until their jobs have ended; 8 where it is not said. Memory is bounded by them. */
    inFlight?: number;
    /** Once more items of the load have failed, it sends nothing more and cancels the batches under way. */
    maxErrors?: number;
  };

export type LoadOptions<Id extends BatchId> = StreamOptions<Id> & {
  /** Throw at the end if any item failed, or `collect` the errors in the report. */
  onError?: "throw" | "collect";
  /** Called five times a second at most, and at the end. */
  onProgress?: ((progress: Progress) => void) | undefined;
};

type Single = CallOptions & {
  /** Members that should not be there are errors. */
  strict?: boolean | undefined;
  idempotencyKey?: string | undefined;
};

const LINES = "application/x-ndjson";
const PROGRESS_MS = 200;
const MOST = 1e9;

/** The batch call of a kind. */
export class Batches<Id extends BatchId, Item extends object> {
  protected readonly transport: Transport;
  readonly #operation: Id;

  constructor(transport: Transport, operation: Id) {
    this.transport = transport;
    this.#operation = operation;
  }

  /** Send one batch, and return its job: it is stored, and runs by itself. A text or bytes are a body as it is. */
  send<Own extends Item>(items: Iterable<Own> | string | Uint8Array, options?: SendOptions<Id>): Promise<Job<Own>> {
    return sendItems(this.transport, this.#operation, items, options);
  }

  /** Load items, and yield what becomes of them as it goes. */
  stream<Own extends Item>(
    source: Source<Own>,
    options: StreamOptions<Id> = {} as StreamOptions<Id>,
  ): AsyncGenerator<LoadEvent<Own>, void, undefined> {
    const { batchItems = 10_000, batchBytes = 2 * 1024 ** 2, inFlight = 8, flushMs, maxErrors, ...batch } =
      options as StreamOptions<BatchId>;
    atLeast(1, { batchItems, batchBytes, inFlight });
    atLeast(0, { maxErrors: maxErrors ?? 0, flushMs: flushMs ?? 0 });
    const load = new Load<Own>(this.transport, {
      operation: this.#operation,
      request: { ...requestOf(batch, 0), contentType: LINES },
      batchItems,
      batchBytes,
      flushMs: flushMs ?? Infinity,
      inFlight,
      maxErrors: maxErrors ?? Infinity,
      isOrdered: batch.ordered !== false,
    });
    return load.events(source);
  }

  /**
   * Load items, wait for all of their jobs, and return the report.
   *
   * @throws ItemsFailed if items were refused; all others are stored.
   * @throws JobFailed if a job could not be carried out.
   * @throws LoadBroken if the source, the server or the signal ended the load; its `report` tells what was accepted.
   */
  async load<Own extends Item>(
    source: Source<Own>,
    { onError = "throw", onProgress, ...options }: LoadOptions<Id> = {} as LoadOptions<Id>,
  ): Promise<Report<Own>> {
    if (onError !== "throw" && onError !== "collect") throw new TypeError('onError is "throw" or "collect"');
    const report = new Report<Own>();
    const began = performance.now();
    let told = began;
    const tell = () => {
      report.seconds = (performance.now() - began) / 1_000;
      const { accepted: sent, total: processed, failed, seconds } = report;
      onProgress?.({ sent, processed, failed, seconds });
    };
    const events = this.stream(source, options as unknown as StreamOptions<Id>);
    try {
      for await (const event of events) {
        report.add(event);
        if (performance.now() - told >= PROGRESS_MS) {
          told = performance.now();
          tell();
        }
      }
    } catch (cause) {
      throw new LoadBroken(report, cause);
    } finally {
      report.stopped = report.failed > (options.maxErrors ?? Infinity);
      tell();
    }
    if (onError === "collect" || report.ok) return report;
    throw report.failed ? new ItemsFailed(report) : new JobFailed(report.unfinished[0]!, report);
  }
}

/** Send items as lines of one batch, or a body as it is, and return the job. */
export async function sendItems<Own>(
  transport: Transport,
  operation: OperationId,
  items: Iterable<Own> | string | Uint8Array,
  { wait, contentType = LINES, ...options }: Single & { wait?: number; contentType?: string } = {},
): Promise<Job<Own>> {
  const rows = typeof items === "string" || items instanceof Uint8Array ? undefined : [...(items as Iterable<Own>)];
  const request = { ...requestOf(options, wait), body: rows?.map(line).join("\n") ?? items, contentType };
  const answer = await transport.call<Data<"writeEntities">>(operation, request);
  const job = new Job<Own>(transport, answer.jobId, undefined, rows);
  job.callbackSecret = answer.callbackSecret;
  if (wait !== undefined) await job.refresh({ signal: options.signal, timeoutMs: options.timeoutMs });
  return job;
}

/** Return options as a request; those that are the client's own are taken out of the query. */
export function requestOf({ signal, timeoutMs, strict, idempotencyKey, ...query }: Single, wait?: number): Request {
  const words = [...(wait === undefined ? [] : [`wait=${wait}`]), ...(strict ? ["handling=strict"] : [])];
  const headers: Record<string, string> = words.length ? { Prefer: words.join(", ") } : {};
  return { query, headers, signal, timeoutMs, idempotencyKey };
}

/** Throw if a number is not a whole one, or is too small. */
export function atLeast(least: number, numbers: Record<string, number>): void {
  for (const [name, value] of Object.entries(numbers)) {
    if (!Number.isInteger(value) || value < least || value > MOST) {
      throw new TypeError(`${name} must be a whole number from ${least} to ${MOST}, not ${String(value)}`);
    }
  }
}

/** Entities. */
export class Entities extends Batches<"writeEntities", Shape<"Entity">> {
  /** Create or change one entity; `mode: "merge"` merges the members of `data`, and removes those that are null. */
  upsert(entity: Shape<"Entity">, options: Single & Query<"upsertEntity"> = {}): Promise<Data<"upsertEntity">> {
    return this.transport.call("upsertEntity", { ...requestOf(options), body: line(entity) });
  }

  /** Return one entity; `pii: false` leaves the fields out that the template calls personal data. */
  get(externalId: string, options: CallOptions & Query<"getEntity"> = {}): Promise<Data<"getEntity">> {
    return this.transport.call("getEntity", { ...requestOf(options), path: [externalId] });
  }

  /** Delete one entity; its events stay. */
  delete(externalId: string, options: CallOptions = {}): Promise<Data<"deleteEntity">> {
    return this.transport.call("deleteEntity", { ...options, path: [externalId] });
  }
}

/** Events of entities. */
export class Events extends Batches<"writeEvents", Shape<"EventBatch">[number]> {
  /** Append one event to an entity. */
  append(externalId: string, event: Shape<"Event">, options: Single = {}): Promise<Data<"appendEvent">> {
    return this.transport.call("appendEvent", { ...requestOf(options), path: [externalId], body: line(event) });
  }

  /** Yield the events of an entity, the newest first; `limit` is how many to read at a time. */
  list(externalId: string, options: CallOptions & Query<"listEvents"> = {}): AsyncGenerator<Row<"listEvents">> {
    const { query, ...request } = requestOf(options);
    return this.transport.pages("listEvents", { ...request, query: { limit: 500, ...query }, path: [externalId] });
  }
}

/** States of entities. */
export class States extends Batches<"writeStates", Shape<"StateBatch">[number]> {
  /** Set one state of an entity. */
  set(externalId: string, stateKey: string, value: unknown, options: Single = {}): Promise<Data<"setState">> {
    return this.transport.call("setState", { ...requestOf(options), path: [externalId, stateKey], body: line({ value }) });
  }

  /** Return one state of an entity. */
  get(externalId: string, stateKey: string, options: CallOptions = {}): Promise<Data<"getState">> {
    return this.transport.call("getState", { ...options, path: [externalId, stateKey] });
  }

  /** Return all states of an entity. */
  list(externalId: string, options: CallOptions = {}): Promise<Data<"listStates">> {
    return this.transport.call("listStates", { ...options, path: [externalId] });
  }
}
