// Loads of any number of items, into a real server.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { EventEmitter, on } from "node:events";
import { test } from "node:test";
import { Client, ExactNumber, ItemsFailed, LoadBroken, type LoadEvent, type Report, UnsupportedValue } from "sluice-client";
import { scripted } from "./scripted.js";

const sluice = new Client();
const EMAIL = "a@example.com";
const DIGITS = "1234567890123456789012345678901234567890";

/** Return a maker of ids that no other test has. */
function ids(): (number: number | string) => string {
  const prefix = randomUUID().slice(0, 12);
  return (number) => `${prefix}-${number}`;
}

function player(externalId: string, data: Record<string, unknown> = {}) {
  const all: Record<string, unknown> = { email: EMAIL, ...data };
  return { entityType: "player", externalId, data: all };
}

function effects(report: Report): Record<string, number> {
  const { created, updated, unchanged, duplicate, failed, unprocessed } = report;
  const all = { created, updated, unchanged, duplicate, failed, unprocessed };
  return Object.fromEntries(Object.entries(all).filter(([, count]) => count));
}

async function broken(promise: Promise<unknown>): Promise<LoadBroken> {
  const error = await promise.then(() => assert.fail("nothing was thrown"), (thrown: unknown) => thrown);
  assert.ok(error instanceof LoadBroken, String(error));
  return error;
}

test("a load counts every effect and pairs errors with the caller's own objects", async () => {
  const id = ids();
  const rows = Array.from({ length: 250 }, (_, number) => player(id(number), { level: number }));
  rows[17]!.data = { country: "SE" };
  rows[201]!.entityType = "plaier";
  const report = await sluice.entities.load(rows.values(), { batchItems: 100, onError: "collect" });
  assert.deepEqual([report.total, report.accepted, effects(report)], [250, 250, { created: 248, failed: 2 }]);
  assert.deepEqual(report.errors.map((error) => [error.index, error.item === rows[error.index]]), [[17, true], [201, true]]);
  assert.equal(report.errors[0]!.message, 'Missing required field: "email"');
  assert.deepEqual(report.codes, { VALIDATION_FAILED: 2 });
  assert.equal(report.jobs.length, 3);
  rows[0]!.data = { email: EMAIL, level: 1_000 };
  assert.deepEqual(effects(await sluice.entities.load([rows[0]!, rows[1]!])), { updated: 1, unchanged: 1 });
});

test("a load throws at its end if an item failed, and all others are stored", async () => {
  const id = ids();
  const rows = [player(id(0)), { entityType: "player", externalId: id(1), data: {} }, player(id(2))];
  const error = await sluice.entities.load(rows).catch((thrown: unknown) => thrown);
  assert.ok(error instanceof ItemsFailed);
  assert.match(error.message, /^1 of 3 items failed; the first: item 1: VALIDATION_FAILED: /);
  assert.deepEqual(effects(error.report), { created: 2, failed: 1 });
  assert.equal((await sluice.entities.get(id(2))).externalId, id(2));
});

test("numbers of a load are stored and read to the digit", async () => {
  const id = ids();
  const exact = new Client({ numbers: "exact" });
  await exact.entities.load([player(id(0), { price: new ExactNumber("145.50"), number: BigInt(DIGITS), none: null })]);
  const { data } = await exact.entities.get(id(0));
  assert.deepEqual([String(data.price), String(data.number), data.none], ["145.50", DIGITS, null]);
});

test("events and states load from asynchronous sources", async () => {
  const id = ids();
  await sluice.entities.load([player(id(0))]);
  async function* events() {
    for (let number = 0; number < 25; number++) {
      yield { externalId: number === 7 ? id("nobody") : id(0), eventType: "session", data: { number }, eventId: id(number) };
    }
  }
  const report = await sluice.events.load(events(), { batchItems: 10, onError: "collect" });
  assert.deepEqual(effects(report), { created: 24, failed: 1 });
  assert.deepEqual([report.errors[0]!.index, report.errors[0]!.item.externalId], [7, id("nobody")]);
  assert.deepEqual(effects(await sluice.events.load(events(), { onError: "collect" })), { duplicate: 24, failed: 1 });
  const states = ["balance", "mood"].map((stateKey) => ({ externalId: id(0), stateKey, value: { n: 1 } }));
  assert.deepEqual(effects(await sluice.states.load(states, { ordered: false, onError: "collect" })), { created: 1, failed: 1 });
});

test("no more batches are held than are in flight, and items take effect in their order", async () => {
  const id = ids();
  let held = 0;
  let most = 0;
  function* rows() {
    for (let number = 0; number < 60; number++) yield player(id(0), { number });
  }
  for await (const event of sluice.entities.stream(rows(), { batchItems: 5, inFlight: 3 })) {
    held += Number(event.type === "Accepted") - Number(event.type === "JobEnded");
    most = Math.max(most, held);
  }
  assert.ok(most > 1 && most <= 3, String(most));
  assert.equal((await sluice.entities.get(id(0))).data.number, 59);
});

