/** @param {HTMLElement} section */
export function mount(section) {
  section.append("To come.");
}
