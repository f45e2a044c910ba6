// Draws the trace of a call. Texts of messages are inserted as text, never as markup.

const SVG = "http://www.w3.org/2000/svg";
const LEFT = 90, SPACING = 260, TOP = 40, ROW = 34;
const at = (id) => document.getElementById(id);

function element(name, attributes, text) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== undefined) made.textContent = text;
  return made;
}

const lane = (index) => LEFT + SPACING / 2 + index * SPACING;
const shortened = (text, most) => (text.length <= most ? text : `${text.slice(0, most - 1)}…`);
const isFailure = (summary) => /^[4-6]\d\d /.test(summary) || / (FAILED|BUSY)$/.test(summary);

function row(message, index, trace) {
  const y = TOP + (index + 1) * ROW;
  const [from, to] = [lane(message.from), lane(message.to)];
  const kind = isFailure(message.summary) ? "failure" : message.protocol;
  const group = element("g", { class: `row ${kind}`, tabindex: 0, role: "button" });
  const width = LEFT + trace.lanes.length * SPACING;
  group.append(element("rect", { x: 0, y: y - ROW + 8, width, height: ROW }));
  group.append(element("text", { class: "time", x: 4, y: y - 2 }, `${(message.offsetMs / 1000).toFixed(3)} s`));
  const most = Math.floor((Math.abs(to - from) - 20) / 7.3);
  const label = shortened(message.summary, Math.max(most, 8));
  group.append(element("text", { class: "label", x: (from + to) / 2, y: y - 5 }, label));
  group.append(element("line", { class: "arrow", x1: from, y1: y, x2: to, y2: y }));
  const back = from < to ? -8 : 8;
  group.append(element("path", { class: "tip", d: `M${to} ${y}l${back} -4v8z` }));
  group.append(element("title", {}, message.summary));
  const show = () => {
    document.querySelectorAll("g.selected").forEach((other) => other.classList.remove("selected"));
    group.classList.add("selected");
    const names = `${trace.lanes[message.from]} → ${trace.lanes[message.to]}`;
    at("message").querySelector("h3").textContent = `${index + 1}. ${names}, ${message.at}`;
    at("message").querySelector("pre").textContent = message.text;
  };
  group.addEventListener("click", show);
  group.addEventListener("keydown", (event) => {
    if (event.key === "Enter" || event.key === " ") {
      event.preventDefault();
      show();
    }
  });
  return group;
}

function draw(trace) {
  const height = TOP + (trace.messages.length + 1) * ROW;
  const width = LEFT + trace.lanes.length * SPACING;
  const svg = element("svg", { width, height, role: "img", "aria-label": "ladder diagram" });
  trace.lanes.forEach((label, index) => {
    svg.append(element("text", { class: "head", x: lane(index), y: 18 }, label));
    svg.append(element("line", { class: "life", x1: lane(index), y1: 26, x2: lane(index), y2: height }));
  });
  svg.append(...trace.messages.map((message, index) => row(message, index, trace)));
  at("diagram").replaceChildren(svg);
  at("title").textContent = `Call ${trace.callId} from ${trace.from} to ${trace.to}, placed at ${trace.placedAt}`;
  at("outcome").textContent = trace.outcome;
  at("removed").hidden = trace.removed === 0;
  at("removed").textContent = `${trace.removed} messages are no longer stored.`;
  at("message").querySelector("h3").textContent = "Select a message";
  at("message").querySelector("pre").textContent = "";
  document.querySelector("main").hidden = false;
}

async function load() {
  at("status").textContent = "Loading…";
  const headers = { Authorization: `Bearer ${at("token").value.trim()}`, Accept: "application/json" };
  try {
    const response = await fetch(`v1/calls/${encodeURIComponent(at("call").value)}/trace`, { headers });
    const body = await response.json();
    if (!response.ok) throw new Error(body.detail ?? `status ${response.status}`);
    history.replaceState(null, "", `?call=${encodeURIComponent(body.callId)}`);
    draw(body);
    at("status").textContent = "";
  } catch (error) {
    document.querySelector("main").hidden = true;
    at("status").textContent = error.message;
  }
}

at("call").value = new URLSearchParams(location.search).get("call") ?? "";
at("request").addEventListener("submit", (event) => {
  event.preventDefault();
  load();
});
