// When a call is made again, and after how long.
import { ApiError, TransportError } from "./errors.js";

const FIRST_MS = 250;
const LONGEST_MS = 8_000;
const LONGEST_RETRY_AFTER_MS = 120_000;

/** The facts of a call after one of its tries has failed. */
export interface Tried {
  /** So far, from 1. */
  tries: number;
  /** Milliseconds of the call's time. */
  left: number;
  /** The request does no harm if the one before was carried out. */
  repeatable: boolean;
}

/** Return the milliseconds to wait before the next try; undefined if the error is to be thrown. */
export function pauseAfter(error: unknown, { tries, left, repeatable }: Tried): number | undefined {
  if (!mayFareBetter(error, repeatable)) return undefined;
  const asked = error instanceof ApiError ? (error.retryAfter ?? 0) * 1_000 : 0;
  if (asked > LONGEST_RETRY_AFTER_MS) return undefined;
  // "Full jitter": clients that were cut off together come back one by one. A server that asks for no pause gets one too.
  const pause = Math.max(asked, Math.random() * Math.min(LONGEST_MS, FIRST_MS * 2 ** (tries - 1)));
  return pause < left ? pause : undefined;
}

function mayFareBetter(error: unknown, repeatable: boolean): boolean {
  if (error instanceof TransportError) return repeatable || error.neverSent;
  if (!(error instanceof ApiError)) return false;
  // The server has stored nothing of a request that it refused so (docs/contracts/operator.md section 1) …
  if (error.status === 429 || error.status === 503 || error.code === "IDEMPOTENCY_IN_PROGRESS") return true;
  // … but a proxy that answers so cannot know.
  return repeatable && (error.status === 502 || error.status === 504);
}

/**
 * Return the seconds of a header Retry-After, which holds seconds or an HTTP date; undefined if it holds neither.
 *
 * @param date the answer's header Date, so that the two machines' clocks may differ.
 */
export function retryAfterOf(text: string | null, date: string | null): number | undefined {
  if (!text) return undefined;
  if (/^\d+$/.test(text)) return Number(text);
  const until = /^[A-Z][a-z]+,? /.test(text) ? Date.parse(text) : Number.NaN;
  return Number.isNaN(until) ? undefined : Math.max(0, until - (Date.parse(date ?? "") || Date.now())) / 1_000;
}
