// The plain Worker: the same answers on the same database, the straightforward way. One query finds the caller, one does
// what the route is for. No access log, no limits, no request ids, no security headers, no Durable Objects.
import { Hono } from "hono";

interface Caller {
  id: string;
  email: string;
  name: string | null;
  avatar_url: string | null;
}

interface SessionRow {
  id: string;
  owner_id: string;
  workspace: string;
  status: string;
  title: string | null;
  agent: string;
  directory: string | null;
  metadata: string | null;
  error_message: string | null;
  created_at: number;
  last_active_at: number;
}

interface DetailRow extends SessionRow {
  state: string;
  message_count: number;
}

interface State {
  status: string;
  runner: { generation: number; link: { state: string } };
  turn: unknown;
  queue: unknown[];
}

/** The part of a D1 database that is used here. */
interface Database {
  prepare(sql: string): Statement;
}

interface Statement {
  bind(...values: unknown[]): Statement;
  first<T>(): Promise<T | null>;
  all<T>(): Promise<{ results: T[] }>;
  run(): Promise<unknown>;
}

const CALLER = `SELECT id, email, name, avatar_url FROM users WHERE id = (SELECT user_id FROM access_tokens
  WHERE token_hash = ? AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > ?))`;

const SESSIONS = `SELECT id, owner_id, workspace, status, title, agent, directory, metadata, error_message, created_at,
  last_active_at FROM sessions WHERE owner_id = ? ORDER BY created_at DESC, id DESC LIMIT ?`;

const SESSION = `SELECT s.id, s.owner_id, s.workspace, s.status, s.title, s.agent, s.directory, s.metadata,
  s.error_message, s.created_at, s.last_active_at, e.state,
  (SELECT count(*) FROM messages m WHERE m.session_id = s.id) AS message_count
  FROM sessions s JOIN engines e ON e.session_id = s.id WHERE s.id = ? AND s.owner_id = ?`;

const INSERT = `INSERT INTO access_tokens (id, user_id, kind, name, prefix, token_hash, created_at, expires_at)
  VALUES (?, ?, 'api', ?, ?, ?, ?, NULL)`;

const app = new Hono<{ Bindings: { DB: Database }; Variables: { caller: Caller } }>();

app.get("/health", (context) => context.json({ status: "ok", timestamp: new Date().toISOString() }));

app.use("/api/*", async (context, next) => {
  const token = context.req.header("authorization")?.match(/^Bearer (.+)$/)?.[1];
  if (token === undefined) return context.json({ error: "Missing or invalid authentication" }, 401);
  const found = context.env.DB.prepare(CALLER).bind(await hash(token), Date.now() * 1_000);
  const caller = await found.first<Caller>();
  if (caller === null) return context.json({ error: "Missing or invalid authentication" }, 401);
  context.set("caller", caller);
  await next();
});

app.get("/api/sessions", async (context) => {
  const caller = context.get("caller");
  const limit = Math.min(Math.max(Number(context.req.query("limit") ?? 20), 1), 100);
  const { results } = await context.env.DB.prepare(SESSIONS).bind(caller.id, limit + 1).all<SessionRow>();
  const hasMore = results.length > limit;
  const rows = results.slice(0, limit);
  const last = rows.at(-1);
  return context.json({
    sessions: rows.map((row) => ({
      ...session(row),
      ownerName: caller.name ?? undefined,
      ownerEmail: caller.email,
      ownerAvatarUrl: caller.avatar_url ?? undefined,
      participantCount: 0,
      participants: [],
      isOwner: row.owner_id === caller.id,
    })),
    cursor: hasMore && last !== undefined ? `${last.created_at}.${last.id}` : undefined,
    hasMore,
  });
});

app.get("/api/sessions/:id", async (context) => {
  const caller = context.get("caller");
  const row = await context.env.DB.prepare(SESSION).bind(context.req.param("id"), caller.id).first<DetailRow>();
  if (row === null) return context.json({ error: "Session not found" }, 404);
  const state: State = JSON.parse(row.state);
  const link = state.runner.link.state;
  const [hasSandbox, isConnected, isBusy] = [link !== "none", link === "connected", state.turn != null];
  const agentState = isConnected && isBusy ? "busy" : isConnected && hasSandbox ? "idle" : "standby";
  return context.json({
    session: { ...session(row), tunnels: null },
    doStatus: {
      sessionId: row.id,
      userId: row.owner_id,
      workspace: row.workspace,
      status: state.status,
      lifecycleStatus: state.status,
      sandboxId: hasSandbox ? `${row.id}.${state.runner.generation}` : null,
      tunnelUrls: null,
      tunnels: null,
      runnerConnected: isConnected,
      runnerBusy: isBusy,
      agentState,
      sandboxState: hasSandbox ? "running" : "stopped",
      jointState: agentState,
      messageCount: row.message_count,
      queuedPrompts: state.queue.length,
      connectedClients: 0,
      connectedUsers: [],
      runningStartedAt: null,
    },
  });
});

app.post("/api/api-keys", async (context) => {
  const { name } = await context.req.json<{ name: string }>();
  const now = Date.now();
  const body = `sk_live_${now.toString(16).padStart(12, "0")}${hex(crypto.getRandomValues(new Uint8Array(32)))}`;
  const token = body + (await sha256(body)).slice(0, 8);
  const [id, prefix] = [crypto.randomUUID(), `${token.slice(0, 7)}...${token.slice(-4)}`];
  const insert = context.env.DB.prepare(INSERT);
  await insert.bind(id, context.get("caller").id, name, prefix, await hash(token), now * 1_000).run();
  return context.json({ id, name, prefix, createdAt: new Date(now).toISOString(), expiresAt: null, token }, 201);
});

function session(row: SessionRow) {
  return {
    id: row.id,
    userId: row.owner_id,
    workspace: row.workspace,
    status: row.status,
    title: row.title ?? undefined,
    agent: row.agent,
    directory: row.directory ?? undefined,
    metadata: row.metadata === null ? undefined : JSON.parse(row.metadata),
    errorMessage: row.error_message ?? undefined,
    purpose: "interactive",
    createdAt: new Date(row.created_at / 1_000).toISOString(),
    lastActiveAt: new Date(row.last_active_at / 1_000).toISOString(),
  };
}

function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

async function sha256(text: string): Promise<string> {
  return hex(new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text))));
}

/** A key begins with the time at which it was made, and so does its hash. */
async function hash(token: string): Promise<string> {
  return token.slice(8, 20) + (await sha256(token)).slice(12);
}

export default app;
