/** What an answer says of its own time in `Server-Timing`. [W3C Server Timing] */

/** @typedef {{name: string, took: number, began: number|null}} Part milliseconds; `began` is counted within the process named before */

/**
 * @param {import("./client.js").Exchange} exchange
 * @returns {Part[]} in the order in which they were said; none where nobody says it
 */
export function partsOf(exchange) {
  const field = exchange.answer?.fields.find(({ name }) => name.toLowerCase() === "server-timing");
  return (field?.value ?? "").split(",").flatMap((said) => {
    const [name, ...parameters] = said.split(";").map((piece) => piece.trim());
    const values = Object.fromEntries(parameters.map((parameter) => parameter.split("=")));
    const took = Number.parseFloat(values.dur);
    return name === "" || Number.isNaN(took) ? [] : [{ name, took, began: "start" in values ? Number.parseFloat(values.start) : null }];
  });
}

/** @param {number} time @returns {string} such as 0.09 ms or 12.4 ms */
export function milliseconds(time) {
  return `${time.toFixed(time < 1 ? 2 : 1)} ms`;
}
