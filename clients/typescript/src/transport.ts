// One call of the server: authenticated, retried, decoded, and its refusal thrown as an error of ours.
import { type ApiError, refusalOf, SluiceError, TransportError, UnexpectedAnswer } from "./errors.js";
import { callOf, type OperationId } from "./operations.js";
import { pauseAfter, retryAfterOf } from "./retry.js";
import { line, parseExactly } from "./values.js";
import { VERSION } from "./version.js";

/** What a caller may say of any call. */
export interface CallOptions {
  /** Ends the call, with the signal's own reason. */
  signal?: AbortSignal | undefined;
  /** Milliseconds that the call may take with all its tries and pauses; the client's where it is not said. */
  timeoutMs?: number | undefined;
}

/** A call as the transport takes it, untyped. */
export interface Request extends CallOptions {
  path?: readonly (string | number)[];
  query?: object | undefined;
  /** Sent as it is if it is a text or bytes, else as JSON. */
  body?: unknown;
  contentType?: string | undefined;
  headers?: Readonly<Record<string, string>> | undefined;
  idempotencyKey?: string | undefined;
}

/** A try that failed and is followed by another one. */
export interface Retried {
  operation: OperationId;
  tries: number;
  pauseMs: number;
  error: ApiError | TransportError;
}

export interface TransportOptions {
  url: string;
  key: string;
  timeoutMs: number;
  tryTimeoutMs: number;
  exact: boolean;
  /** Calls about jobs go to the public API, which has the same below its own path. */
  isPublic: boolean;
  fetch: typeof fetch;
  onRetry: ((retried: Retried) => void) | undefined;
}

/** An answer that has been read. */
export interface Answer {
  status: number;
  headers: Headers;
  text: string;
}

const ALIEN = "The answer is not Sluice's; is this its address?";
// Codes of errors of a connection that did not come about.
const NEVER_SENT = /ECONNREFUSED|ENOTFOUND|EAI_AGAIN|E(HOST|NET)UNREACH|UND_ERR_CONNECT_TIMEOUT/;

export class Transport {
  readonly #options: TransportOptions;

  constructor(options: TransportOptions) {
    this.#options = options;
  }

  /** Make a call, and return its data, without the envelope. */
  async call<Data>(operation: OperationId, request: Request = {}): Promise<Data> {
    return this.decoded(operation, await this.send(operation, request)) as Data;
  }

  /** Return the data of an answer. */
  decoded(operation: OperationId, { headers, text }: Answer): unknown {
    if (/ndjson|csv/.test(headers.get("Content-Type") ?? "")) return text;
    try {
      const marks = this.#callOf(operation);
      const body: any = this.#options.exact && marks.includes("data") ? parseExactly(text) : JSON.parse(text);
      if ("data" in body && body.success === true) return body.data;
      if (marks.includes("bare")) return body;
      throw new Error("It has no envelope");
    } catch (cause) {
      throw new UnexpectedAnswer(ALIEN, { cause });
    }
  }

