// The entry point of a Worker that is compiled from Rust. It hands events to the module, and sees to it that a panic is
// noticed: a broken module never settles the promises that it gave out, so whoever waits for one would wait for ever.
import * as module from "./index.js";

const EVENTS = ["fetch", "scheduled", "queue", "email"];

/** What the module says about itself; its panic hook sets `criticalError`. */
const state = module.__worker_init_state();

/** How to reject each promise that the module has not settled yet. */
const running = new Set();

/** Gives the module up: everything that is running fails, and the next event starts a new instance. */
function giveUp(cause) {
  state.criticalError = true;
  const error = new Error(globalThis.portwayPanic ?? "the module broke down", { cause });
  globalThis.portwayPanic = undefined;
  for (const reject of running) reject(error);
  running.clear();
  return error;
}

// A panic while a promise is continued reaches nobody else.
addEventListener("error", (event) => giveUp(event.error));

function handle(handler, event, env, context) {
  if (state.criticalError) {
    module.__wbg_reset_state();
    state.criticalError = false;
  }
  return new Promise((resolve, reject) => {
    running.add(reject);
    try {
      handler(event, env, context)
        .then(resolve, reject)
        .finally(() => running.delete(reject));
    } catch (error) {
      giveUp(error);
    }
  });
}

const handlers = {};
for (const name of EVENTS) {
  const handler = module[name];
  if (handler !== undefined) handlers[name] = (event, env, context) => handle(handler, event, env, context);
}

export default handlers;
