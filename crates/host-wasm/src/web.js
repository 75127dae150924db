// Requests and answers cross over to the module as a whole: to cross over costs more than what is done here.

/** Method, URL and headers of a request, each on a line of its own. */
export function head(request) {
  let text = `${request.method}\n${request.url}`;
  for (const [name, value] of request.headers) text += `\n${name}\n${value}`;
  return text;
}

/** An answer with such headers; without a body if that is empty. */
export function respond(status, head, body) {
  const headers = new Headers();
  const lines = head.split("\n");
  for (let at = 0; at + 1 < lines.length; at += 2) headers.append(lines[at], lines[at + 1]);
  // The body is a part of the module's memory, which changes.
  return new Response(body.length > 0 ? body.slice() : null, { status, headers });
}
