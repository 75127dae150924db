"use strict";
(() => {
  const DEPTH = 4;
  const METHODS = ["get", "post", "put", "patch", "delete"];
  const byId = (id) => document.getElementById(id);

  const make = (tag, className, text) => {
    const node = document.createElement(tag);
    if (className) node.className = className;
    if (text !== undefined) node.textContent = text;
    return node;
  };

  let named = {};
  const resolve = (schema) => {
    const found = /^#\/components\/(\w+)\/(.+)$/.exec((schema && schema.$ref) || "");
    return found ? { ...((named[found[1]] || {})[found[2]] || {}), title: found[2] } : schema || {};
  };

  const bounds = (schema) => {
    const words = [];
    const range = (low, high, unit) => {
      if (low !== undefined && high !== undefined) words.push(`${low} to ${high}${unit}`);
      else if (low !== undefined) words.push(`at least ${low}${unit}`);
      else if (high !== undefined) words.push(`at most ${high}${unit}`);
    };
    range(schema.minLength, schema.maxLength, " characters");
    range(schema.minItems, schema.maxItems, " items");
    range(schema.minimum, schema.maximum, "");
    if (schema.pattern) words.push(`matches ${schema.pattern}`);
    if (schema.default !== undefined) words.push(`default ${JSON.stringify(schema.default)}`);
    return words.join(", ");
  };

  const typeName = (schema, depth = 0) => {
    const own = resolve(schema);
    if (depth > DEPTH) return own.title || "…";
    if (own.const !== undefined) return JSON.stringify(own.const);
    if (own.enum) return own.enum.map((value) => JSON.stringify(value)).join(" | ");
    const choices = own.oneOf || own.anyOf;
    if (choices) return [...new Set(choices.map((choice) => typeName(choice, depth + 1)))].join(" | ");
    if (own.type === "array") return `[${typeName(own.items || {}, depth + 1)}]`;
    const kinds = [].concat(own.type || "any").map((kind) => (kind === "object" && own.title) || kind);
    return kinds.join(" | ") + (own.format ? ` (${own.format})` : "");
  };

  const objectsOf = (schema, depth = 0) => {
    const own = resolve(schema);
    if (own.properties) return [own];
    if (depth > DEPTH) return [];
    const held = [own.items, own.additionalProperties, ...(own.oneOf || own.anyOf || own.allOf || [])];
    return held.filter((one) => one && typeof one === "object").flatMap((one) => objectsOf(one, depth + 1));
  };

  const field = (name, schema, required, about, depth) => {
    const item = make("li");
    item.append(make("code", "name", name), make("span", "type", typeName(schema)));
    if (required) item.append(make("span", "must", "required"));
    const limits = bounds(resolve(schema));
    if (limits) item.append(make("span", "note", limits));
    const text = about || schema.description || resolve(schema).description;
    if (text) item.append(make("div", "about", text));
    if (depth < DEPTH) for (const part of objectsOf(schema)) item.append(fields(part, depth + 1));
    return item;
  };

  const fields = (schema, depth = 0) => {
    const list = make("ul", "fields");
    const required = schema.required || [];
    for (const [name, value] of Object.entries(schema.properties || {})) {
      list.append(field(name, value, required.includes(name), undefined, depth));
    }
    return list;
  };

  const content = (place, title, media) => {
    for (const [type, { schema }] of Object.entries(media || {})) {
      place.append(make("h3", "", `${title} · ${type}`));
      if (!schema) continue;
      const parts = objectsOf(schema);
      if (parts.length !== 1 || !resolve(schema).properties) place.append(make("p", "type", typeName(schema)));
      for (const part of parts) place.append(fields(part));
    }
  };

  const inside = (operation) => {
    const place = make("div", "inside");
    const facts = make("ul", "facts");
    for (const fact of [operation.operationId, `permission: ${operation["x-permission"]}`, `rate: ${operation["x-rate-class"]}`]) {
      facts.append(make("li", "", fact));
    }
    if (operation["x-websocket"]) facts.append(make("li", "", "WebSocket"));
    place.append(facts);
    if (operation.description) place.append(make("p", "", operation.description));
    for (const where of ["path", "query", "header"]) {
      const given = (operation.parameters || []).filter((one) => one.in === where);
      if (!given.length) continue;
      const list = make("ul", "fields");
      for (const one of given) list.append(field(one.name, one.schema || {}, one.required, one.description, 0));
      place.append(make("h3", "", `In the ${where}`), list);
    }
    content(place, "Body", (operation.requestBody || {}).content);
    const errors = make("ul", "fields");
    for (const [status, answer] of Object.entries(operation.responses || {})) {
      const own = resolve(answer);
      if (Number(status) < 400) {
        if (own.content) content(place, `Answer ${status}`, own.content);
        else place.append(make("h3", "", `Answer ${status} · ${own.description}`));
      } else {
        const item = make("li");
        item.append(make("code", "name", status), make("span", "note", own.description));
        errors.append(item);
      }
    }
    place.append(make("h3", "", "Errors"), errors);
    return place;
  };

  const card = (path, method, operation) => {
    const node = make("details", "operation");
    node.id = operation.operationId;
    node.dataset.words = [operation.operationId, method, path, operation.summary, operation.description].join(" ").toLowerCase();
    const line = make("summary");
    line.append(make("span", `method ${method}`, method.toUpperCase()), make("span", "path", path), make("span", "says", operation.summary));
    node.append(line);
    node.addEventListener("toggle", () => node.children.length < 2 && node.append(inside(operation)));
    return node;
  };

  const show = (description) => {
    named = description.components || {};
    document.title = description.info.title;
    byId("title").replaceChildren(description.info.title, make("small", "", description.info.version));
    const sections = new Map();
    for (const { name } of description.tags) {
      const section = make("section");
      const heading = make("h2", "", name);
      heading.id = `group-${name}`;
      section.append(heading);
      sections.set(name, section);
      const link = make("a", "", name);
      link.href = `#group-${name}`;
      byId("groups").append(link);
    }
    for (const [path, item] of Object.entries(description.paths)) {
      for (const method of METHODS) {
        if (item[method]) sections.get(item[method].tags[0]).append(card(path, method, item[method]));
      }
    }
    byId("operations").replaceChildren(...sections.values());
    const open = () => {
      const wanted = byId(decodeURIComponent(location.hash.slice(1)));
      if (wanted && wanted.tagName === "DETAILS") wanted.open = true;
      if (wanted) wanted.scrollIntoView();
    };
    addEventListener("hashchange", open);
    open();
    byId("find").addEventListener("input", (event) => {
      const words = event.target.value.toLowerCase().split(/\s+/).filter(Boolean);
      for (const section of sections.values()) {
        let any = false;
        for (const node of section.querySelectorAll("details.operation")) {
          node.hidden = !words.every((word) => node.dataset.words.includes(word));
          any ||= !node.hidden;
        }
        section.hidden = !any;
      }
    });
  };

  fetch("/openapi.json", { credentials: "omit" })
    .then((answer) => (answer.ok ? answer.json() : Promise.reject(new Error(`status ${answer.status}`))))
    .then(show)
    .catch((error) => byId("operations").replaceChildren(make("p", "", `The description could not be loaded: ${error.message}`)));
})();
