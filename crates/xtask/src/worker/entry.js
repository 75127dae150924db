// The entry point of a Worker that is compiled from Rust. It hands events to the module, and sees to it that a panic is
// noticed: a broken module never settles the promises that it gave out, so whoever waits for one would wait for ever.
import * as module from "./index.js";

const EVENTS = ["fetch", "scheduled", "queue", "email"];

/** What the module says about itself; its panic hook sets `criticalError`. */
const state = module.__worker_init_state();

/** How to reject each promise that the module has not settled yet. */
const running = new Set();

/** How many instances of the module there were. */
let generation = 0;

/** Gives the module up: everything that is running fails, and the next event starts a new instance. */
function giveUp(cause) {
  state.criticalError = true;
  const error = new Error(globalThis.portwayPanic ?? "the module broke down", { cause });
  globalThis.portwayPanic = undefined;
  console.error(`ERROR ${error.message}; it begins anew: ${cause?.stack ?? cause}`);
  for (const reject of running) reject(error);
  running.clear();
  return error;
}

// A panic while a promise is continued reaches nobody else. A timer or promise of an instance that is gone is no panic of
// the present one.
addEventListener("error", (event) => {
  if (!/previous wasm instance/i.test(event.error?.message)) giveUp(event.error);
});

/** Sees to it that there is an instance that works. */
function renew() {
  if (!state.criticalError) return;
  module.__wbg_reset_state();
  state.criticalError = false;
  generation += 1;
}

function handle(handler) {
  return new Promise((resolve, reject) => {
    running.add(reject);
    try {
      renew();
      handler()
        .then(resolve, reject)
        .finally(() => running.delete(reject));
    } catch (error) {
      giveUp(error);
    }
  });
}

/** A class of Durable Objects. One whose instance of the module broke down goes on with an object in the next one. */
function durable(name) {
  return class {
    constructor(state, env) {
      this.made = () => new module[name](state, env);
      this.make();
    }

    make() {
      renew();
      try {
        this.object = this.made();
      } catch (error) {
        throw giveUp(error);
      }
      this.generation = generation;
    }

    call(method, ...parameters) {
      return handle(() => {
        if (this.generation !== generation) this.make();
        return this.object[method](...parameters);
      });
    }

    fetch(request) {
      return this.call("fetch", request);
    }

    alarm() {
      return this.call("alarm");
    }

    webSocketMessage(socket, message) {
      return this.call("webSocketMessage", socket, message);
    }

    webSocketClose(socket, code, reason, clean) {
      return this.call("webSocketClose", socket, code, reason, clean);
    }

    webSocketError(socket, error) {
      return this.call("webSocketError", socket, error);
    }
  };
}

const handlers = {};
for (const name of EVENTS) {
  const handler = module[name];
  if (handler === undefined) continue;
  handlers[name] = (event, env, context) => {
    const handled = handle(() => handler(event, env, context));
    // What was begun comes to its end also when the caller is gone.
    context.waitUntil(handled.catch(() => {}));
    return handled;
  };
}

export default handlers;
