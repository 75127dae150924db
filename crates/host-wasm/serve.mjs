// Serves the gateway in workerd on this machine:
// `node serve.mjs <Miniflare's module> <folder of the Worker> <folder for data> <port>`. Variables of the environment that
// begin with PORTWAY_ are variables of the Worker.
import { createRequire } from "node:module";
import { join } from "node:path";

import { deployment, gateway } from "./deployment.mjs";

const [miniflare, folder, data, port] = process.argv.slice(2);
const { Miniflare } = createRequire(import.meta.url)(miniflare);

/** How often what is due is done, in milliseconds: a Worker that is deployed has a schedule for that. */
const TICK = 1_000;

const [everyMinute] = deployment.triggers.crons;

const variables = Object.entries(process.env).filter(([name]) => /^PORTWAY_(?!TEST_)/.test(name));

const server = new Miniflare({
  host: "127.0.0.1",
  port: Number(port),
  cf: false,
  defaultPersistRoot: data,
  d1Persist: join(data, "d1"),
  r2Persist: join(data, "r2"),
  durableObjectsPersist: join(data, "objects"),
  handleRuntimeStdio(stdout, stderr) {
    for (const stream of [stdout, stderr]) stream.pipe(process.stderr);
  },
  unsafeTriggerHandlers: true,
  workers: [gateway(folder, Object.fromEntries(variables))],
});

let ticking;
async function stop() {
  clearTimeout(ticking);
  await server.dispose();
  process.exit(0);
}
// Miniflare would end this process without finishing what it does.
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.removeAllListeners(signal).once(signal, stop);

const url = await server.ready;
// Miniflare's own call of the handler blocks this process, and so whatever workerd prints meanwhile, until it is answered:
// workerd would wait to be read while it is waited for.
const schedule = new URL(`cdn-cgi/handler/scheduled?cron=${encodeURIComponent(everyMinute)}`, url);
async function tick() {
  try {
    const answer = await fetch(schedule);
    if (!answer.ok) throw new Error(`${answer.status} ${await answer.text()}`);
  } catch (error) {
    console.error(`the schedule failed: ${error}`);
  }
  // For tests of what goes on without it.
  if (process.env.PORTWAY_TEST_SCHEDULE !== "once") ticking = setTimeout(tick, TICK);
}
// At once, so that what was left undone is begun and the schema is there when the first request comes.
await tick();
console.log(`Portway listens on ${url.href.replace(/\/$/, "")} in workerd`);
