/** Logs in, saves the credential, logs out, and replays what was saved all the while: who refuses it, and when? */

import { registered } from "../account.js";
import { problemOf } from "../client.js";
import { button, element, replace, scrolling } from "../dom.js";
import { outcomes, verdict } from "../outcomes.js";
import { attempt } from "../problem.js";
import { Replays } from "../replays.js";
import { timeline } from "../timeline.js";
import { enter, WAYS } from "../ways.js";

const EVERY = 50;
const BEFORE = 1500;
const AFTER = 1500;
const LONGEST = 10_000;
const AFTERWARDS = 1000;

const pause = (time) => new Promise((resolve) => setTimeout(resolve, time));

/**
 * @param {HTMLElement} section
 * @param {{client: import("../client.js").Client, store: import("../store.js").Store, explain: (problem: any) => HTMLElement}} context
 */
export function mount(section, context) {
  const { client, store } = context;
  const said = element("p", { class: "note", role: "status" });
  const plot = element("div", { class: "plot" });
  const table = element("div", {});
  const trouble = element("div", {});
  /** @type {Replays[]} */
  let all = [];
  let times = { from: 0, until: 0, asked: null, answered: null };
  let drawing = 0;
  let expires = 0;
  let through = false;
  /** Which run this is: one that was stopped finds that it is another's turn, and ends. */
  let turn = 0;

  async function must(wish) {
    const exchange = await client.send(wish);
    const problem = problemOf(exchange);
    if (problem !== null) {
      throw problem;
    }
    return exchange;
  }

  function draw() {
    if (!through) {
      const left = times.asked === null ? performance.now() + BEFORE : Math.max(performance.now(), (times.answered ?? times.asked) + 2 * AFTER);
      times.until = Math.min(left, times.from + BEFORE + LONGEST);
    }
    const scrolls = scrolling("The plot, which may be wider than the screen", timeline(rows(), times, summary()));
    replace(plot, scrolls);
    scrolls.scrollLeft = times.asked === null ? 0 : scrolls.scrollWidth / 6; // where it is too narrow: the log-out is what to see
    replace(table, outcomes(all, expires));
  }

  /** As the drawing takes them: whoever still accepts when the others are through does so until the token expires. */
  function rows() {
    const longer = ({ refusedFrom }) => through && (refusedFrom === undefined || refusedFrom.at > times.until);
    const goesOn = (row) => (!longer(row) ? null : row.refusedFrom === undefined ? "and so on, until it expires" : "and so on, until it expired");
    return all.map((row) => ({ name: row.name, past: row.past, goesOn: goesOn(row) }));
  }

  function summary() {
    return `Above the middle of a row the saved credential was accepted, below it refused. ${all.map((row) => `${row.name}: ${verdict(row)}`).join("; ")}.`;
  }

  function stop() {
    turn += 1;
    clearInterval(drawing);
    for (const row of all) {
      row.end();
    }
  }

  async function run() {
    stop();
    const mine = turn;
    said.textContent = "Logging in, for this alone.";
    const { account, problem } = await registered(context);
    if (problem !== null) {
      throw problem;
    }
    const { email, password } = account;
    const logged = await must({ method: "POST", path: "/login", json: { email, password } });
    const token = logged.answer.json.access_token;
    expires = Date.now() + logged.answer.json.expires_in * 1000;
    const { plain, session } = store.get("laboratory") ?? {};
    const by = (path) => () => client.send({ path, token, kept: false });
    const followers = [new Replays("profile", by("/api/profile")), new Replays("orders", by("/api/orders")), new Replays("auth", by("/logins"))];
    all = [...followers];
    let twin = null;
    if (session) {
      await enter(context, "session");
      twin = new Replays("session twin", () => client.send({ path: "/laboratory/session/api/profile", way: "session", kept: false }));
      all.push(twin);
    }
    const forgetful = plain ? new Replays("plain profile", by("/laboratory/plain/api/profile")) : null;
    if (forgetful !== null) {
      all.push(forgetful);
    }

    through = false;
    times = { from: performance.now(), until: 0, asked: null, answered: null };
    said.textContent = `Replaying what was saved, every ${EVERY} ms.`;
    for (const row of all) {
      row.begin(EVERY);
    }
    drawing = setInterval(draw, 150);
    await pause(BEFORE);
    if (turn !== mine) {
      return;
    }

    said.textContent = "Logging out.";
    times.asked = performance.now();
    const byToken = all.filter((row) => row !== twin);
    const ending = twin === null ? followers : [...followers, twin];
    await Promise.all([
      must({ method: "POST", path: "/logout", token }).then(() => loggedOut(byToken)),
      // The answer takes the cookie away as well: no page can save an HttpOnly cookie, so afterwards nothing is left to send.
      twin !== null && WAYS.session.logOut(context).then(() => loggedOut([twin])),
    ]);
    times.answered = performance.now();
    await until(() => turn !== mine || ending.every((row) => row.refusedFrom !== undefined), LONGEST);
    await pause(AFTER);
    if (turn !== mine) {
      return;
    }
    for (const row of ending) {
      row.end();
    }
    clearInterval(drawing);
    draw();
    through = true;
    draw();
    said.textContent = ending.map((row) => `${row.name}: ${verdict(row)}.`).join(" ");
    if (forgetful !== null) {
      forgetful.begin(AFTERWARDS);
      drawing = setInterval(() => watchExpiry(forgetful), AFTERWARDS);
    }
  }

  function watchExpiry(forgetful) {
    if (forgetful.refusedFrom === undefined) {
      return;
    }
    stop();
    draw();
    said.textContent += ` plain profile: ${verdict(forgetful)}.`;
  }

  async function tried() {
    if (!(await attempt(trouble, run))) {
      stop();
      said.textContent = "It did not come to an end.";
    }
  }

  section.append(
    element(
      "p",
      { class: "prose" },
      "The common objection to JWTs is that they cannot be taken back: whoever has saved one can use it until it expires, whatever the person does. ",
      "Here a token is saved, and sent to each service twenty times a second while its owner logs out. ",
      "Auth keeps the record of the login. Profile and orders follow its feed of revocations, so they refuse from memory, without asking anybody.",
    ),
    element("div", { class: "buttons" }, button("Log in, log out, and replay", tried, { class: "first" }), button("Stop", () => { stop(); said.textContent = "Stopped."; })),
    said,
    trouble,
    element("div", { class: "card" }, plot, table),
    element("p", { class: "note" }, "Times count from the moment at which the log-out was answered to the one at which the first request was sent that was refused, as every one after it. This logs in anew, and ends that login alone: what you hold stays, but for the session, of which a browser has one."),
  );
  replace(plot, element("p", { class: "note" }, `It takes about ${(BEFORE + 2 * AFTER) / 1000} seconds.`, store.get("laboratory")?.plain ? "" : " With the laboratory (make up LABORATORY=1) it also asks a service that follows no feed, and the session twin."));
}

/** Note that the log-out of these rows has been answered just now. */
function loggedOut(rows) {
  for (const row of rows) {
    row.loggedOut = performance.now();
  }
}

async function until(claim, longest) {
  const end = performance.now() + longest;
  while (!claim() && performance.now() < end) {
    await pause(EVERY);
  }
}
