// Every operation of both APIs: its method, its path with `{}` in the place of each argument, and marks of how it is called.
// The names are the `operationId`s of the server's OpenAPI documents; the compiler and a test hold this table to those.
import type { operations } from "./schema.js";

type ServiceId =
  | "getHealth"
  | "getReadiness"
  | "getDocument"
  | "getOperatorDocument"
  | "getPublicDocument";

/** The name of an operation of the operator API or of the public API. */
export type OperationId = Exclude<keyof operations, ServiceId>;

type PublicJobId = Extract<OperationId, `${string}PublicJob${string}`>;

const OPERATOR = "/operator-data-api";
const JOB = `${OPERATOR}/batch/jobs/{}`;
const PUBLIC = "/api/public/v1";

// Marks: `key` sends an `Idempotency-Key`, so that a repeat does nothing more. `once`, without a key, is repeated only if the
// server has said that it did nothing, because a repeat would do it twice. Without either, a repeat does no harm. `data` answers with JSON of
// the caller's own, whose numbers may be read exactly; `bare` without an envelope.
const OPERATIONS: Readonly<Record<Exclude<OperationId, PublicJobId>, string>> = {
  createKey: "POST /api-keys once",
  listKeys: "GET /api-keys",
  changeKey: "PATCH /api-keys",
  revokeKey: "DELETE /api-keys once",
  listAuditLog: `GET ${OPERATOR}/audit`,
  writeEntities: `POST ${OPERATOR}/batch/entities key`,
  writeEvents: `POST ${OPERATOR}/batch/events key`,
  listJobs: `GET ${OPERATOR}/batch/jobs`,
  getJob: `GET ${JOB}`,
  relabelJob: `PATCH ${JOB} key`,
  cancelJob: `POST ${JOB}/cancel key`,
  commitJob: `POST ${JOB}/commit key once`,
  listJobErrors: `GET ${JOB}/errors data`,
  downloadJobErrorsAsCsv: `GET ${JOB}/errors.csv`,
  downloadJobErrors: `GET ${JOB}/errors.ndjson`,
  getJobItem: `GET ${JOB}/items/{} data`,
  pauseJob: `POST ${JOB}/pause key`,
  listJobResults: `GET ${JOB}/results`,
  resumeJob: `POST ${JOB}/resume key`,
  retryJob: `POST ${JOB}/retry key once`,
  streamJob: `GET ${JOB}/stream`,
  listJobTimeline: `GET ${JOB}/timeline`,
  listJobWarnings: `GET ${JOB}/warnings`,
  writeStates: `POST ${OPERATOR}/batch/states key`,
  createUpload: `POST ${OPERATOR}/batch/uploads key`,
  getUpload: `GET ${OPERATOR}/batch/uploads/{}`,
  deleteUpload: `DELETE ${OPERATOR}/batch/uploads/{} once`,
  completeUpload: `POST ${OPERATOR}/batch/uploads/{}/complete key`,
  putUploadPart: `PUT ${OPERATOR}/batch/uploads/{}/parts/{}`,
  getCapabilities: `GET ${OPERATOR}/capabilities`,
  getWorkers: `GET ${OPERATOR}/workers`,
  upsertEntity: `POST ${OPERATOR}/entities key`,
  getEntity: `GET ${OPERATOR}/entities/{} data`,
  deleteEntity: `DELETE ${OPERATOR}/entities/{} key`,
  appendEvent: `POST ${OPERATOR}/entities/{}/events key`,
  listEvents: `GET ${OPERATOR}/entities/{}/events data`,
  listStates: `GET ${OPERATOR}/entities/{}/state data`,
  setState: `PUT ${OPERATOR}/entities/{}/state/{} key data`,
  getState: `GET ${OPERATOR}/entities/{}/state/{} data`,
  getSettings: `GET ${OPERATOR}/settings`,
  changeSettings: `PUT ${OPERATOR}/settings`,
  listTemplates: `GET ${OPERATOR}/templates`,
  storeTemplate: `PUT ${OPERATOR}/templates/{} once`,
  checkTemplate: `POST ${OPERATOR}/templates/{}/check key`,
  getTemplateExampleCsv: `GET ${OPERATOR}/templates/{}/example.csv`,
  getTemplateExampleLines: `GET ${OPERATOR}/templates/{}/example.ndjson`,
  getTemplateJsonSchema: `GET ${OPERATOR}/templates/{}/json-schema bare`,
  createWebhook: `POST ${OPERATOR}/webhooks once`,
  listWebhooks: `GET ${OPERATOR}/webhooks`,
  getWebhook: `GET ${OPERATOR}/webhooks/{}`,
  changeWebhook: `PATCH ${OPERATOR}/webhooks/{}`,
  deleteWebhook: `DELETE ${OPERATOR}/webhooks/{} once`,
  listDeliveries: `GET ${OPERATOR}/webhooks/{}/deliveries`,
  replayDelivery: `POST ${OPERATOR}/webhooks/{}/deliveries/{}/replay once`,
  rotateWebhook: `POST ${OPERATOR}/webhooks/{}/rotate once`,
  testWebhook: `POST ${OPERATOR}/webhooks/{}/test once`,
  recordEvent: `POST ${PUBLIC}/event once bare`,
  recordEvents: `POST ${PUBLIC}/event/batch once bare`,
  getKeyHealth: `GET ${PUBLIC}/health bare`,
  getObject: `GET ${PUBLIC}/object/{}/{} bare data`,
  upsertObjects: `POST ${PUBLIC}/object/batch bare`,
  upsertObject: `POST ${PUBLIC}/object/upsert bare`,
};

/** Return method, path and marks of an operation. The public API has the same calls about jobs, and takes no keys. */
export function callOf(operation: OperationId): [method: string, path: string, ...marks: string[]] {
  const name = operation.replace("PublicJob", "Job");
  const call = OPERATIONS[name as keyof typeof OPERATIONS];
  const text = name === operation ? call : call.replace(OPERATOR, PUBLIC).replace(" key", "");
  return text.split(" ") as [string, string, ...string[]];
}
