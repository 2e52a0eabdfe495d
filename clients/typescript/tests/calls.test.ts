// Calls that are made again, those that are not, and what their errors tell.
import assert from "node:assert/strict";
import { inspect } from "node:util";
import { test } from "node:test";
import * as sluice from "sluice-client";
import { type ApiError, Client, PublicClient, type Retried } from "sluice-client";
import { type Answer, scripted } from "./scripted.js";

const KEY = "oh_live_secret";
const ACCEPTED: Answer = { status: 202, data: { jobId: "job_1", status: "pending" } };
const BUSY: Answer = { status: 503, code: "UNAVAILABLE", headers: { "Retry-After": "0" } };
const PLAYER = { entityType: "player", externalId: "p1", data: { email: "a@example.com" } };

async function caught(promise: Promise<unknown>): Promise<Error> {
  return promise.then(
    () => assert.fail("nothing was thrown"),
    (error: unknown) => error as Error,
  );
}

test("a batch is sent again under the same key until it is answered", async (context) => {
  context.mock.method(Math, "random", () => 0.01);
  const answers: Answer[] = ["lost", { status: 502, text: "<html>" }, { status: 504, text: "" }, BUSY];
  const busy: Answer = { status: 409, code: "IDEMPOTENCY_IN_PROGRESS" };
  await using server = await scripted(...answers, busy, { status: 429, code: "RATE_LIMITED" }, ACCEPTED);
  const retried: Retried[] = [];
  const client = new Client({ url: server.url, key: KEY, onRetry: (told) => retried.push(told) });
  assert.equal((await client.entities.send([PLAYER])).id, "job_1");
  assert.equal(server.requests.length, 7);
  assert.match(String(server.requests[0]!.headers["idempotency-key"]), /^[0-9a-f-]{36}$/);
  assert.equal(new Set(server.requests.map((request) => request.headers["idempotency-key"])).size, 1);
  assert.equal(new Set(server.requests.map((request) => request.body)).size, 1);
  assert.deepEqual(retried.map(({ operation, tries }) => [operation, tries]).at(-1), ["writeEntities", 6]);
});

test("two batches never bear the same key", async () => {
  await using server = await scripted(ACCEPTED);
  const client = new Client({ url: server.url, key: KEY });
  await client.entities.send([PLAYER]);
  await client.entities.send([PLAYER]);
  assert.notEqual(server.requests[0]!.headers["idempotency-key"], server.requests[1]!.headers["idempotency-key"]);
});

test("a refusal is thrown at once, with its code and its class", async () => {
  const classes: [number, string, typeof sluice.ApiError][] = [
    [400, "INVALID_INPUT", sluice.Invalid],
    [401, "UNAUTHORIZED", sluice.Unauthorized],
    [403, "FORBIDDEN", sluice.Forbidden],
    [404, "NOT_FOUND", sluice.NotFound],
    [409, "WRONG_STATE", sluice.Conflict],
    [410, "GONE", sluice.NotFound],
    [413, "PAYLOAD_TOO_LARGE", sluice.TooLarge],
    [415, "UNSUPPORTED_MEDIA_TYPE", sluice.Invalid],
    [422, "IDEMPOTENCY_KEY_REUSED", sluice.Invalid],
    [500, "INTERNAL_ERROR", sluice.Unavailable],
  ];
  for (const [status, code, kind] of classes) {
    await using server = await scripted({ status, code, headers: { "X-Request-Id": "r1" } });
    const error = await caught(new Client({ url: server.url, key: KEY }).entities.send([PLAYER]));
    assert.ok(error instanceof kind && error instanceof sluice.ApiError);
    assert.deepEqual([error.name, error.status, error.code, error.requestId], [kind.name, status, code, "r1"]);
    assert.equal(server.requests.length, 1);
  }
});

test("what would be done twice is not sent again once its answer is lost", async () => {
  for (const answer of ["lost", { status: 502, text: "" }, { status: 504, text: "" }] as Answer[]) {
    await using server = await scripted(answer);
    const client = new Client({ url: server.url, key: KEY });
    const stranger = new PublicClient({ url: server.url, key: KEY });
    const body = { name: "Own", schema: { entity_types: {} } };
    await caught(client.call("storeTemplate", { path: ["tpl_own"], body }));
    await caught(client.call("createWebhook", { body: { url: "https://example.com" } }));
    await caught(stranger.call("recordEvent", { body: { event: "Paid", objects: [] } }));
    await caught(stranger.call("retryPublicJob", { path: ["job_1"], body: {} }));
    assert.equal(server.requests.length, 4);
    assert.equal(server.requests.at(-1)!.path, "/api/public/v1/batch/jobs/job_1/retry");
    assert.equal(server.requests.filter((request) => request.headers["idempotency-key"]).length, 0);
  }
});

