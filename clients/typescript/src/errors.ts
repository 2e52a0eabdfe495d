// Errors of the client, in one tree; each says what to do.
//
// SluiceError              everything that this package throws on purpose, but for a TypeError of a wrong argument
//   ApiError               the server refused: status, code, requestId, retryAfter, detail
//     Unauthorized         401: the key
//     Forbidden            403: what the key may do
//     NotFound             404, 410: there is no such thing, or no more
//     Invalid              400, 415, 422: the request
//     TooLarge             413: its size
//     Conflict             409: the state of what it is about
//     RateLimited          429, once no pause that the client allows was enough
//     Unavailable          5xx, likewise
//   TransportError         no answer came: connection, TLS, time
//   UnexpectedAnswer       the answer is not Sluice's: a redirect, or no JSON
//   UnsupportedValue       an item holds a value that JSON has not, such as NaN
//   WaitTimeout            the job goes on; only the wait is over
//   JobFailed              a job ended as failed or cancelled
//   ItemsFailed            a load ended, and some of its items were refused
//   LoadBroken             a load ended before its source did; `cause` says why
import type { JobInfo } from "./jobs.js";
import type { Report } from "./reports.js";

/** All that `ApiError.code` may be; a newer server may have more, and another program's answer has none. */
export type AnswerCode =
  | "DIGEST_MISMATCH"
  | "FORBIDDEN"
  | "GONE"
  | "IDEMPOTENCY_IN_PROGRESS"
  | "IDEMPOTENCY_KEY_REUSED"
  | "INSUFFICIENT_STORAGE"
  | "INTERNAL_ERROR"
  | "INVALID_INPUT"
  | "ITEM_TOO_LARGE"
  | "LAST_KEY"
  | "LIMIT_REACHED"
  | "MASTER_KEY_MISSING"
  | "METHOD_NOT_ALLOWED"
  | "NOT_FOUND"
  | "NOT_IMPLEMENTED"
  | "PARTS_MISSING"
  | "PAYLOAD_TOO_LARGE"
  | "RATE_LIMITED"
  | "RESULTS_NOT_KEPT"
  | "SECRET_UNREADABLE"
  | "TEMPLATE_NOT_CONFIGURED"
  | "TOO_LARGE"
  | "UNAUTHORIZED"
  | "UNAVAILABLE"
  | "UNKNOWN_FIELD"
  | "UNSUPPORTED_MEDIA_TYPE"
  | "VALIDATION_FAILED"
  | "WRITE_FAILED"
  | "WRONG_STATE";

/** The root of the tree. */
export class SluiceError extends Error {
  override get name(): string {
    return this.constructor.name;
  }
}

/** The facts of a refusal. */
export interface Refusal {
  status: number;
  /** Fixed, as docs/reference/errors.md lists them; empty where the answer is not Sluice's own. */
  code: AnswerCode | (string & {});
  message: string;
  /** The name under which the server's log has the request. */
  requestId?: string | undefined;
  /** Seconds after which the server would rather see the request again. */
  retryAfter?: number | undefined;
  /** The whole body of the refusal. */
  detail?: unknown;
}

/** The server refused a request. */
export class ApiError extends SluiceError {
  declare readonly status: number;
  declare readonly code: Refusal["code"];
  declare readonly requestId?: string;
  declare readonly retryAfter?: number;
  declare readonly detail: unknown;

  constructor({ message, ...facts }: Refusal) {
    super(`${facts.status} ${facts.code || "error"}: ${message}${facts.requestId ? ` (request ${facts.requestId})` : ""}`);
    Object.assign(this, facts);
  }
}

/** The key is missing, unknown, revoked or expired. */
export class Unauthorized extends ApiError {}
/** The key may not do this. */
export class Forbidden extends ApiError {}
/** There is no such thing for this key, or retention has deleted it (`GONE`). */
export class NotFound extends ApiError {}
/** The request is not what the call takes. */
export class Invalid extends ApiError {}
/** The request is over a limit of bytes. */
export class TooLarge extends ApiError {}
/** The job, upload, key or webhook is in a state in which this cannot be done. */
export class Conflict extends ApiError {}
/** The tenant's limit is used up; `retryAfter` says for how long. */
export class RateLimited extends ApiError {}
/** The server cannot answer now. A write with an idempotency key may be sent again. */
export class Unavailable extends ApiError {}

const CLASSES: Record<number, typeof ApiError> = {
  401: Unauthorized,
  403: Forbidden,
  404: NotFound,
  409: Conflict,
  410: NotFound,
  413: TooLarge,
  429: RateLimited,
};

/** Return the error of a refusal. */
export function refusalOf(refusal: Refusal): ApiError {
  return new (CLASSES[refusal.status] ?? (refusal.status >= 500 ? Unavailable : Invalid))(refusal);
}

/** No answer came. A write with an idempotency key may be sent again. */
export class TransportError extends SluiceError {
  /** No connection came about, so the server knows nothing of the request. */
  readonly neverSent: boolean;

  constructor(message: string, { neverSent = false, ...options }: ErrorOptions & { neverSent?: boolean } = {}) {
    super(message, options);
    this.neverSent = neverSent;
  }
}

/** The answer is not Sluice's: a redirect, or no JSON. */
export class UnexpectedAnswer extends SluiceError {}

/** An item cannot be sent as it is; the message names the way to the value. */
export class UnsupportedValue extends SluiceError {}

/** The wait is over before the job is; the job goes on. */
export class WaitTimeout extends SluiceError {
  /** The job as it was last seen. */
  readonly job: JobInfo | undefined;

  constructor(id: string, job: JobInfo | undefined, timeoutMs: number) {
    const seen = job ? `${job.status} at ${job.progress} %` : "not known";
    super(`${id} is ${seen} after ${timeoutMs} ms. The job goes on: wait again, or read it later by its id`);
    this.job = job;
  }
}

/** A job ended without an outcome for each item; what it has done stands. */
export class JobFailed extends SluiceError {
  /** The job as it ended. */
  readonly job: JobInfo;
  /** Of the load that the job is of, if it is of one. */
  readonly report: Report | undefined;

  constructor(job: JobInfo, report?: Report) {
    const why = job.error ? `${job.error.code}: ${job.error.message}` : "somebody cancelled it";
    super(
      `${job.id} is ${job.status} (${why}); ${job.effects.unprocessed} of ${job.total} items are unprocessed, and can ` +
        'be sent again by job.retry("unprocessed")',
    );
    this.job = job;
    this.report = report;
  }
}

/** Some items of a load were refused; all others are stored. */
export class ItemsFailed<Item = any> extends SluiceError {
  readonly report: Report<Item>;

  constructor(report: Report<Item>) {
    const [first] = report.errors;
    const told = first ? `; the first: item ${first.index}: ${first.code}: ${first.message}` : "";
    super(
      `${report.failed} of ${report.total} items failed${told}. Read report.errors, or load with onError: "collect" ` +
        "to look at them yourself",
    );
    this.report = report;
  }
}

/** A load ended before its source did; `cause` says why, and the batches that were accepted stand. */
export class LoadBroken<Item = any> extends SluiceError {
  readonly report: Report<Item>;

  constructor(report: Report<Item>, cause: unknown) {
    const why = cause instanceof Error ? `${cause.name}: ${cause.message}` : String(cause);
    super(`The load broke off after ${report.accepted} accepted items: ${why}`, { cause });
    this.report = report;
  }
}