test("many batches in flight at once leave no warning", async (context) => {
  const warned = context.mock.method(process, "emitWarning");
  let posted = 0;
  let all!: () => void;
  const areAllThere = new Promise<void>((resolve) => (all = resolve));
  await using server = await scripted(async () => {
    if (++posted === 20) all();
    await areAllThere;
    return { status: 400, code: "INVALID_INPUT" };
  });
  const rows = Array.from({ length: 20 }, (_, number) => player(`p${number}`));
  const client = new Client({ url: server.url, key: "k" });
  await broken(client.entities.load(rows, { batchItems: 1, inFlight: 20, ordered: false }));
  assert.deepEqual([posted, warned.mock.callCount()], [20, 0]);
});

test("a slow caller slows the source", async () => {
  let taken = 0;
  function* rows() {
    for (; taken < 1_000; taken++) yield player("slow", { taken });
  }
  const events = sluice.entities.stream(rows(), { batchItems: 10, inFlight: 2 });
  const first = await events.next();
  assert.equal((first.value as LoadEvent).type, "Accepted");
  for (let ended = 0; ended < 2; ) ended += Number(((await events.next()).value as LoadEvent).type === "JobEnded");
  assert.ok(taken <= 60, `${taken} items were taken of the source`);
  await events.return();
});

test("a batch is cut by its bytes in UTF-8", async () => {
  await using server = await scripted({ status: 400, code: "INVALID_INPUT" });
  const client = new Client({ url: server.url, key: "k" });
  const rows = Array.from({ length: 100 }, () => player("x", { text: "é".repeat(100) }));
  await broken(client.entities.load(rows, { batchBytes: 1_000 }));
  const size = Buffer.byteLength(server.requests[0]!.body);
  assert.ok(size <= 1_000 && size > 700, String(size));
});

test("lines of any length and script arrive whole", async () => {
  await using server = await scripted({ status: 400, code: "INVALID_INPUT" });
  const client = new Client({ url: server.url, key: "k" });
  const rows = [1, 100, 10_000, 2].map((length) => player("x", { text: "aé€😀\ud800".repeat(length) }));
  await broken(client.entities.load(rows));
  assert.deepEqual(server.requests.map(({ body }) => body), [rows.map((row) => `${JSON.stringify(row)}\n`).join("")]);
});

test("a batch that is too large for a proxy goes in halves, and smaller ones from then on", async () => {
  const sizes: number[] = [];
  const id = ids();
  const proxied: typeof fetch = async (input, init) => {
    if (init?.method !== "POST") return fetch(input, init);
    sizes.push(new TextDecoder().decode(init.body as Uint8Array).split("\n").length - 1);
    return sizes.at(-1)! > 3 ? new Response("<html>nginx</html>", { status: 413 }) : fetch(input, init);
  };
  const rows = Array.from({ length: 10 }, (_, number) => player(id(number)));
  rows[7]!.entityType = "plaier";
  const report = await new Client({ fetch: proxied }).entities.load(rows, { batchItems: 6, onError: "collect" });
  assert.deepEqual([report.created, report.errors.map((error) => error.index)], [9, [7]]);
  assert.deepEqual(sizes.slice(0, 3), [6, 3, 3]);
  assert.ok(Math.max(...sizes.slice(3)) <= 3);
});

test("a batch of an idle source is sent, and its outcome told, once it is old enough", async () => {
  const id = ids();
  const source = new EventEmitter();
  const rows = (async function* () {
    for await (const [row] of on(source, "row", { close: ["end"] })) yield row as ReturnType<typeof player>;
  })();
  const events = sluice.entities.stream(rows, { flushMs: 20 });
  for (const number of [0, 1]) {
    const accepted = events.next();
    source.emit("row", player(id(number)));
    assert.deepEqual([((await accepted).value as LoadEvent).type, ((await events.next()).value as LoadEvent).type], ["Accepted", "JobEnded"]);
  }
  source.emit("end");
  assert.equal((await events.next()).done, true);
});

test("maxErrors ends a load before its source does, and counts to its end", async () => {
  const id = ids();
  let taken = 0;
  let isClosed = false;
  function* rows() {
    try {
      for (; taken < 1_000; taken++) yield { entityType: "unknown", externalId: id(taken), data: {} };
    } finally {
      isClosed = true;
    }
  }
  const options = { batchItems: 10, inFlight: 1, maxErrors: 15, onError: "collect" } as const;
  const report = await sluice.entities.load(rows(), options);
  assert.deepEqual([report.stopped, report.ok, isClosed], [true, false, true]);
  assert.ok(report.failed > 15 && report.failed < 100 && taken < 100);
  const last = await sluice.entities.load([{ entityType: "unknown", externalId: "x", data: {} }], { maxErrors: 0, onError: "collect" });
  assert.equal(last.stopped, true);
});