test("what the server has refused to do may be sent again, whatever it is", async () => {
  await using server = await scripted(BUSY, { status: 201, data: { id: "whk_1" } });
  const client = new Client({ url: server.url, key: KEY });
  assert.equal((await client.call("createWebhook", { body: { url: "https://example.com" } })).id, "whk_1");
});

test("a server that is away is asked again, even for what would be done twice", async () => {
  const server = await scripted(ACCEPTED);
  await server[Symbol.asyncDispose]();
  const aborting = new AbortController();
  const onRetry = ({ error }: Retried) => {
    assert.match(error.message, /^The server cannot be reached \(createKey\): .*ECONNREFUSED/);
    aborting.abort(new Error("seen"));
  };
  const client = new Client({ url: server.url, key: KEY, onRetry });
  await assert.rejects(client.call("createKey", { body: { label: "x" }, signal: aborting.signal }), /^Error: seen$/);
});

/** Return the pauses before the first tries of a call that a server always puts off. */
async function pauses(headers: Record<string, string>, count = 1): Promise<number[]> {
  await using server = await scripted({ status: 503, code: "UNAVAILABLE", headers });
  const aborting = new AbortController();
  const seen: number[] = [];
  const onRetry = ({ pauseMs }: Retried) => {
    seen.push(pauseMs);
    if (seen.length === count) aborting.abort();
  };
  const error = await caught(new Client({ url: server.url, key: KEY, onRetry }).call("getSettings", aborting));
  assert.equal(error.name, "AbortError");
  return seen;
}

const NOW = "Sun, 06 Nov 1994 08:49:37 GMT";

test("Retry-After is heeded in seconds, and as a date by the server's clock", async () => {
  assert.deepEqual(await pauses({ "Retry-After": "30" }), [30_000]);
  assert.deepEqual(await pauses({ "Retry-After": "Sun, 06 Nov 1994 08:50:07 GMT", Date: NOW }), [30_000]);
  const soon = new Date(Date.now() + 60_000).toUTCString();
  const [pause] = await pauses({ "Retry-After": soon, Date: "" });
  assert.ok(pause! > 50_000 && pause! <= 60_000);
});

test("pauses grow, with jitter, also where the server asks for none", async (context) => {
  context.mock.method(Math, "random", () => 0.5);
  for (const text of ["0", "soon", "1.5", NOW]) assert.deepEqual(await pauses({ "Retry-After": text, Date: NOW }), [125]);
  assert.deepEqual(await pauses({ "Retry-After": "0" }, 3), [125, 250, 500]);
});

test("a longer pause than two minutes, or than the call's time, is thrown at once", async () => {
  for (const [seconds, timeoutMs] of [["121", undefined], ["2", 1_000]] as const) {
    await using server = await scripted({ status: 503, code: "UNAVAILABLE", headers: { "Retry-After": seconds } });
    const error = await caught(new Client({ url: server.url, key: KEY }).call("getSettings", { timeoutMs }));
    assert.deepEqual([error.name, (error as ApiError).retryAfter], ["Unavailable", Number(seconds)]);
    assert.equal(server.requests.length, 1);
  }
});

test("a server that never answers is given up when the time of the call is over", async (context) => {
  context.mock.method(Math, "random", () => 0.1);
  await using server = await scripted("silent");
  const client = new Client({ url: server.url, key: KEY, timeoutMs: 300, tryTimeoutMs: 100 });
  const error = await caught(client.entities.send([PLAYER]));
  assert.match(String(error), /^TransportError: The server did not answer \(writeEntities\): within \d+ ms$/);
  assert.ok(server.requests.length > 1, "a try has a time of its own");
  await using held = await scripted("silent");
  const job = await caught(new Client({ url: held.url, key: KEY }).jobs.get("job_1", { timeoutMs: 50 }));
  assert.equal(job.name, "TransportError");
});

test("a signal ends a call and a pause, with its own reason", async () => {
  await using server = await scripted("silent");
  const client = new Client({ url: server.url, key: KEY });
  const aborting = new AbortController();
  const call = client.entities.send([PLAYER], { signal: aborting.signal });
  aborting.abort(new Error("enough"));
  await assert.rejects(call, /^Error: enough$/);
  await assert.rejects(client.call("getSettings", { signal: AbortSignal.abort() }), { name: "AbortError" });
});

