// The clients of both APIs.
import { atLeast, Entities, Events, sendItems, States } from "./batches.js";
import type { Arguments, Data, ListId, Row, Shape } from "./calls.js";
import { type Job, Jobs } from "./jobs.js";
import type { OperationId } from "./operations.js";
import { type CallOptions, type Request, type Retried, Transport, type TransportOptions } from "./transport.js";

export interface ClientOptions {
  /** Of the server, with or without the path of an API; SLUICE_URL where it is not said. */
  url?: string | undefined;
  /** `oh_live_…`, or `fm_live_…` of the public API; SLUICE_KEY where it is not said. */
  key?: string | undefined;
  /** Milliseconds that a call may take with all its tries and pauses; 600,000 where it is not said. */
  timeoutMs?: number | undefined;
  /** Milliseconds of one try; 90,000 where it is not said. The server may hold an answer back for 30 seconds. */
  tryTimeoutMs?: number | undefined;
  /** `exact` reads numbers of the caller's own JSON to the digit, as ExactNumber where a JavaScript number would differ. */
  numbers?: "number" | "exact" | undefined;
  /** Instead of the global one. */
  fetch?: typeof fetch | undefined;
  /** Called before each pause after which a call is made again. */
  onRetry?: ((retried: Retried) => void) | undefined;
}

const environment = (name: string): string | undefined => (globalThis as any).process?.env?.[name]; // browsers have none
const BASES = /\/(operator-data-api|api\/public\/v1|v1)?\/*$/;

/** Return options, checked, with what the environment says. No message has the key. */
function checked({
  url = environment("SLUICE_URL"),
  key = environment("SLUICE_KEY"),
  timeoutMs = 600_000,
  tryTimeoutMs = 90_000,
  numbers = "number",
  fetch: own = (input, init) => fetch(input, init),
  onRetry,
  ...unknown
}: ClientOptions): Omit<TransportOptions, "isPublic"> {
  const need = (isGood: unknown, message: string) => {
    if (!isGood) throw new TypeError(message);
  };
  const [strange] = Object.keys(unknown);
  need(!strange, `There is no option ${strange}`);
  need(url && URL.canParse(url), "Say which url, or set SLUICE_URL");
  need(key, "Say which key, or set SLUICE_KEY");
  need(/^[\x21-\x7e]+$/.test(key!), "The key has characters that no key has");
  need(numbers === "number" || numbers === "exact", 'numbers is "number" or "exact"');
  const { protocol, username, password, origin, pathname } = new URL(url!);
  need(/^https?:$/.test(protocol) && !username && !password, "The url is http or https, without user and password");
  atLeast(1, { timeoutMs, tryTimeoutMs });
  const root = origin + pathname.replace(BASES, "");
  return { url: root, key: key!, timeoutMs, tryTimeoutMs, exact: numbers === "exact", fetch: own, onRetry };
}

class Connected {
  protected readonly transport: Transport;
  readonly jobs: Jobs;

  constructor(options: ClientOptions, isPublic: boolean) {
    this.transport = new Transport({ ...checked(options), isPublic });
    this.jobs = new Jobs(this.transport);
  }

  /**
   * Make any call of the API by its operationId, and return its data.
   *
   * @example await client.call("createWebhook", { body: { url: "https://example.com/hook" } })
   */
  call<Id extends OperationId>(operation: Id, ...[request]: Arguments<Id>): Promise<Data<Id>> {
    return this.transport.call(operation, request as Request);
  }

  /**
   * Make any call, and return its answer while it is still coming, such as a file or a stream of events. It is tried again
   * until it comes; what breaks off later is the reader's to take up.
   */
  open<Id extends OperationId>(operation: Id, ...[request]: Arguments<Id>): Promise<Response> {
    return this.transport.open(operation, request as Request);
  }

  /** Yield the rows of any list of the API by its operationId, page by page as they are wanted. */
  pages<Id extends ListId>(operation: Id, ...[request]: Arguments<Id>): AsyncGenerator<Row<Id>, void, undefined> {
    return this.transport.pages(operation, (request ?? {}) as Request);
  }
}

/** A client of the operator API. */
export class Client extends Connected {
  readonly entities: Entities;
  readonly events: Events;
  readonly states: States;

  constructor(options: ClientOptions = {}) {
    super(options, false);
    this.entities = new Entities(this.transport, "writeEntities");
    this.events = new Events(this.transport, "writeEvents");
    this.states = new States(this.transport, "writeStates");
  }
}

type Lines = CallOptions & { strict?: boolean };

/** A client of the public API: events that link objects, and objects. */
export class PublicClient extends Connected {
  constructor(options: ClientOptions = {}) {
    super(options, true);
  }

  /** Send any number of events as one job. A lost answer is an error: only events with an `event_id` are safe to send twice. */
  sendEvents<Own extends Shape<"ObjectEvent">>(events: Iterable<Own>, options?: Lines): Promise<Job<Own>> {
    return sendItems(this.transport, "recordEvents", events, options);
  }

  /** Send any number of objects as one job. */
  sendObjects<Own extends Shape<"Object">>(objects: Iterable<Own>, options?: Lines): Promise<Job<Own>> {
    return sendItems(this.transport, "upsertObjects", objects, options);
  }
}
