// Runs the trials of the conformance Worker in workerd, one after the other, each on a D1 database and an R2 bucket of its
// own:
// `node trials.mjs <Miniflare's module> <folder of the Worker> [part of a name]`.
import { request } from "node:http";
import { createRequire } from "node:module";
import { join } from "node:path";
import { text } from "node:stream/consumers";

const [miniflare, folder, filter = ""] = process.argv.slice(2);
const { Miniflare } = createRequire(import.meta.url)(miniflare);

/** How long a trial may take, in milliseconds. */
const PATIENCE = 60_000;

/** What a panic has to be reported as. */
const PANIC = "asked for by a test";

/** A trial that takes long enough to be there when another request panics. */
const BYSTANDER = "d1::races::no_increment_is_lost";

/** What the Worker printed since the last trial began. */
let printed = "";

function options(databases) {
  return {
    host: "127.0.0.1",
    port: 0,
    cf: false,
    compatibilityDate: "2026-07-01",
    modulesRoot: folder,
    modules: [
      { type: "ESModule", path: join(folder, "worker.js") },
      { type: "CompiledWasm", path: join(folder, "index_bg.wasm") },
    ],
    // In memory: no path is given.
    d1Databases: Object.fromEntries(databases.map((database) => [database, database])),
    r2Buckets: Object.fromEntries(databases.map((database) => [`${database}_OBJECTS`, database.toLowerCase()])),
    durableObjects: { SESSIONS: "Topics", USERS: "Topics", CALLERS: "Callers" },
    handleRuntimeStdio(stdout, stderr) {
      for (const stream of [stdout, stderr]) stream.on("data", (bytes) => (printed += bytes));
    },
  };
}

/** Answers status and text. Every request has a connection of its own: one that was kept may be closed meanwhile. */
function ask(url, method, body) {
  return new Promise((resolve, reject) => {
    const asked = request(url, { method, agent: false, signal: AbortSignal.timeout(PATIENCE) }, (response) => {
      text(response).then((answer) => resolve({ status: response.statusCode, answer }), reject);
    });
    asked.on("error", reject);
    asked.end(body);
  });
}

/** Runs a trial and answers how it failed, or `null`. */
async function run(url, trial, database) {
  try {
    const { status, answer } = await ask(url, "POST", JSON.stringify({ trial, database }));
    return status === 200 ? JSON.parse(answer).failure : answer;
  } catch (error) {
    return `${error}`;
  }
}

/** Whether a panic ends what is running, instead of letting it hang, and leaves the Worker usable. */
async function panics(url, database) {
  const bystander = run(url, BYSTANDER, `${database}B`);
  const culprit = await run(url, "panic", database);
  if (!culprit?.includes(PANIC)) return `a panic was reported as: ${culprit}`;
  const witness = await bystander;
  if (witness !== null && !witness.includes(PANIC)) return `another request ended with: ${witness}`;
  const next = await run(url, "none", database);
  return next?.includes("no trial none") ? null : `the next request ended with: ${next}`;
}

async function main(server) {
  const { answer } = await ask(await server.ready, "GET");
  const names = JSON.parse(answer).filter((name) => name.includes(filter));
  const trials = names.map((name, index) => ({ name, database: `D${index}`, run }));
  const self = "worker::a_panic_ends_what_is_running";
  if (self.includes(filter)) {
    trials.push({ name: self, database: "P", run: (url, _, database) => panics(url, database) });
  }
  await server.setOptions(options([...trials.map(({ database }) => database), "PB"]));
  const url = await server.ready;

  console.log(`\nrunning ${trials.length} tests`);
  const failures = [];
  const start = performance.now();
  for (const { name, database, run } of trials) {
    printed = "";
    const failure = await run(url, name, database);
    console.log(`test ${name} ... ${failure === null ? "ok" : "FAILED"}`);
    if (failure !== null) failures.push({ name, failure, printed });
  }
  for (const { name, failure, printed } of failures) console.log(`\n---- ${name} ----\n${failure}\n${printed}`);
  const passed = trials.length - failures.length;
  const seconds = ((performance.now() - start) / 1000).toFixed(2);
  const outcome = failures.length === 0 ? "ok" : "FAILED";
  console.log(`\ntest result: ${outcome}. ${passed} passed; ${failures.length} failed; 0 ignored; finished in ${seconds}s\n`);
  return failures.length === 0;
}

const server = new Miniflare(options([]));
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) {
  process.once(signal, () => server.dispose().finally(() => process.exit(1)));
}
try {
  process.exitCode = (await main(server)) ? 0 : 1;
} finally {
  await server.dispose();
}
