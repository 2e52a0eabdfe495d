// Jobs, and every other call, of a real server.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { test } from "node:test";
import { Client, Conflict, Invalid, JobFailed, NotFound, PublicClient, WaitTimeout } from "sluice-client";
import { scripted } from "./scripted.js";

const sluice = new Client();

function player(number: number | string = "", data: object = { email: "a@example.com" }) {
  return { entityType: "player", externalId: `${randomUUID()}-${number}`, data: { ...data } };
}

test("a job is watched, read, and its bad items sent again", async () => {
  const rows = [player(0), player(1, {}), player(2)];
  const job = await sluice.entities.send(rows, { label: "mine", wait: 20 });
  const seen: number[] = [];
  const info = await job.wait({ onProgress: ({ progress }) => seen.push(progress) });
  assert.deepEqual([info.status, info.label, seen.at(-1), info.effects.failed], ["completed", "mine", 100, 1]);
  const errors = [];
  for await (const error of job.errors()) errors.push(error);
  assert.deepEqual(errors.map(({ index, item, code, jobId }) => [index, item === rows[1], code, jobId]), [[1, true, "VALIDATION_FAILED", job.id]]);
  for await (const error of (await sluice.jobs.get(job.id)).errors({ items: true })) assert.deepEqual(error.item, rows[1]);
  const child = await job.retry("failed", { patch: { 1: { data: { email: "b@example.com" } } } });
  assert.equal((await child.wait()).effects.created, 1);
  assert.equal((await job.refresh()).family?.effects.created, 3);
  await assert.rejects(job.cancel(), (error) => error instanceof Conflict && error.code === "WRONG_STATE");
});

test("a job that cannot be carried out throws, unless it is not to be checked", async () => {
  const job = await sluice.entities.send([player(), player("", {})], { atomic: true });
  await assert.rejects(job.wait(), (error) => error instanceof JobFailed && /ATOMIC_ABORTED/.test(error.message));
  assert.equal((await job.wait({ check: false })).effects.unprocessed, 1);
});

test("a job is paused, resumed, cancelled and committed", async () => {
  const row = player();
  const checked = await sluice.entities.send([row], { validateOnly: true });
  await checked.wait();
  await assert.rejects(sluice.entities.get(row.externalId), NotFound);
  assert.equal((await (await checked.commit()).wait()).effects.created, 1);
  const held = await sluice.entities.send([player()], { validateOnly: true });
  await held.wait();
  const behind = await sluice.entities.send([player()], { after: held.id, wait: 0 });
  for (const steered of ["pause", "resume", "cancel"] as const) {
    const info = await behind[steered]().catch((error: unknown) => error);
    assert.ok(info instanceof Conflict || (info as { id: string }).id === behind.id, `${steered}: ${String(info)}`);
  }
});

test("a wait that is over says that the job goes on, though the server is silent", async () => {
  const pending = { id: "job_1", status: "pending", progress: 0 };
  await using server = await scripted({ data: pending, headers: { ETag: '"1"' } }, { data: pending }, "silent");
  const job = await new Client({ url: server.url, key: "k" }).jobs.get("job_1");
  await assert.rejects(job.wait({ timeoutMs: 200 }), (error) => error instanceof WaitTimeout && error.job?.id === "job_1");
  const aborting = new AbortController();
  const wait = job.wait({ signal: aborting.signal });
  aborting.abort();
  await assert.rejects(wait, { name: "AbortError" });
});

test("a poll asks for the next change alone", async () => {
  const job = (status: string) => ({ data: { id: "job_1", status }, headers: { ETag: `"${status}"` } });
  await using server = await scripted(job("pending"), job("pending"), { status: 304, text: "" }, job("completed"));
  await new Client({ url: server.url, key: "k" }).jobs.get("job_1").then((found) => found.wait());
  const polls = server.requests.slice(1).map(({ headers }) => [headers["if-none-match"], headers.prefer]);
  assert.deepEqual(polls, [[undefined, undefined], ['"pending"', "wait=30"], ['"pending"', "wait=30"]]);
});

test("jobs are listed page by page", async () => {
  const label = randomUUID();
  for (const number of [1, 2, 3]) await sluice.entities.send([player(number)], { label });
  const found = [];
  for await (const job of sluice.jobs.list({ label, limit: 2 })) found.push(job.info?.label);
  assert.deepEqual(found, [label, label, label]);
});

test("a key of the caller's own makes one job of two batches", async () => {
  const idempotencyKey = randomUUID();
  const rows = [player()];
  const first = await sluice.entities.send(rows, { idempotencyKey });
  assert.equal((await sluice.entities.send(rows, { idempotencyKey })).id, first.id);
  await assert.rejects(sluice.entities.send([player()], { idempotencyKey }), (error) => error instanceof Invalid && error.code === "IDEMPOTENCY_KEY_REUSED");
});

