// JavaScript values as exact JSON, and back: what is sent, as a server hears it.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Client, ExactNumber, UnsupportedValue } from "sluice-client";
import { scripted } from "./scripted.js";

/** Return the bytes that a value is sent as. */
async function sent(value: unknown): Promise<string> {
  await using server = await scripted({ data: { stateKey: "k", value: null } });
  await new Client({ url: server.url, key: "k" }).states.set("p", "k", value);
  return server.requests[0]!.body.slice('{"value":'.length, -1);
}

const item = { toJSON: () => ({ n: 10n }) };
const now = new Date();
const good: [unknown, string][] = [
  [new ExactNumber("145.50"), "145.50"],
  [12345678901234567890123456789012345678901n, "12345678901234567890123456789012345678901"],
  [[new ExactNumber("1e400"), { a: null, b: undefined, c: [undefined] }], '[1e400,{"a":null,"c":[null]}]'],
  [{ at: now, none: null }, `{"at":"${now.toISOString()}","none":null}`],
  [[item, item], '[{"n":10},{"n":10}]'],
  [{ text: 'null {} "quoted" \u2028', empty: {} }, '{"text":"null {} \\"quoted\\" \u2028","empty":{}}'],
  [[Object.create(null), new Boolean(true), new String("x"), null], '[{},true,"x",null]'],
];

test("values are sent exactly", async () => {
  for (const [value, text] of good) assert.equal(await sent(value), text);
});

const cycle: Record<string, unknown> = {};
cycle.self = cycle;
const bad: [unknown, RegExp][] = [
  [{ a: [1, NaN] }, /^UnsupportedValue: \/value\/a\/1 is NaN, which JSON has not$/],
  [Infinity, /\/value is Infinity/],
  [new Date(NaN), /\/value is Invalid Date/],
  [new Map([[1, 2]]), /\/value is \[object Map\]/],
  [new Set([1]), /Set/],
  [Promise.resolve(1), /Promise/],
  [cycle, /no JSON.*circular/is],
];

test("a value that JSON has not is refused by the way to it", async () => {
  for (const [value, message] of bad) {
    await assert.rejects(sent(value), (error) => error instanceof UnsupportedValue && message.test(String(error)));
  }
  assert.throws(() => new ExactNumber("1 "), UnsupportedValue);
});

const TEXT = '{"a":145.50,"b":[1,-0,1E5],"c":"145.50 \\" 7","d":1234567890123456789012345678901234567890,"e":2.5}';

test("numbers are read to the digit where they are asked for", async () => {
  await using server = await scripted({ text: `{"success":true,"data":{"stateKey":"k","value":${TEXT}}}` });
  const exact = await new Client({ url: server.url, key: "k", numbers: "exact" }).states.get("p", "k");
  const value = exact.value as Record<string, unknown>;
  assert.ok(value.a instanceof ExactNumber);
  assert.equal(String(value.a), "145.50");
  assert.equal(Number(value.a) + 1, 146.5);
  assert.equal(BigInt(String(value.d)), 1234567890123456789012345678901234567890n);
  assert.deepEqual([value.c, value.e, (value.b as unknown[]).map(String)], ['145.50 " 7', 2.5, ["1", "-0", "1E5"]]);
  assert.equal(await sent(value), TEXT);
  const plain = await new Client({ url: server.url, key: "k" }).states.get("p", "k");
  assert.equal((plain.value as Record<string, unknown>).a, 145.5);
});

test("JSON.stringify of a program writes an exact number as a number", () => {
  assert.equal(JSON.parse(JSON.stringify([new ExactNumber("145.50")]))[0], 145.5);
});
