// The TypeScript client of Sluice.
//
// client      Client and PublicClient: addresses, keys, any call by its name
// batches     entities, events and states: send, load, stream, and one by one
// load        a load under way; cutting: its batches; channel: between its tasks; reports: what it tells
// jobs        a job: watched, read and steered
// transport   one call: authenticated, retried, decoded; retry: when it is made again
// values      JavaScript values as exact JSON, and back
// errors      one tree, each error with what to do
// operations  every operation of the server; schema: their types, made of the OpenAPI document; calls: as arguments
export type { BatchOptions, LoadOptions, SendOptions, StreamOptions } from "./batches.js";
export type { Body, Data, ListId, Query, Request, Row, Shape } from "./calls.js";
export { Client, type ClientOptions, PublicClient } from "./client.js";
export type { Sizes, Source } from "./cutting.js";
export {
  type AnswerCode,
  ApiError,
  Conflict,
  Forbidden,
  Invalid,
  ItemsFailed,
  JobFailed,
  LoadBroken,
  NotFound,
  RateLimited,
  SluiceError,
  TooLarge,
  TransportError,
  Unauthorized,
  Unavailable,
  UnexpectedAnswer,
  UnsupportedValue,
  WaitTimeout,
} from "./errors.js";
export { type ErrorsOptions, type ItemError, type Job, type JobInfo, type Jobs, type Select, type WaitOptions } from "./jobs.js";
export type { OperationId } from "./operations.js";
export type { LoadEvent, Progress, Report } from "./reports.js";
export type { CallOptions, Retried } from "./transport.js";
export { ExactNumber } from "./values.js";
export { VERSION } from "./version.js";