  /** Yield the rows of a list, page by page as they are wanted. */
  async *pages<Row>(operation: OperationId, request: Request): AsyncGenerator<Row, void, undefined> {
    let cursor: string | null | undefined;
    do {
      const answer = await this.send(operation, { ...request, query: { ...request.query, cursor } });
      yield* this.decoded(operation, answer) as Row[];
      const next = /<([^>]*)>; *rel="next"/.exec(answer.headers.get("Link") ?? "")?.[1];
      cursor = next && new URL(next, this.#options.url).searchParams.get("cursor");
    } while (cursor);
  }

  /** Make a call, and return its answer once all of it has been read. */
  send(operation: OperationId, request: Request = {}): Promise<Answer> {
    return this.#tried(operation, request, async (response) => ({
      status: response.status,
      headers: response.headers,
      text: await response.text(),
    }));
  }

  /** Make a call, and return its answer while it is still coming; what breaks off then is not tried again. */
  open(operation: OperationId, request: Request = {}): Promise<Response> {
    return this.#tried(operation, request, (response) => Promise.resolve(response), true);
  }

  /** Make a call as often as it takes, within its time. */
  async #tried<Read>(
    operation: OperationId,
    request: Request,
    read: (response: Response) => Promise<Read>,
    staysOpen = false,
  ): Promise<Read> {
    const { timeoutMs = this.#options.timeoutMs, signal } = request;
    const [method, pattern, ...marks] = this.#callOf(operation);
    const init = this.#init(method, request, marks.includes("key"));
    const url = this.#options.url + pathOf(pattern, request.path ?? []) + queryOf(request.query ?? {});
    const repeatable = marks.includes("key") || !marks.includes("once");
    const end = performance.now() + timeoutMs;
    for (let tries = 1; ; tries++) {
      signal?.throwIfAborted();
      const limit = Math.max(0, Math.min(end - performance.now(), this.#options.tryTimeoutMs));
      const aborting = new AbortController();
      const timer = setTimeout(() => aborting.abort(new Error(`within ${Math.ceil(limit)} ms`)), limit);
      const abort = () => aborting.abort(signal?.reason);
      signal?.addEventListener("abort", abort);
      let isOpen = false;
      try {
        const response = await this.#options.fetch(url, { ...init, signal: aborting.signal });
        await this.#check(response);
        const answer = await read(response);
        isOpen = staysOpen;
        return answer;
      } catch (caught) {
        signal?.throwIfAborted();
        const error = caught instanceof SluiceError ? caught : this.#lost(operation, caught);
        const pauseMs = pauseAfter(error, { tries, left: end - performance.now(), repeatable });
        if (pauseMs === undefined) throw error;
        this.#options.onRetry?.({ operation, tries, pauseMs, error: error as ApiError | TransportError });
        await sleep(pauseMs, signal);
      } finally {
        clearTimeout(timer);
        if (!isOpen) signal?.removeEventListener("abort", abort);
      }
    }
  }

  #callOf(operation: OperationId): ReturnType<typeof callOf> {
    const { isPublic } = this.#options;
    return callOf((isPublic ? operation.replace(/(?<!Public)Job/, "PublicJob") : operation) as OperationId);
  }

  #init(method: string, request: Request, takesKey: boolean): RequestInit {
    const { body, contentType = "application/json", idempotencyKey } = request;
    const headers: Record<string, string> = {
      Authorization: `Bearer ${this.#options.key}`,
      "User-Agent": `sluice-client/${VERSION} typescript`,
    };
    if (takesKey) headers["Idempotency-Key"] = idempotencyKey ?? crypto.randomUUID();
    if (body !== undefined) headers["Content-Type"] = contentType;
    Object.assign(headers, request.headers);
    const isSent = body === undefined || typeof body === "string" || body instanceof Uint8Array;
    return { method, headers, redirect: "manual", body: (isSent ? body : line(body)) as BodyInit };
  }

  /** Throw the refusal that an answer is; return if it is none. A redirect is one: it would take the key elsewhere. */
  async #check(response: Response): Promise<void> {
    const { status, headers } = response;
    if (response.ok || status === 304) return;
    if (status < 400) {
      await response.body?.cancel();
      throw new UnexpectedAnswer(this.#hidden(`${ALIEN} It redirects to ${headers.get("Location")} (${status})`));
    }
    const text = this.#hidden(await response.text());
    let detail: any;
    try {
      detail = JSON.parse(text);
    } catch {
      detail = text; // of a proxy
    }
    const { code = "", message = detail?.detail } = detail?.error ?? {};
    throw refusalOf({
      status,
      code: String(code),
      message: typeof message === "string" ? message : JSON.stringify(message ?? response.statusText),
      requestId: headers.get("X-Request-Id") ?? undefined,
      retryAfter: retryAfterOf(headers.get("Retry-After"), headers.get("Date")),
      detail,
    });
  }

  #lost(operation: OperationId, caught: any): TransportError {
    const cause = caught?.cause ?? caught;
    const neverSent = NEVER_SENT.test(cause?.code);
    const what = neverSent ? "cannot be reached" : "did not answer";
    const why = this.#hidden(`${cause?.message || cause?.code || cause}`);
    return new TransportError(`The server ${what} (${operation}): ${why}`, { neverSent });
  }

  /** Return a text without the key, should somebody have put it there. */
  #hidden(text: string): string {
    return text.replaceAll(this.#options.key, "…");
  }
}

function pathOf(pattern: string, path: readonly (string | number)[]): string {
  const parts = pattern.split("{}");
  if (parts.length !== path.length + 1 || path.some((argument) => /^\.{0,2}$/.test(`${argument}`))) {
    throw new TypeError(`The path takes ${parts.length - 1} arguments, and none that is empty, "." or ".."`);
  }
  return parts.reduce((filled, part, place) => filled + encodeURIComponent(path[place - 1]!) + part);
}

function queryOf(query: object): string {
  const told = Object.entries(query).filter(([, value]) => value !== undefined && value !== null);
  const spelled = told.map(([name, value]) => [name, value instanceof Date ? value.toISOString() : String(value)]);
  return spelled.length ? `?${new URLSearchParams(spelled)}` : "";
}

/** Wait so many milliseconds, or until the signal aborts, whose reason is thrown. */
export async function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  await new Promise<unknown>((resolve) => {
    const end = () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", end);
      resolve(0);
    };
    const timer = setTimeout(end, ms);
    signal?.addEventListener("abort", end);
    if (signal?.aborted) end();
  });
  signal?.throwIfAborted();
}
