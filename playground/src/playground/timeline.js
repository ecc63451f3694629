/** Draws who accepted and who refused a credential, and when: a row for each, accepted above and refused below. */

import { drawn } from "./dom.js";

const WIDTH = 860;
const LEFT = 150;
const RIGHT = 14;
const ROW = 64;
const TOP = 40;

/**
 * @param {{name: string, past: import("./replays.js").Replay[], goesOn: string|null}[]} rows `goesOn`: until when it was accepted, if for longer than is drawn
 * @param {{from: number, until: number, asked: number|null, answered: number|null}} times by `performance.now()`; `asked` and `answered`: the log-out
 * @param {string} title what is seen, in a sentence
 * @returns {SVGElement}
 */
export function timeline(rows, { from, until, asked, answered }, title) {
  const height = TOP + ROW * rows.length + 30;
  const x = (moment) => LEFT + ((WIDTH - LEFT - RIGHT) * (moment - from)) / (until - from);
  const zero = answered ?? asked;
  const drawing = drawn("svg", { class: "timeline", viewBox: `0 0 ${WIDTH} ${height}`, role: "img", "aria-label": title });
  if (asked !== null) {
    const end = x(answered ?? until);
    drawing.append(
      drawn("rect", { class: "logout", x: x(asked), y: TOP - 12, width: Math.max(2, end - x(asked)), height: ROW * rows.length + 16 }),
      drawn("text", { class: "label", x: x(asked), y: TOP - 20, "text-anchor": "middle" }, "log out"),
    );
  }
  rows.forEach((row, place) => {
    const middle = TOP + ROW * place + ROW / 2;
    drawing.append(drawn("text", { class: "lane-name", x: 0, y: middle + 4 }, row.name), ...levels(row.past, x, middle));
    if (row.goesOn !== null) {
      const [y, last] = [middle - 13, x(Math.min(row.past.at(-1)?.at ?? from, until))];
      drawing.append(
        drawn("path", { class: "course expected", d: `M${Math.min(last, WIDTH - RIGHT - 20)} ${y}H${WIDTH - RIGHT}m-6 -4l6 4l-6 4` }),
        drawn("text", { class: "moment", x: WIDTH - RIGHT, y: y + 17, "text-anchor": "end" }, row.goesOn),
      );
    }
  });
  for (const second of whole(from, until, zero)) {
    drawing.append(
      drawn("line", { class: "life", x1: x(second.at), x2: x(second.at), y1: TOP - 6, y2: height - 24 }),
      drawn("text", { class: "moment", x: x(second.at), y: height - 8, "text-anchor": "middle" }, second.label),
    );
  }
  return drawing;
}

function levels(past, x, middle) {
  const y = ({ outcome }) => middle + { accepted: -13, refused: 13, unanswered: 0 }[outcome];
  const shown = past.filter(({ at }) => x(at) >= LEFT - 1 && x(at) <= WIDTH - RIGHT + 1);
  const line = shown.map((replay, place) => `${place === 0 ? "M" : "H"}${x(replay.at).toFixed(1)}${place === 0 ? " " : "V"}${y(replay)}`).join("");
  return [
    drawn("path", { class: "course", d: line === "" ? "M0 0" : line }),
    ...shown.map((replay) =>
      replay.outcome === "refused"
        ? drawn("path", { class: "refused", d: `M${x(replay.at) - 3} ${y(replay) - 3}l6 6m0-6l-6 6` })
        : drawn("circle", { class: replay.outcome, cx: x(replay.at).toFixed(1), cy: y(replay), r: 3 }),
    ),
  ];
}

/** The whole seconds of the axis, counted from the log-out once there is one. */
function whole(from, until, zero) {
  const origin = zero ?? from;
  const first = Math.ceil((from - origin) / 1000);
  return Array.from({ length: Math.floor((until - origin) / 1000) - first + 1 }, (_, place) => {
    const second = first + place;
    return { at: origin + second * 1000, label: second === 0 && zero !== null ? "0" : `${second > 0 ? "+" : second < 0 ? "−" : ""}${Math.abs(second)} s` };
  });
}
