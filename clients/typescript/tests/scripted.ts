// A server that answers request by request as a test tells it to.
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** An answer, or what becomes of the connection instead: `lost` once the request is there, `silent` without any answer. */
export type Answer =
  | { status?: number; headers?: Record<string, string>; data?: unknown; code?: string; text?: string }
  | "lost"
  | "silent";

export interface Heard {
  method: string;
  path: string;
  headers: IncomingMessage["headers"];
  body: string;
}

/** Start one; its last answer is given again and again. */
export async function scripted(...answers: (Answer | ((request: Heard) => Answer | Promise<Answer>))[]) {
  const requests: Heard[] = [];
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    const body = Buffer.concat(chunks).toString();
    const heard = { method: request.method!, path: request.url!, headers: request.headers, body };
    requests.push(heard);
    const answer = answers.length > 1 ? answers.shift()! : answers[0]!;
    give(typeof answer === "function" ? await answer(heard) : answer, response);
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function give(answer: Answer, response: ServerResponse): void {
  if (answer === "silent") return;
  if (answer === "lost") {
    response.destroy();
    return;
  }
  const { status = answer.code === undefined ? 200 : 400, headers = {}, data, code, text } = answer;
  const body = code === undefined ? { success: true, data } : { success: false, error: { code, message: "no" } };
  response.writeHead(status, { "Content-Type": "application/json", ...headers }).end(text ?? JSON.stringify(body));
}
