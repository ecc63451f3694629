/** Draws a journey: a line for each process, an arrow for each message, in their order, with the moment beside it. */

import { drawn, element, scrolling } from "./dom.js";
import { milliseconds } from "./timing.js";

const LANE = 172;
const ROW = 46;
const TOP = 44;
const LEFT = 74;

/**
 * @param {import("./journey.js").Journey} journey
 * @param {string} title what is seen, in a sentence
 * @returns {HTMLElement} the drawing, which may be wider than its place; `inWords` is for those who do not see it
 */
export function sequence(journey, title) {
  const { lanes, steps } = journey;
  const width = LEFT + LANE * (lanes.length - 1) + 110;
  const height = TOP + ROW * steps.length + 18;
  const x = (name) => LEFT + 40 + LANE * lanes.indexOf(name);
  const y = (place) => TOP + ROW * place + 28;
  const drawing = drawn("svg", { class: "sequence", viewBox: `0 0 ${width} ${height}`, width, height, role: "img", "aria-label": title });
  for (const name of lanes) {
    const [first, last] = reach(steps, name);
    drawing.append(
      drawn("line", { class: "life", x1: x(name), x2: x(name), y1: TOP, y2: height - 8 }),
      drawn("rect", { class: "at-work", x: x(name) - 5, width: 10, y: y(first), height: Math.max(10, y(last) - y(first)), rx: 3 }),
      drawn("rect", { class: "lane", x: x(name) - 54, y: 8, width: 108, height: 28, rx: 6 }),
      drawn("text", { class: "lane-name", x: x(name), y: 27, "text-anchor": "middle" }, name),
    );
  }
  steps.forEach((step, place) => drawing.append(drawn("text", { class: "moment", x: 4, y: y(place) + 4 }, milliseconds(step.at)), ...arrow(step, x, y(place))));
  return scrolling("The drawing, which may be wider than the screen", drawing);
}

/**
 * @param {import("./journey.js").Journey} journey
 * @returns {HTMLElement} the same as a list of sentences
 */
export function inWords(journey) {
  return element(
    "ol",
    { class: "in-words" },
    ...journey.steps.map(({ at, from, to, label, note, back }) => {
      const what = note === undefined ? label : `${label} (${note})`;
      const who = from === to ? `${from} ${what}` : back ? `${from} answers ${to}: ${what}` : `${from} to ${to}: ${what}`;
      return element("li", {}, element("span", { class: "moment" }, milliseconds(at)), ` ${who}`);
    }),
  );
}

/** The first and the last step in which a process has a part. */
function reach(steps, name) {
  const places = steps.flatMap(({ from, to }, place) => (from === name || to === name ? [place] : []));
  return [places[0] ?? 0, places.at(-1) ?? 0];
}

function arrow({ from, to, label, note, back, refused }, x, y) {
  const [start, end] = [x(from), x(to)];
  const kind = `message${back ? " back" : ""}${refused ? " refused" : ""}`;
  if (from === to) {
    return [
      drawn("path", { class: kind, d: `M${start + 5} ${y - 8}h26v16h-24` }),
      drawn("path", { class: `${kind} head`, d: `M${start + 13} ${y + 4}l-7 4l7 4` }),
      drawn("text", { class: "label", x: start + 38, y: y - 1 }, label),
      drawn("text", { class: "label note", x: start + 38, y: y + 13 }, note ?? ""),
    ];
  }
  const way = Math.sign(end - start);
  const [tail, tip] = [start + 6 * way, end - 6 * way];
  const middle = start + (LANE / 2) * way;
  return [
    drawn("line", { class: kind, x1: tail, x2: tip, y1: y, y2: y }),
    drawn("path", { class: `${kind} head`, d: `M${tip - 8 * way} ${y - 4}L${tip} ${y}L${tip - 8 * way} ${y + 4}` }),
    drawn("text", { class: refused ? "label refused" : "label", x: middle, y: y - 6, "text-anchor": "middle" }, label),
    drawn("text", { class: "label note", x: middle, y: y + 14, "text-anchor": "middle" }, note ?? ""),
  ];
}