test("a redirect is an error, and the key does not follow it", async () => {
  await using elsewhere = await scripted({ data: {} });
  for (const status of [301, 302, 303, 307, 308]) {
    await using server = await scripted({ status, headers: { Location: elsewhere.url } });
    const error = await caught(new Client({ url: server.url, key: KEY }).entities.send([PLAYER]));
    assert.match(String(error), /^UnexpectedAnswer: .*is this its address\? It redirects to http/);
    assert.equal(server.requests.length, 1);
  }
  assert.equal(elsewhere.requests.length, 0);
});

test("an answer of something else is told", async () => {
  for (const text of ["<html>", "", "null", "7", "{}", "[]"]) {
    await using server = await scripted({ text });
    await assert.rejects(new Client({ url: server.url, key: KEY }).entities.send([PLAYER]), /is this its address/);
  }
});

test("no error and no inspection shows the key", async () => {
  await using server = await scripted({ status: 400, text: `{"detail": "Bearer ${KEY}"}` });
  const client = new Client({ url: server.url, key: KEY });
  const error = await caught(client.entities.send([PLAYER]));
  assert.match(error.message, /Bearer …/);
  await using away = await scripted({ status: 302, headers: { Location: `/?key=${KEY}` } });
  const redirect = await caught(new Client({ url: away.url, key: KEY }).call("getSettings"));
  for (const shown of [error, redirect, client, client.jobs]) assert.ok(!inspect(shown, { depth: 9 }).includes(KEY));
  for (const key of [`${KEY}\n`, `${KEY} x`, `${KEY}å`]) {
    assert.throws(() => new Client({ url: server.url, key }), (wrong) => !String(wrong).includes(KEY));
  }
});

test("wrong arguments are refused before anything is sent", async () => {
  await using server = await scripted(ACCEPTED);
  const { url } = server;
  const wrong = [{ urll: url }, { timeoutMs: 0 }, { timeoutMs: NaN }, { numbers: "float" }, { url: "ftp://x" }, { url: "x" }];
  for (const options of [...wrong, { url: "http://a:b@x" }, { tryTimeoutMs: -1 }, { key: "" }]) {
    assert.throws(() => new Client({ url, key: KEY, ...options } as object), TypeError);
  }
  const client = new Client({ url, key: KEY });
  const { entities } = client;
  for (const options of [{ batchItems: 0 }, { batchBytes: 1.5 }, { inFlight: "4" }, { maxErrors: -1 }, { onError: "raise" }]) {
    await assert.rejects(entities.load([PLAYER], options as object), TypeError);
  }
  for (const source of ["players.ndjson", null, 7, {}]) {
    await assert.rejects(entities.load(source as unknown as []), (error: Error) => String(error.cause).startsWith("TypeError"));
  }
  for (const path of ["", ".", ".."]) await assert.rejects(entities.get(path), TypeError);
  await assert.rejects(client.call("getEntity", { path: ["a", "b"] }), TypeError);
  assert.equal(server.requests.length, 0);
});

test("the address may name an API, or a folder of a proxy", async () => {
  await using server = await scripted({ data: { id: "e" } });
  for (const path of ["", "/", "/operator-data-api", "/operator-data-api/", "/api/public/v1", "/inner/v1", "/inner"]) {
    await new Client({ url: server.url + path, key: KEY }).entities.get("a/b é");
  }
  const root = "/operator-data-api/entities/a%2Fb%20%C3%A9";
  const paths = server.requests.map((request) => request.path);
  assert.deepEqual(paths, [root, root, root, root, root, `/inner${root}`, `/inner${root}`]);
  assert.equal(server.requests[0]!.headers.authorization, `Bearer ${KEY}`);
  assert.equal(server.requests[0]!.headers["user-agent"], `sluice-client/${sluice.VERSION} typescript`);
});

test("address and key come from the environment where they are not said", async (context) => {
  await using server = await scripted({ data: {} });
  const { SLUICE_URL, SLUICE_KEY } = process.env;
  context.after(() => Object.assign(process.env, { SLUICE_URL, SLUICE_KEY }));
  Object.assign(process.env, { SLUICE_URL: server.url, SLUICE_KEY: "k" });
  await new Client().call("getSettings");
  assert.equal(server.requests[0]!.headers.authorization, "Bearer k");
  delete process.env.SLUICE_KEY;
  assert.throws(() => new Client(), /SLUICE_KEY/);
});
