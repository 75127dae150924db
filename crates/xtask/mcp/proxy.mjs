// Stands before a gateway on this machine and signs every request: `node proxy.mjs`, with PORTWAY_URL and PORTWAY_KEY. Prints
// where it listens, and ends when its standard input does. All else passes as it is, in both directions as it comes.
import { Agent, createServer, request as ask } from "node:http";

const { PORTWAY_URL, PORTWAY_KEY } = process.env;
// Each request has a connection of its own: workerd closes one when it answers without having read all that was sent on it,
// and what is sent next on it would get no answer.
const agent = new Agent({ keepAlive: false });

const server = createServer((request, response) => {
  const headers = [...request.rawHeaders, "Authorization", `Bearer ${PORTWAY_KEY}`];
  const asked = ask(new URL(request.url, PORTWAY_URL), { agent, method: request.method, headers });
  asked.on("response", (answer) => {
    response.writeHead(answer.statusCode, answer.statusMessage, answer.rawHeaders);
    response.flushHeaders();
    answer.on("error", () => response.destroy());
    answer.pipe(response);
  });
  asked.on("error", () => response.destroy());
  response.on("close", () => asked.destroy());
  request.pipe(asked);
});

// The suite keeps its connections, and has them until it ends: one that is closed here just when it is used would be a finding.
server.keepAliveTimeout = 0;
server.listen(0, "127.0.0.1", () => console.log(`http://127.0.0.1:${server.address().port}`));
process.stdin.resume().on("end", () => process.exit(0));
