/** The list of everything that this page has sent, at its foot: nothing happens here that is not shown. */

import { element, replace } from "./dom.js";
import { wire } from "./wire.js";

const SHOWN = 30;

/**
 * @param {HTMLElement} place
 * @param {import("./client.js").Client} client
 */
export function showTraffic(place, client) {
  const count = element("span", { class: "count" }, "0");
  const list = element("ol", { class: "exchanges", reversed: true });
  replace(place, element("details", {}, element("summary", {}, "Everything this page has sent ", count), list));
  client.watch((exchange) => {
    count.textContent = String(exchange.number);
    list.prepend(entry(exchange));
    if (list.children.length > SHOWN) {
      list.lastElementChild.remove();
    }
  });
}

/** @param {import("./client.js").Exchange} exchange */
function entry(exchange) {
  const { request, answer } = exchange;
  const status = answer === null ? "no answer" : String(answer.status);
  const reason = answer?.problem?.reason;
  const details = element(
    "details",
    {},
    element(
      "summary",
      {},
      element("code", {}, `${request.method} ${request.path}`),
      ` ${exchange.way === "none" ? "" : `by ${exchange.way}`} `,
      element("span", { class: `status status-${answer === null ? 5 : Math.floor(answer.status / 100)}` }, status),
      reason ? ` ${reason}` : "",
    ),
  );
  // Most are never opened: what is in them is made when somebody looks.
  details.addEventListener("toggle", () => details.append(wire(exchange)), { once: true });
  return element("li", { value: exchange.number }, details);
}
