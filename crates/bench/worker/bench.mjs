// Measures the gateway as a Worker beside the plain one, both in one workerd and on one database:
// `node bench.mjs <Miniflare's module> <folder of the gateway> <script of the plain Worker> <rounds>`.
// Prints a table of what a request costs: processor time of workerd, medians of the rounds, which alternate.
import { readFileSync, readdirSync } from "node:fs";
import { Agent, request } from "node:http";
import { createRequire } from "node:module";
import { text } from "node:stream/consumers";

import { gateway } from "../../host-wasm/deployment.mjs";

const [miniflare, folder, plain, rounds] = process.argv.slice(2);
const { Miniflare } = createRequire(import.meta.url)(miniflare);

const KEY = "sk_live_00000000000000000000000000000000";

/** Requests that are on their way at once. */
const CONNECTIONS = 8;

/** Requests of a round. */
const REQUESTS = 1_000;

/** Rounds before the first that counts: caches are filled, and what is called often is compiled again to be faster. */
const EARLY = 5;

/** Sessions that there are. */
const SESSIONS = 100;

/** Ticks in which the kernel tells processor time, in milliseconds each. */
const TICK = 10;

const socket = { unsafeDirectSockets: [{ host: "127.0.0.1", port: 0 }] };
const deployed = gateway(folder, { PORTWAY_BOOTSTRAP_KEY: KEY, PORTWAY_ACCESS_LOG: "off" });
const { compatibilityDate, d1Databases } = deployed;
const server = new Miniflare({
  cf: false,
  handleRuntimeStdio(stdout, stderr) {
    stdout.resume();
    stderr.pipe(process.stderr);
  },
  workers: [
    { ...deployed, ...socket },
    { name: "plain", modules: true, scriptPath: plain, compatibilityDate, d1Databases, ...socket },
  ],
});

const agent = new Agent({ keepAlive: true, maxSockets: CONNECTIONS });

/** Sends a request and answers status and text. */
function ask(base, { method = "GET", path, body }, key) {
  const headers = key === undefined ? {} : { authorization: `Bearer ${key}` };
  if (body !== undefined) headers["content-type"] = "application/json";
  return new Promise((resolve, reject) => {
    const asked = request(new URL(path, base), { method, headers, agent }, (response) => {
      text(response).then((answer) => resolve({ status: response.statusCode, answer }), reject);
    });
    asked.on("error", reject);
    asked.end(body);
  });
}

async function expect(status, base, asked, key) {
  const { status: found, answer } = await ask(base, asked, key);
  if (found !== status) throw new Error(`${asked.method ?? "GET"} ${asked.path} of ${base}: ${found} ${answer}`);
  return answer;
}

/** The processes that run Workers. */
function runtimes() {
  const parents = new Map();
  for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
    try {
      const [, name, parent] = /^\d+ \((.*)\) \S (\d+)/s.exec(readFileSync(`/proc/${pid}/stat`, "latin1"));
      parents.set(pid, { name, parent });
    } catch {
      // It has ended meanwhile.
    }
  }
  const isOurs = (pid) => pid === `${process.pid}` || (parents.has(pid) && isOurs(parents.get(pid).parent));
  return [...parents].filter(([pid, { name }]) => name === "workerd" && isOurs(pid)).map(([pid]) => pid);
}

/** Processor time of a process, in milliseconds. */
function used(pid) {
  const fields = readFileSync(`/proc/${pid}/stat`, "latin1").split(") ")[1].split(" ");
  return (Number(fields[11]) + Number(fields[12])) * TICK;
}

/** What a request costs, in microseconds of processor time and of a clock. */
async function round(pids, base, asked, status, key) {
  const before = pids.reduce((sum, pid) => sum + used(pid), 0);
  const begin = performance.now();
  let left = REQUESTS;
  const lane = async () => {
    while (left-- > 0) await expect(status, base, asked, key);
  };
  await Promise.all(Array.from({ length: CONNECTIONS }, lane));
  const elapsed = performance.now() - begin;
  const cpu = pids.reduce((sum, pid) => sum + used(pid), 0) - before;
  return { cpu: (cpu * 1_000) / REQUESTS, rate: REQUESTS / (elapsed / 1_000) };
}

function median(values) {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];
}

async function main() {
  await server.ready;
  const bases = {};
  for (const name of ["plain", "portway"]) bases[name] = await server.unsafeGetDirectURL(name);
  const pids = runtimes();
  if (pids.length === 0) throw new Error("there is no process of workerd");
  const created = await expect(201, bases.portway, { method: "POST", path: "/api/api-keys", body: '{"name":"bench"}' }, KEY);
  const key = JSON.parse(created).token;
  let session;
  for (let number = 0; number < SESSIONS; number++) {
    const opening = { method: "POST", path: "/api/sessions", body: '{"workspace":"bench","title":"A session of the benchmark"}' };
    session = JSON.parse(await expect(201, bases.portway, opening, key)).session.id;
    // No backend starts sandboxes here, and none is to be asked for one meanwhile.
    await expect(200, bases.portway, { method: "DELETE", path: `/api/sessions/${session}` }, key);
  }
  const cases = [
    ["health", { path: "/health" }, 200],
    ["list of 20 sessions", { path: "/api/sessions?limit=20" }, 200],
    ["one session", { path: `/api/sessions/${session}` }, 200],
    ["insert of a key", { method: "POST", path: "/api/api-keys", body: '{"name":"bench"}' }, 201],
  ];
  console.log("| request | plain, CPU | Portway, CPU | ratio | plain, per second | Portway, per second |");
  console.log("|---|---|---|---|---|---|");
  for (const [name, asked, status] of cases) {
    const samples = { plain: [], portway: [] };
    for (let number = 0; number < EARLY + Number(rounds); number++) {
      for (const [subject, base] of Object.entries(bases)) {
        const sample = await round(pids, base, asked, status, key);
        if (number >= EARLY) samples[subject].push(sample);
      }
    }
    const [beside, own] = ["plain", "portway"].map((subject) => ({
      cpu: median(samples[subject].map(({ cpu }) => cpu)),
      rate: median(samples[subject].map(({ rate }) => rate)),
    }));
    const ratio = (own.cpu / beside.cpu).toFixed(2);
    const [plainRate, ownRate] = [beside, own].map(({ rate }) => Math.round(rate));
    console.log(`| ${name} | ${beside.cpu.toFixed(0)} µs | ${own.cpu.toFixed(0)} µs | ${ratio} | ${plainRate} | ${ownRate} |`);
  }
}

try {
  await main();
} finally {
  agent.destroy();
  await server.dispose();
}