test("maxErrors cancels the batches under way, and one whose acceptance comes later", async () => {
  const cancelled: string[] = [];
  let accepted = 0;
  let stop!: () => void;
  const isStopped = new Promise<void>((resolve) => (stop = resolve));
  const job = (id: string, status: string, failed = 0) => {
    const effects = { created: 0, updated: 0, unchanged: 0, duplicate: 0, failed, unprocessed: 1 - failed };
    return { data: { id, status, total: 1, effects, progress: 0 } };
  };
  await using server = await scripted(async ({ method, path }) => {
    const [, id = "", call] = /(job_\d)\/?(\w*)/.exec(path) ?? [];
    if (call === "errors") return { data: [] };
    if (call === "cancel") {
      cancelled.push(id);
      stop();
      return job(id, "cancelled");
    }
    if (method === "GET" && id === "job_1") return accepted < 2 ? job(id, "pending") : job(id, "completed", 1);
    if (method === "GET") return job(id, cancelled.includes(id) ? "cancelled" : "pending");
    if (accepted === 2) await isStopped;
    return { status: 202, data: { jobId: `job_${++accepted}` } };
  });
  const rows = [1, 2, 3].map((number) => player(`p${number}`));
  const client = new Client({ url: server.url, key: "k" });
  const report = await client.entities.load(rows, { batchItems: 1, maxErrors: 0, onError: "collect" });
  assert.deepEqual([cancelled, report.stopped, report.unfinished.length], [["job_2", "job_3"], true, 2]);
});

test("an error of the source is told with the report of all batches before", async () => {
  const id = ids();
  const failure = new Error("the source");
  function* rows() {
    for (let number = 0; number < 25; number++) yield player(id(number));
    throw failure;
  }
  const error = await broken(sluice.entities.load(rows(), { batchItems: 10 }));
  assert.equal(error.cause, failure);
  assert.deepEqual([error.report.accepted, error.report.created, error.report.jobs.length], [20, 20, 2]);
});

test("an item that cannot be sent is named, and the source is closed", async () => {
  const id = ids();
  let isClosed = false;
  async function* rows() {
    try {
      for (let number = 0; ; number++) yield player(id(number), { level: number === 25 ? NaN : 1 });
    } finally {
      isClosed = true;
    }
  }
  const error = await broken(sluice.entities.load(rows(), { batchItems: 10 }));
  assert.ok(error.cause instanceof UnsupportedValue);
  assert.match(error.message, /Item 25: \/data\/level is NaN/);
  assert.deepEqual([error.report.created, isClosed], [20, true]);
});

test("a signal ends a load whose source is idle, with the report, and closes the source", async () => {
  const row = player(ids()(0));
  const aborting = new AbortController();
  let closed!: () => void;
  const isClosed = new Promise<void>((resolve) => (closed = resolve));
  const idle = new Promise<IteratorResult<typeof row>>(() => {});
  const answers = [Promise.resolve({ value: row, done: false as const }), idle];
  const rows = {
    [Symbol.asyncIterator]() {
      return this;
    },
    next: () => answers.shift() ?? idle,
    return() {
      closed();
      return Promise.resolve({ value: undefined, done: true as const });
    },
  };
  // The first poll of a job: its batch has been accepted.
  const polled: typeof fetch = (input, init) => {
    if (init?.method === "GET") aborting.abort(new Error("enough"));
    return fetch(input, init);
  };
  const client = new Client({ fetch: polled });
  const error = await broken(client.entities.load(rows, { flushMs: 1, signal: aborting.signal }));
  assert.deepEqual([(error.cause as Error).message, error.report.accepted], ["enough", 1]);
  await isClosed;
});

test("a load goes on under the same keys when its server is away for a moment", async () => {
  const id = ids();
  const seen = new Map<string, number>();
  const flaky: typeof fetch = async (input, init) => {
    const key = (init?.headers as Record<string, string>)["Idempotency-Key"];
    const response = await fetch(input, init);
    if (!key) return response;
    seen.set(key, (seen.get(key) ?? 0) + 1);
    if (seen.get(key) === 1) throw new TypeError("fetch failed", { cause: new Error("its answer was lost") });
    return response;
  };
  await sluice.entities.load([player(id(0))]);
  const rows = Array.from({ length: 30 }, (_, number) => ({ externalId: id(0), eventType: "session", data: { number } }));
  const report = await new Client({ fetch: flaky }).events.load(rows, { batchItems: 10, ordered: false });
  assert.deepEqual([...seen.values()], [2, 2, 2]);
  assert.equal(report.created, 30);
  let stored = 0;
  for await (const _ of sluice.events.list(id(0), { limit: 20 })) stored++;
  assert.equal(stored, 30);
});

test("progress is told at the end", async () => {
  const id = ids();
  const told: unknown[] = [];
  const rows = Array.from({ length: 20 }, (_, number) => player(id(number)));
  const report = await sluice.entities.load(rows, { onProgress: ({ seconds: _, ...progress }) => told.push(progress) });
  assert.deepEqual(told.at(-1), { sent: 20, processed: 20, failed: 0 });
  assert.ok(report.seconds > 0);
});
