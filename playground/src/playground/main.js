/** Puts the page together: the one place where store, client and panels meet. */

import { Client } from "./client.js";
import { element, replace } from "./dom.js";
import { showHoldings } from "./holdings.js";
import { findLaboratory } from "./laboratory.js";
import { PANELS } from "./panels.js";
import { explain } from "./problem.js";
import { Store } from "./store.js";
import { showTraffic } from "./traffic.js";

const store = new Store();
const client = new Client(store);
const context = { client, store, explain };

const content = document.getElementById("content");
const navigation = document.getElementById("navigation");

/** The sections that were shown before, by panel: a panel is mounted once and keeps what stands in it. */
const mounted = new Map();

function wanted() {
  const name = location.hash.slice(1).split("/")[0];
  return PANELS.find((panel) => panel.name === name);
}

async function mount(panel) {
  const section = element("section", { class: `panel panel-${panel.name}`, "aria-labelledby": `${panel.name}-title` });
  section.append(
    element("h1", { id: `${panel.name}-title`, tabindex: "-1" }, panel.title),
    element("p", { class: "question" }, panel.question),
  );
  try {
    const module = await import(`./panels/${panel.name}.js`);
    await module.mount(section, context);
  } catch (error) {
    section.append(explain({ title: "This panel could not be shown", reason: "page_error", detail: `${error}. Choose it again to try again.` }));
    mounted.delete(panel.name);
    reportError(error);
  }
  return section;
}

/** Show the panel that the address names. `focus`: let a screen reader begin there, after a person has chosen it. */
async function show({ focus }) {
  const panel = wanted() ?? (location.hash.length > 1 ? null : PANELS[0]);
  if (panel === null) {
    return; // an address within a panel, such as the skip link's
  }
  for (const link of navigation.querySelectorAll("a")) {
    const current = link.hash === `#${panel.name}`;
    if (current) {
      link.setAttribute("aria-current", "page");
      link.scrollIntoView({ block: "nearest", inline: "nearest" });
    } else {
      link.removeAttribute("aria-current");
    }
  }
  document.title = `${panel.title} · Signet`;
  if (!mounted.has(panel.name)) {
    mounted.set(panel.name, mount(panel));
  }
  const section = await mounted.get(panel.name);
  if ((wanted() ?? PANELS[0]) === panel) {
    replace(content, section);
    if (focus) {
      section.querySelector("h1").focus({ preventScroll: true });
      window.scrollTo(0, 0);
    }
  }
}

replace(
  navigation,
  ...PANELS.map((panel) => element("li", {}, element("a", { href: `#${panel.name}` }, panel.link))),
);
showHoldings(document.getElementById("holdings"), context);
showTraffic(document.getElementById("traffic"), client);
await findLaboratory(context);
window.addEventListener("hashchange", () => show({ focus: true }));
await show({ focus: false });
document.documentElement.dataset.ready = "";