test("an option that the server does not know is refused by name", async () => {
  await assert.rejects(sluice.entities.send([player()], { lable: "x" } as object), /lable.*label/);
  const bad = await sluice.entities.send([{ ...player(), extra: 1 } as never], { strict: true, wait: 20 });
  assert.equal((await bad.wait()).effects.failed, 1);
});

test("a body may be CSV as it is", async () => {
  const job = await sluice.entities.send(`externalId,email\n${randomUUID()},a@example.com\n`, { contentType: "text/csv", entityType: "player" });
  assert.equal((await job.wait()).effects.created, 1);
});

test("single entities, events and states are written and read", async () => {
  const { externalId } = player();
  assert.equal((await sluice.entities.upsert({ entityType: "player", externalId, data: { email: "a@example.com", a: 1 } })).action, "created");
  await sluice.entities.upsert({ entityType: "player", externalId, data: { email: "a@example.com", a: null } }, { mode: "merge" });
  assert.deepEqual((await sluice.entities.get(externalId)).data, { email: "a@example.com" });
  assert.match((await sluice.events.append(externalId, { eventType: "session", data: {} })).id, /^eev_/);
  for await (const event of sluice.events.list(externalId, { eventType: "session" })) assert.deepEqual(event.data, {});
  await sluice.states.set(externalId, "balance", { n: 1.5 });
  assert.deepEqual((await sluice.states.get(externalId, "balance")).value, { n: 1.5 });
  assert.equal((await sluice.states.list(externalId)).length, 1);
  assert.equal((await sluice.entities.delete(externalId)).deleted, true);
});

test("every other call is made by its name", async () => {
  const made = await sluice.call("createWebhook", { body: { url: "https://hooks.example.com/x", events: ["job.failed"] } });
  assert.match(made.secret, /^whsec_/);
  assert.equal((await sluice.call("changeWebhook", { path: [made.id], body: { enabled: false } })).enabled, false);
  const hooks = [];
  for await (const hook of sluice.pages("listWebhooks")) hooks.push(hook.id);
  assert.ok(hooks.includes(made.id));
  assert.equal((await sluice.call("deleteWebhook", { path: [made.id] })).deleted, true);
  assert.match(await sluice.call("getTemplateExampleCsv", { path: ["tpl_igaming"], query: { kind: "events" } }), /externalId/);
  assert.ok("$schema" in (await sluice.call("getTemplateJsonSchema", { path: ["tpl_igaming"] })));
  for await (const { action } of sluice.pages("listAuditLog", { query: { object: "webhook", limit: 1 } })) assert.match(action, /^webhook\./);
  assert.equal((await sluice.call("getCapabilities")).limits.arrayItems instanceof Object, true);
});

test("an upload in parts is one job, and its bad items come as a file", async () => {
  const contentType = "application/x-ndjson";
  const { uploadId } = await sluice.call("createUpload", { body: { kind: "entities", contentType } });
  for (const part of [2, 1]) {
    const body = new TextEncoder().encode(JSON.stringify(player(part, part === 1 ? {} : undefined)));
    assert.equal((await sluice.call("putUploadPart", { path: [uploadId, part], body, contentType })).items, 1);
  }
  const { jobId } = await sluice.call("completeUpload", { path: [uploadId], body: { parts: 2 } });
  const job = await sluice.jobs.get(jobId);
  assert.equal((await job.wait()).effects.created, 1);
  const file = await sluice.open("downloadJobErrors", { path: [jobId] });
  assert.match(await file.text(), /"_sluice"/);
  const stream = await sluice.open("streamJob", { path: [jobId] });
  assert.match(await stream.text(), /event: end/);
});

test("the public API has its client", async () => {
  const client = new PublicClient({ key: process.env.SLUICE_PUBLIC_KEY });
  assert.equal((await client.call("getKeyHealth")).status, "healthy");
  const order = { type: "Order", id: `1/${randomUUID()}`, properties: { total: 9n } };
  assert.equal((await client.call("upsertObject", { body: order })).created, true);
  assert.deepEqual((await client.call("getObject", { path: ["Order", order.id] })).properties, { total: 9 });
  assert.equal((await client.call("recordEvent", { body: { event: "Paid", objects: [order] } })).objects_count, 1);
  const job = await client.sendObjects([order, order]);
  assert.equal((await job.wait()).effects.unchanged, 2);
  const bad = await client.sendEvents([{ event: "", objects: [order] }]);
  await bad.wait();
  for await (const error of bad.errors()) assert.equal(error.item.event, "");
  await assert.rejects(client.jobs.get(`job_${"0".repeat(32)}`), NotFound);
});
