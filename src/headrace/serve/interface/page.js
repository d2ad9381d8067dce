"use strict";
const by = id => document.getElementById(id);
const make = (tag, text, kind) => {
  const one = document.createElement(tag);
  if (text !== undefined) one.textContent = text;
  if (kind) one.className = kind;
  return one;
};
const NUMBER = /^-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?$/;
let told, service, token = "";

async function get(path) {
  const answer = await fetch(path, {headers: access()});
  const said = await answer.json();
  if (answer.ok) return said;
  const error = new Error(sentence(said.error));
  error.status = answer.status;
  throw error;
}
const access = () => token ? {authorization: `Bearer ${token}`} : {};
const sentence = fault => `${fault.code}: found ${fault.found}; expected ${fault.expected}. ${fault.cure || ""}`;

async function begin() {
  by("trouble").hidden = true;
  try {
    told = await get("/openapi.json");
  } catch (error) {
    by("access").hidden = ![401, 403].includes(error.status);
    by("desk").hidden = true;
    trouble(error.message);
    return;
  }
  by("access").hidden = true;
  const names = Object.keys(told.paths).map(path => /^\/services\/(.+)\/decide$/.exec(path)).filter(Boolean).map(one => one[1]);
  by("services").replaceChildren(...names.map(name => {
    const tab = make("button", name);
    tab.type = "button";
    tab.addEventListener("click", () => choose(name));
    return tab;
  }));
  if (names.length) choose(names.includes(location.hash.slice(1)) ? location.hash.slice(1) : names[0]);
}

function trouble(text) {
  by("trouble").textContent = text;
  by("trouble").hidden = false;
}

const operation = () => told.paths[`/services/${service}/decide`].post;
const resolved = schema => schema.$ref ? told.components.schemas[schema.$ref.split("/").pop()] : schema;
const row = () => resolved(operation().requestBody.content["application/json"].schema.oneOf[0]);

async function choose(name) {
  service = name;
  history.replaceState(null, "", `#${name}`);
  for (const tab of by("services").children) tab.setAttribute("aria-current", tab.textContent === name);
  by("rules").replaceChildren(...operation().description.split("`").map((part, at) => at % 2 ? make("code", part) : part));
  by("answer").replaceChildren(make("p", "Nothing was asked yet. The row beside is made up; it keeps the contract, and no one in it exists.", "soft"));
  by("desk").hidden = false;
  await another();
}

async function another() {
  by("trouble").hidden = true;
  try {
    fill(await get(`/services/${service}/example`));
  } catch (error) {
    fill({});
    trouble(error.message);
  }
}

function fill(values) {
  const schema = row();
  by("fields").replaceChildren(...Object.entries(schema.properties).map(([name, field]) =>
    line(name, field, values[name], schema.required.includes(name))));
  curl();
}

function line(name, field, value, needed) {
  const tr = make("tr"), th = make("th"), label = make("label", name), input = control(field, value);
  th.scope = "row";
  label.htmlFor = input.id = `field-${name}`;
  input.dataset.name = name;
  input.required = needed;
  if (needed) {
    const star = make("span", " *", "star");
    star.title = "must be given";
    star.setAttribute("aria-hidden", "true");
    label.append(star);
  }
  th.append(label);
  const given = make("td"), takes = make("td", words(field));
  takes.id = `takes-${name}`;
  input.setAttribute("aria-describedby", takes.id);
  given.append(input);
  tr.append(th, given, takes);
  return tr;
}

const kinds = field => (field.anyOf || [field]).flatMap(one => one.type).filter(one => one !== "null");
const nullable = field => (field.anyOf || [field]).some(one => [one.type].flat().includes("null"));
const nested = field => ["array", "object"].includes(kinds(field)[0]);

function control(field, value) {
  const members = field.enum || (kinds(field)[0] === "boolean" ? [true, false] : null);
  if (members) {
    const select = make("select");
    const each = members.filter(one => one !== null).map(one => new Option(String(one), JSON.stringify(one)));
    select.append(...(nullable(field) ? [new Option("", "")] : []), ...each);
    select.value = value === undefined || value === null ? (nullable(field) ? "" : JSON.stringify(members[0])) : JSON.stringify(value);
    return select;
  }
  const input = make(nested(field) ? "textarea" : "input");
  input.spellcheck = false;
  input.autocomplete = "off";
  if (kinds(field)[0] === "integer" || kinds(field).includes("number")) input.inputMode = "decimal";
  input.value = value === undefined || value === null ? "" : nested(field) ? JSON.stringify(value) : String(value);
  return input;
}

function words(field) {
  const kind = field.format === "date-time" ? "time" : field.format === "date" ? "date" : kinds(field).includes("number") ? "number" : {integer: "whole number", boolean: "true or false", string: "text", array: "list", object: "object"}[kinds(field)[0]];
  return [kind, field.description, nullable(field) ? "may be empty" : ""].filter(Boolean).join(", ");
}

/* The text of the request is put together by hand: numbers go as they were typed, so no digit is lost on the way. */
function body() {
  const fields = row().properties, parts = [];
  for (const input of by("fields").querySelectorAll("[data-name]")) {
    const name = input.dataset.name, field = fields[name], text = input.value;
    if (text === "" && !(kinds(field)[0] === "string" && !nullable(field) && !field.format)) continue;
    const plain = input.tagName === "SELECT" || nested(field) || (NUMBER.test(text) && (kinds(field)[0] === "integer" || kinds(field)[0] === "number"));
    parts.push(`${JSON.stringify(name)}: ${plain ? text : JSON.stringify(text)}`);
  }
  return `{${parts.join(", ")}}`;
}

