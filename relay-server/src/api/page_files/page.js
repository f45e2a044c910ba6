// The interactive page of the REST API: lists the operations of openapi.json and sends requests.

const byId = (id) => document.getElementById(id);
const methods = ["get", "post", "put", "patch", "delete"];
let token = "";

byId("login").addEventListener("submit", async (event) => {
  event.preventDefault();
  token = byId("token").value.trim();
  const status = byId("status");
  status.className = "";
  status.textContent = "loading …";
  try {
    const response = await request("GET", "openapi.json");
    const description = await response.json();
    if (!response.ok) throw new Error(`${response.status} ${description.code}: ${description.detail}`);
    show(description);
    status.textContent = `version ${description.info.version}`;
  } catch (error) {
    status.className = "error";
    status.textContent = error.message;
  }
});

function request(method, url, body, signal, more) {
  const headers = { ...more, Authorization: `Bearer ${token}` };
  if (body) headers["Content-Type"] = "application/json";
  return fetch(url, { method, headers, body: body || undefined, signal, credentials: "omit" });
}

function show(description) {
  const main = byId("operations");
  main.replaceChildren();
  const download = byId("download");
  download.href = URL.createObjectURL(new Blob([JSON.stringify(description, null, 2)], { type: "application/json" }));
  download.hidden = false;
  const groups = new Map();
  for (const [path, item] of Object.entries(description.paths)) {
    const group = path.split("/")[3] ?? path;
    for (const method of methods.filter((method) => item[method])) {
      if (!groups.has(group)) groups.set(group, []);
      groups.get(group).push(operation(description, path, method, item[method]));
    }
  }
  for (const [group, operations] of groups) {
    const heading = document.createElement("h2");
    heading.textContent = group;
    main.append(heading, ...operations);
  }
}

function operation(description, path, method, about) {
  const element = byId("operation").content.cloneNode(true).firstElementChild;
  const find = (selector) => element.querySelector(selector);
  element.id = about.operationId;
  find(".method").textContent = method.toUpperCase();
  find(".path").textContent = path;
  find(".title").textContent = about.summary ?? "";
  find(".description").textContent = about.description ?? "";
  const inputs = (about.parameters ?? []).map((parameter) => {
    const label = document.createElement("label");
    const input = document.createElement("input");
    input.required = parameter.required === true && parameter.in === "path";
    const [name, hint] = [document.createElement("span"), document.createElement("small")];
    name.textContent = `${parameter.name}${input.required ? " *" : ""}`;
    hint.textContent = parameter.description ?? "";
    label.append(name, input, hint);
    find(".parameters").append(label);
    return { parameter, input };
  });
  const schema = about.requestBody?.content?.["application/json"]?.schema;
  const body = find("textarea");
  if (schema) body.value = JSON.stringify(example(description, schema), null, 2);
  else find(".body").hidden = true;
  showSchemas(find(".schema"), description, { body: schema, responses: about.responses });
  const isStream = Object.values(about.responses).some((response) => response.content?.["text/event-stream"]);
  find("form").addEventListener("submit", (event) => {
    event.preventDefault();
    send(element, { method, url: target(path, inputs), headers: headersOf(inputs), body: schema ? body.value : "", isStream });
  });
  return element;
}

/** Returns the URL of a request with its path and query parameters. */
function target(path, inputs) {
  const query = new URLSearchParams();
  for (const { parameter, input } of inputs) {
    if (parameter.in === "path") path = path.replace(`{${parameter.name}}`, encodeURIComponent(input.value));
    else if (parameter.in === "query" && input.value) query.set(parameter.name, input.value);
  }
  return query.size ? `${path}?${query}` : path;
}

function headersOf(inputs) {
  const given = inputs.filter(({ parameter, input }) => parameter.in === "header" && input.value);
  return Object.fromEntries(given.map(({ parameter, input }) => [parameter.name, input.value]));
}

async function send(element, { method, url, headers, body, isStream }) {
  const find = (selector) => element.querySelector(selector);
  const [result, output, stop] = [find(".result"), find(".response"), find(".stop")];
  const abort = new AbortController();
  stop.onclick = () => abort.abort();
  stop.hidden = !isStream;
  result.className = "result";
  result.textContent = "waiting …";
  output.hidden = true;
  output.textContent = "";
  const started = performance.now();
  try {
    const response = await request(method.toUpperCase(), url, body, abort.signal, headers);
    result.textContent = `${response.status} in ${Math.round(performance.now() - started)} ms`;
    if (!response.ok) result.className = "result error";
    output.hidden = false;
    if (isStream && response.ok) await follow(response, output);
    else output.textContent = pretty(await response.text()) || "(no body)";
  } catch (error) {
    if (abort.signal.aborted) {
      result.textContent += ", stopped";
    } else {
      result.className = "result error";
      result.textContent = error.message;
    }
  } finally {
    stop.hidden = true;
  }
}

/** Shows a stream as it arrives, at most the last 100 kB. */
async function follow(response, output) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  for (let part = await reader.read(); !part.done; part = await reader.read()) {
    output.textContent = (output.textContent + part.value).slice(-100_000);
    output.scrollTop = output.scrollHeight;
  }
}

function pretty(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

function resolve(description, schema) {
  const name = schema?.$ref?.split("/").pop();
  return name ? (description.components?.schemas?.[name] ?? {}) : (schema ?? {});
}

/** Returns a value with the required members of a schema. */
function example(description, reference, depth = 0) {
  const schema = resolve(description, reference);
  if (schema.example !== undefined) return schema.example;
  const choice = (schema.oneOf ?? schema.anyOf ?? schema.allOf)?.find((one) => one.type !== "null");
  if (choice) return example(description, choice, depth + 1);
  const type = [schema.type].flat().find((one) => one !== "null");
  if (schema.enum) return schema.enum[0];
  if (type === "object" && depth < 4) {
    const required = Object.entries(schema.properties ?? {}).filter(([name]) => schema.required?.includes(name));
    return Object.fromEntries(required.map(([name, member]) => [name, example(description, member, depth + 1)]));
  }
  return { object: {}, array: [], string: "", integer: 0, number: 0, boolean: false }[type] ?? null;
}

/** Shows the schemas that an operation refers to, when the section is opened. */
function showSchemas(section, description, value) {
  section.addEventListener("toggle", () => {
    const found = new Map();
    const collect = (text) => {
      for (const [, name] of text.matchAll(/"#\/components\/schemas\/([^"]+)"/g)) {
        if (found.has(name)) continue;
        found.set(name, description.components.schemas[name]);
        collect(JSON.stringify(found.get(name)));
      }
    };
    collect(JSON.stringify(value));
    section.querySelector("pre").textContent = JSON.stringify(Object.fromEntries(found), null, 2);
  });
}
