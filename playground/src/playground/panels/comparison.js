/** Shows the table of the last comparison: what an article said of sessions and JWTs, and what was measured. */

import { problemOf } from "../client.js";
import { element, replace, scrolling } from "../dom.js";

const SIGNS = { "as it says": "good", "not so": "bad", "not that simple": "" };

/**
 * @param {HTMLElement} section
 * @param {{client: import("../client.js").Client, explain: (problem: any) => HTMLElement}} context
 */
export async function mount(section, { client, explain }) {
  const place = element("div", {}, element("p", { class: "note" }, "Fetching the table."));
  section.append(
    element(
      "p",
      { class: "prose" },
      "Signet grew from an article that builds the same small app twice, once with sessions and once with JWTs, and compares them in a table. ",
      "Here each cell stands beside what real processes did when they were measured. Of these figures compare those of one row with each other; on another machine they are others.",
    ),
    place,
  );
  const exchange = await client.send({ path: "/playground/comparison.json", kept: false });
  const problem = problemOf(exchange);
  if (problem !== null) {
    replace(place, explain(problem));
    return;
  }
  const { measured, columns, rows } = exchange.answer.json;
  replace(
    place,
    scrolling(
      "The table, which may be wider than the screen",
      element(
        "table",
        { class: "comparison" },
        element("caption", {}, `Measured ${measured}. Make your own with `, element("code", {}, "make compare"), "."),
        element("thead", {}, element("tr", {}, element("th", { scope: "col" }, "property"), ...columns.map(({ title }) => element("th", { scope: "col" }, title)))),
        ...rows.map((row) => body(row, columns)),
      ),
    ),
  );
}

/** A row's cells, and beneath them what the article says of it, and whether that is so. */
function body(row, columns) {
  return element(
    "tbody",
    {},
    element("tr", {}, element("th", { scope: "row", rowspan: "2" }, row.property), ...columns.map(({ name, title }) => element("td", { "data-column": title }, row[name]))),
    element(
      "tr",
      { class: "article" },
      element(
        "td",
        { colspan: String(columns.length) },
        element("span", { class: `verdict ${SIGNS[row.verdict] ?? ""}` }, row.verdict),
        element("span", {}, ` The article: session, ${row.article_session}; JWT, ${row.article_jwt}. `),
        row.because,
      ),
    ),
  );
}