function path() {
  const asked = [];
  if (by("explain").value !== "0") asked.push(`explain=${by("explain").value}`);
  if (by("features").checked) asked.push("features=1");
  return `/services/${service}/decide${asked.length ? `?${asked.join("&")}` : ""}`;
}

function curl() {
  const quoted = text => `'${text.replaceAll("'", "'\\''")}'`;
  const who = token ? ' -H "authorization: Bearer $HEADRACE_TOKEN"' : "";
  by("curl").textContent = `curl ${quoted(location.origin + path())}${who} -H 'content-type: application/json' -d ${quoted(body())}`;
}

async function ask(event) {
  event.preventDefault();
  by("send").disabled = true;
  const begun = performance.now();
  try {
    const answer = await fetch(path(), {method: "POST", headers: {"content-type": "application/json", ...access()}, body: body()});
    const said = await answer.json(), took = performance.now() - begun;
    for (const one of by("fields").querySelectorAll(".wrong")) mark(one, false);
    by("answer").replaceChildren(...(answer.ok ? decided(said, took) : refused(said, answer.status)));
  } catch (error) {
    by("answer").replaceChildren(make("p", "The service did not answer. It may have stopped, or be starting again.", "refused"));
  }
  by("send").disabled = false;
}

function mark(input, wrong) {
  input.classList.toggle("wrong", wrong);
  wrong ? input.setAttribute("aria-invalid", "true") : input.removeAttribute("aria-invalid");
}

function refused(said, status) {
  if ([401, 403].includes(status)) by("access").hidden = false;
  return (said.errors || [said.error]).map(fault => {
    for (const input of by("fields").querySelectorAll("[data-name]"))
      if (new RegExp(`(^|[ .])${input.dataset.name}([ .]|$)`).test(fault.found)) mark(input, true);
    const box = make("div", undefined, "refused");
    box.append(make("b", fault.code), make("span", `Found ${fault.found}; expected ${fault.expected}.`));
    if (fault.cure) box.append(make("span", `${fault.cure[0].toUpperCase()}${fault.cure.slice(1)}${/[.?]$/.test(fault.cure) ? "" : "."}`, "soft"));
    return box;
  });
}

const figure = value => typeof value === "number" ? (Number.isInteger(value) ? value.toLocaleString("en") : String(Number(value.toPrecision(4)))) : value === null ? "–" : typeof value === "object" ? JSON.stringify(value) : String(value);

function decided(said, took) {
  const parts = [make("p", said.decision, "decision")];
  if (said.score >= 0 && said.score <= 1) parts.push(meter(said.score));
  const facts = [["Score", said.score === null ? "none" : String(said.score)], ["Record", said.record_id]];
  if (said.model) facts.push(["Model", `${said.model.name}, version ${said.model.version}`]);
  facts.push(["Took", `${took.toFixed(1)} ms with the way through this browser`]);
  if (said.repeated) facts.push(["Repeated", "this key was decided before; this is the answer it got then"]);
  const known = ["decision", "score", "record_id", "model", "reasons", "features", "repeated"];
  for (const [name, value] of Object.entries(said)) if (!known.includes(name)) facts.push([name, figure(value)]);
  const list = make("dl");
  for (const [name, value] of facts) list.append(make("dt", name), make("dd", value));
  parts.push(list);
  if (said.reasons && said.reasons.length) parts.push(make("h3", `What the score is made of, in ${said.reasons[0].space || "its own units"}`), reasons(said.reasons));
  if (said.features) parts.push(make("h3", "Values of features"), values(said.features));
  return parts;
}

function meter(score) {
  const outer = make("div", undefined, "meter"), inner = make("div");
  outer.setAttribute("role", "img");
  outer.setAttribute("aria-label", `score ${score.toPrecision(3)} between 0 and 1`);
  inner.style.width = `${100 * score}%`;
  outer.append(inner);
  return outer;
}

function reasons(every) {
  const most = Math.max(...every.map(one => Math.abs(one.contribution))) || 1, list = make("ul", undefined, "reasons");
  for (const one of every) {
    const item = make("li"), name = make("span", one.feature, "name"), track = make("span", undefined, "track"), bar = make("div");
    const wide = 50 * Math.abs(one.contribution) / most, up = one.contribution >= 0;
    name.append(make("span", figure(one.value), "soft"));
    bar.className = up ? "" : "down";
    bar.style.width = `${wide}%`;
    bar.style.left = `${up ? 50 : 50 - wide}%`;
    track.append(bar);
    item.append(name, track, make("span", (up ? "+" : "−") + figure(Math.abs(one.contribution)), "amount"));
    list.append(item);
  }
  return list;
}

function values(features) {
  const box = make("div", undefined, "values"), table = make("table"), body = make("tbody");
  box.tabIndex = 0;
  box.setAttribute("role", "region");
  box.setAttribute("aria-label", "Values of features");
  for (const [name, value] of Object.entries(features)) {
    const tr = make("tr");
    tr.append(make("td", name), make("td", figure(value)));
    body.append(tr);
  }
  table.append(body);
  box.append(table);
  return box;
}

async function copy() {
  try {
    await navigator.clipboard.writeText(by("curl").textContent);
    by("copy").textContent = "Copied";
  } catch (error) {
    getSelection().selectAllChildren(by("curl"));
    by("copy").textContent = "Selected: copy it with the keyboard";
  }
  setTimeout(() => { by("copy").textContent = "Copy"; }, 2000);
}

by("ask").addEventListener("submit", ask);
by("ask").addEventListener("input", curl);
by("again").addEventListener("click", another);
by("copy").addEventListener("click", copy);
by("access").addEventListener("submit", event => {
  event.preventDefault();
  token = by("token").value.trim();
  begin();
});
begin();
