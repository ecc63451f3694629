/** Time left, counting down. */

import { element } from "./dom.js";

/** @param {number} seconds @returns {string} such as 4:09, or 23 h 12 min */
export function duration(seconds) {
  const left = Math.max(0, Math.round(seconds));
  if (left >= 3600) {
    return `${Math.floor(left / 3600)} h ${Math.floor((left % 3600) / 60)} min`;
  }
  return `${Math.floor(left / 60)}:${String(left % 60).padStart(2, "0")}`;
}

/** @param {number} seconds @returns {string} for a sentence: such as 10 minutes */
export function spoken(seconds) {
  if (seconds >= 5400) {
    return `${Math.round(seconds / 3600)} hours`;
  }
  return seconds >= 90 ? `${Math.round(seconds / 60)} minutes` : `${Math.max(1, Math.round(seconds))} seconds`;
}

/**
 * Make an element that shows the time left until `end`, and says `over` afterwards. It stops by itself when it is no
 * longer part of the page.
 *
 * @param {number} end milliseconds since the epoch
 * @param {{over?: string, onend?: () => void}} [options]
 * @returns {HTMLElement}
 */
export function countdown(end, { over = "expired", onend = () => {} } = {}) {
  // No live region: nobody wants to be told every second.
  const shown = element("span", { class: "countdown", role: "timer" });
  let attached = false;
  function tick() {
    const left = (end - Date.now()) / 1000;
    shown.textContent = left > 0 ? duration(left) : over;
    shown.classList.toggle("over", left <= 0);
    if (left <= 0) {
      onend();
    } else if (shown.isConnected || !attached) {
      attached ||= shown.isConnected;
      setTimeout(tick, 1000);
    }
  }
  tick();
  return shown;
}
