// Makes src/schema.ts, the types of the server's OpenAPI document: reads the document from standard input, and writes the file
// that is named.
//
// Examples, headers and refusals are left out: they would be three quarters of the file. Refusals become errors
// (src/errors.ts), and paths stand in src/operations.ts.
import { writeFileSync } from "node:fs";
import openapiTS, { astToString } from "openapi-typescript";

const KEPT = new Set(["components", "operations"]);
const LEFT_OUT = new Set(["example", "examples", "headers", "links"]);

function withoutExamples(part, isNames = false) {
  if (Array.isArray(part)) return part.map((inner) => withoutExamples(inner));
  if (part === null || typeof part !== "object") return part;
  const kept = Object.entries(part).filter(([name]) => isNames || !LEFT_OUT.has(name));
  return Object.fromEntries(kept.map(([name, inner]) => [name, withoutExamples(inner, name === "properties")]));
}

function withoutRefusals(document) {
  for (const path of Object.values(document.paths))
    for (const operation of Object.values(path))
      for (const status of Object.keys(operation.responses)) if (status >= "400") delete operation.responses[status];
  return document;
}

const chunks = [];
for await (const chunk of process.stdin) chunks.push(chunk);
const document = withoutRefusals(withoutExamples(JSON.parse(Buffer.concat(chunks).toString())));
const types = await openapiTS(document, { alphabetize: true, defaultNonNullable: false, silent: true });
const kept = types.filter((node) => KEPT.has(node.name?.text));
const head = "// Made by make-schema.js of the server's OpenAPI document: after a change there, `make client-types`.\n";
writeFileSync(process.argv[2], head + astToString(kept));
