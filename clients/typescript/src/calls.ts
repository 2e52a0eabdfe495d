// The types of every call, read off the OpenAPI document.
import type { OperationId } from "./operations.js";
import type { components, operations } from "./schema.js";
import type { CallOptions } from "./transport.js";

/** A shape of the document. */
export type Shape<Name extends keyof components["schemas"]> = components["schemas"][Name];

type Parameters<Id extends OperationId> = operations[Id]["parameters"];
type Content<Answer> = Answer extends { content: infer Forms }
  ? Forms extends { "application/json": infer Json }
    ? Json
    : string
  : never;
type Good<Responses> = Content<Responses[Extract<keyof Responses, 200 | 201 | 202>]>;
type WithoutEnvelope<Body> = Body extends { success: true; data: infer Data } ? Data : Body;

/** The query of a call. */
export type Query<Id extends OperationId> = NonNullable<Parameters<Id>["query"]>;
/** The JSON body of a call. */
export type Body<Id extends OperationId> = operations[Id] extends { requestBody?: { content: infer Forms } }
  ? (Forms extends { "application/json": infer Json } ? Json : never) | Uint8Array | string
  : never;
/** The data that a call answers with. */
export type Data<Id extends OperationId> = WithoutEnvelope<Good<operations[Id]["responses"]>>;
/** A row of the list that a call answers with. */
export type Row<Id extends OperationId> = Data<Id> extends readonly (infer One)[] ? One : never;

type Needed<Name extends string, Type, Part> = [Part] extends [never]
  ? { [Key in Name]?: never }
  : Record<never, never> extends Part
    ? { [Key in Name]?: Type }
    : { [Key in Name]: Type };

/** The arguments of a call. */
export type Request<Id extends OperationId> = CallOptions & {
  /** Of a body that is a text or bytes. */
  contentType?: string;
  headers?: Readonly<Record<string, string>>;
  /** One is made where the call takes one; all tries bear the same. */
  idempotencyKey?: string;
} & (operations[Id]["parameters"]["path"] extends object ? { path: readonly (string | number)[] } : { path?: never }) &
  Needed<"query", Query<Id>, Query<Id>> &
  (operations[Id] extends { requestBody: object } ? { body: Body<Id> } : { body?: Body<Id> });

/** The arguments of a call, which may be left out where none is needed. */
export type Arguments<Id extends OperationId> = Record<never, never> extends Request<Id>
  ? [request?: Request<Id>]
  : [request: Request<Id>];

/** Operations that answer with lists. */
export type ListId = { [Id in OperationId]: Data<Id> extends readonly unknown[] ? Id : never }[OperationId];
