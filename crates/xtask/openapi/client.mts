// One session through the client that TypeScript makes of the published description.
import createClient from "openapi-fetch";
import type { components, paths } from "./schema.js";

declare const process: { env: Record<string, string | undefined> };

const gateway = createClient<paths>({
  baseUrl: process.env.PORTWAY_URL,
  headers: { Authorization: `Bearer ${process.env.PORTWAY_KEY}` },
});

/** What an operation answered, unless it failed. */
function answer<T>({ data, error }: { data?: T; error?: components["schemas"]["Error"] }): T {
  if (data === undefined) throw new Error(`${error?.code}: ${error?.error}`);
  return data;
}

const opened = answer(await gateway.POST("/api/sessions", { body: { workspace: "typescript" } }));
const params = { path: { id: opened.session.id } };
answer(await gateway.POST("/api/sessions/{id}/messages", { params, body: { content: "/say typed hello" } }));

const patience = AbortSignal.timeout(60_000);
let said: string | undefined;
while (said !== "typed hello") {
  patience.throwIfAborted();
  await new Promise((resolve) => setTimeout(resolve, 50));
  const { messages } = answer(await gateway.GET("/api/sessions/{id}/messages", { params }));
  said = messages.find((message) => message.role === "assistant")?.content;
}

answer(await gateway.DELETE("/api/sessions/{id}", { params }));
const { session } = answer(await gateway.GET("/api/sessions/{id}", { params }));
if (session.status !== "terminated") throw new Error(`the session is ${session.status}`);
const { error } = await gateway.GET("/api/sessions/{id}", { params: { path: { id: "nobody" } } });
if (error?.code !== "NOT_FOUND") throw new Error(`a session that nobody opened: ${error?.code}`);
console.log(`TypeScript: ${session.id} said “${said}”`);
