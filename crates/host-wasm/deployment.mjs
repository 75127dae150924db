// The gateway as Miniflare takes a Worker: everything is as in wrangler.jsonc.
import { readFileSync } from "node:fs";
import { join } from "node:path";

const text = readFileSync(new URL("wrangler.jsonc", import.meta.url), "utf8");

/** How the Worker is deployed. */
export const deployment = JSON.parse(text.replace(/^\s*\/\/.*$/gm, ""));

const stateful = deployment.migrations.flatMap((migration) => migration.new_sqlite_classes);

/** The Worker that was built into a folder, with these variables. */
export function gateway(folder, variables) {
  return {
    name: "portway",
    modulesRoot: folder,
    modules: [
      { type: "ESModule", path: join(folder, "worker.js") },
      { type: "CompiledWasm", path: join(folder, "index_bg.wasm") },
    ],
    compatibilityDate: deployment.compatibility_date,
    bindings: variables,
    d1Databases: Object.fromEntries(deployment.d1_databases.map((of) => [of.binding, of.database_name])),
    r2Buckets: Object.fromEntries(deployment.r2_buckets.map((of) => [of.binding, of.bucket_name])),
    queueProducers: Object.fromEntries(deployment.queues.producers.map((of) => [of.binding, { queueName: of.queue }])),
    queueConsumers: Object.fromEntries(
      deployment.queues.consumers.map((of) => [
        of.queue,
        {
          maxBatchSize: of.max_batch_size,
          maxBatchTimeout: of.max_batch_timeout,
          maxRetries: of.max_retries,
          retryDelay: of.retry_delay,
        },
      ]),
    ),
    durableObjects: Object.fromEntries(
      deployment.durable_objects.bindings.map(({ name, class_name: className }) => [
        name,
        { className, useSQLite: stateful.includes(className) },
      ]),
    ),
  };
}
