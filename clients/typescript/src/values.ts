// JavaScript values as exact JSON, and back.
//
// JSON.stringify writes an item in less than a microsecond, but writes NaN as null, a Map as {}, and refuses a bigint. So only
// items whose JSON may hide such a value are looked at value by value.
import { UnsupportedValue } from "./errors.js";

let wroteExact = false;

/** A JSON number to the digit, such as `145.50` or one of 40 digits. */
export class ExactNumber {
  readonly #text: string;

  /** Take the text of a JSON number. */
  constructor(text: string) {
    if (!/^-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?$/.test(text)) {
      throw new UnsupportedValue(`${JSON.stringify(text)} is no JSON number`);
    }
    this.#text = text;
  }

  toString(): string {
    return this.#text;
  }

  /** Return the nearest JavaScript number. */
  valueOf(): number {
    return Number(this.#text);
  }

  /** Return what JSON.stringify writes: the number itself where the engine has JSON.rawJSON, else the nearest one. */
  toJSON(): unknown {
    wroteExact = true;
    return (JSON as { rawJSON?: (text: string) => unknown }).rawJSON?.(this.#text) ?? Number(this.#text);
  }
}

/**
 * Return an item as one line of JSON, its numbers exact.
 *
 * @throws UnsupportedValue if it holds what JSON has not.
 */
export function line(item: unknown): string {
  try {
    wroteExact = false;
    const text = JSON.stringify(item);
    if (text && !wroteExact && !text.includes("null") && !text.includes("{}")) return text;
  } catch {
    // A bigint, or an object within itself: told apart below.
  }
  const mark = crypto.randomUUID(); // a beginning that no text has
  const paths = new Map<unknown, string>();
  function exact(this: any, name: string, value: unknown): unknown {
    const given = this[name]; // before its toJSON
    const path = (paths.get(this) ?? "") + (name && `/${name}`);
    if (given instanceof ExactNumber || typeof value === "bigint") return `${mark}${given}`;
    if (isLost(given) || (!path && value === undefined)) {
      throw new UnsupportedValue(`${path || "The item"} is ${given}, which JSON has not`);
    }
    paths.set(value, path);
    return value;
  }
  try {
    return JSON.stringify(item, exact).replaceAll(new RegExp(`"${mark}([^"]*)"`, "g"), "$1");
  } catch (cause) {
    throw cause instanceof UnsupportedValue ? cause : new UnsupportedValue(`The item is no JSON: ${cause}`);
  }
}

/** True if JSON.stringify would write a value as null or {} without a word. */
function isLost(value: any): boolean {
  const kind = Object.prototype.toString.call(value);
  return /^.object (Map|Set|Promise)/.test(kind) || (/^.object (Number|Date)/.test(kind) && !Number.isFinite(+value));
}

const TOKENS = /"(?:[^"\\]|\\.)*"|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/g;

/** Return the value of a JSON text; numbers that a JavaScript number does not hold to the digit become ExactNumber. */
export function parseExactly(text: string): unknown {
  const mark = crypto.randomUUID(); // a member name that no text has
  const marked = text.replace(TOKENS, (token) =>
    token[0] === '"' || String(Number(token)) === token ? token : `{"${mark}":"${token}"}`,
  );
  if (marked === text) return JSON.parse(text);
  return JSON.parse(marked, (_, value) => (value?.[mark] ? new ExactNumber(value[mark]) : value));
}
