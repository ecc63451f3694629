/** Shows an exchange as it was on the wire: what the page wrote, what the browser added, what came back. */

import { element, replace } from "./dom.js";

const LONG = 72;

/** Headers that every answer of this door has: one line stands for them until somebody asks. */
const USUAL = new Set([
  "content-security-policy",
  "cross-origin-opener-policy",
  "cross-origin-resource-policy",
  "date",
  "referrer-policy",
  "strict-transport-security",
  "vary",
  "x-content-type-options",
  "x-request-id",
]);

/**
 * @param {import("./client.js").Exchange} exchange
 * @returns {HTMLElement}
 */
export function wire(exchange) {
  const { request, answer } = exchange;
  let whole = false;
  const view = element("div", { class: "wire" });

  function render() {
    const lines = [
      element("h4", {}, "Request"),
      element(
        "pre",
        { tabindex: "0", role: "group", "aria-label": "Request as it was on the wire" },
        element("span", { class: "start" }, `${request.method} ${request.path} ${exchange.protocol}\n`),
        ...request.fields.map((field) => line(field, whole)),
        request.body === null ? "" : ["\n", shown(request.body, whole)],
      ),
      element("h4", {}, "Answer", element("small", {}, ` after ${exchange.milliseconds.toFixed(0)} ms`)),
      answer === null
        ? element("p", { class: "failure" }, exchange.failure)
        : element(
            "pre",
            { tabindex: "0", role: "group", "aria-label": "Answer as it was on the wire" },
            element("span", { class: `start status-${Math.floor(answer.status / 100)}` }, `${exchange.protocol} ${answer.status} ${answer.title}\n`),
            ...answer.fields.filter((field) => whole || !USUAL.has(field.name)).map((field) => line(field, whole)),
            whole ? null : usual(answer.fields),
            answer.body === "" ? "" : ["\n", shown(answer.body, whole)],
          ),
    ];
    const shortened = element(
      "button",
      {
        type: "button",
        class: "quiet",
        "aria-pressed": String(whole),
        onclick: () => {
          whole = !whole;
          render();
          view.querySelector("button").focus();
        },
      },
      "All of it",
    );
    replace(view, ...lines, element("p", { class: "legend" }, element("span", { class: "by-browser" }, "italic"), ": added or kept by the browser, out of the script's sight ", shortened));
  }

  render();
  return view;
}

function usual(fields) {
  const count = fields.filter((field) => USUAL.has(field.name)).length;
  return count === 0 ? null : element("span", { class: "usual" }, `(${count} headers that every answer here has)\n`);
}

function line(field, whole) {
  return element(
    "span",
    { class: field.hidden || field.by === "browser" ? "field by-browser" : "field" },
    element("span", { class: "name" }, `${field.name}:`),
    ` ${cut(field.value, whole || field.hidden)}\n`,
  );
}

function shown(body, whole) {
  try {
    const document = JSON.parse(body);
    return JSON.stringify(document, (_, value) => (typeof value === "string" ? cut(value, whole) : value), 2);
  } catch {
    return cut(body, whole);
  }
}

function cut(text, whole) {
  return whole || text.length <= LONG ? text : `${text.slice(0, 28)}…${text.slice(-8)} (${text.length} characters)`;
}
