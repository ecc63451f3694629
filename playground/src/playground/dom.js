/** Elements from code. Text is always text: no string ever becomes markup. */

const SVG = "http://www.w3.org/2000/svg";

function filled(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) {
      node.addEventListener(name.slice(2), value);
    } else if (typeof value === "boolean") {
      node.toggleAttribute(name, value);
    } else if (value !== null && value !== undefined) {
      node.setAttribute(name, String(value));
    }
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

/**
 * Make an element. Attributes whose name begins with `on` are listeners, `true` stands for an attribute without value.
 *
 * @param {string} tag
 * @param {Record<string, unknown>} [attributes]
 * @param {...(Node|string|null|false|(Node|string)[])} children
 * @returns {HTMLElement}
 */
export function element(tag, attributes = {}, ...children) {
  return filled(document.createElement(tag), attributes, children);
}

/** Make a frame called `label` for what may be wider than the screen: it scrolls, also by keyboard. */
export function scrolling(label, ...children) {
  return element("div", { class: "scrolls", tabindex: "0", role: "region", "aria-label": label }, ...children);
}

/** Make an element of a drawing, as `element` does. */
export function drawn(tag, attributes = {}, ...children) {
  return /** @type {SVGElement} */ (filled(document.createElementNS(SVG, tag), attributes, children));
}

/** Let `children` be all that stands in a node. */
export function replace(node, ...children) {
  node.replaceChildren(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
}

/**
 * Make a button that runs `work`, and cannot be pressed again until that has ended.
 *
 * @param {string} label
 * @param {() => Promise<void>|void} work
 * @param {Record<string, unknown>} [attributes]
 */
export function button(label, work, attributes = {}) {
  const made = element("button", { type: "button", ...attributes }, label);
  made.addEventListener("click", () => busy(made, work));
  return /** @type {HTMLButtonElement} */ (made);
}

/**
 * Run `work` while a button says that it is busy. It keeps the focus: a disabled button would lose it.
 *
 * @param {HTMLElement} pressed
 * @param {() => Promise<void>|void} work
 */
export async function busy(pressed, work) {
  if (pressed.getAttribute("aria-busy") === "true") {
    return;
  }
  pressed.setAttribute("aria-busy", "true");
  try {
    await work();
  } finally {
    pressed.removeAttribute("aria-busy");
  }
}
