/** Elements without markup in strings: what a server or a model says is always text, never code. */

const SVG = "http://www.w3.org/2000/svg";

/**
 * An element. Properties: `class`, `on…` listeners, `data` (an object), anything else an attribute;
 * `false`, `null` and `undefined` leave an attribute out.
 */
export function h(tag, properties = {}, ...children) {
  return build(document.createElement(tag), properties, children);
}

/** The same for SVG. */
export function s(tag, properties = {}, ...children) {
  return build(document.createElementNS(SVG, tag), properties, children);
}

function build(element, properties, children) {
  for (const [name, value] of Object.entries(properties)) {
    if (value === false || value === null || value === undefined) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "data") Object.assign(element.dataset, value);
    else if (name === "value") element.value = value;
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** Put children in the place of whatever an element holds. */
export function fill(element, ...children) {
  element.replaceChildren(...children.flat().filter(Boolean));
  return element;
}

/** What went wrong, and a button to try again. */
export function trouble(text, again) {
  return h("div", { class: "trouble" }, h("p", { class: "problem", role: "alert" }, text), h("button", { type: "button", class: "secondary", onclick: again }, "Tentar de novo"));
}

/** Tell screen readers, politely. */
export function say(text) {
  document.getElementById("said").textContent = text;
}

const ICONS = {
  search: "M11 4a7 7 0 1 0 0 14 7 7 0 0 0 0-14Zm5 12 5 5",
  back: "M15 5l-7 7 7 7",
  send: "M4 12l16-8-6 16-3-7-7-1Z",
  mic: "M12 3a3 3 0 0 0-3 3v6a3 3 0 0 0 6 0V6a3 3 0 0 0-3-3Zm-7 9a7 7 0 0 0 14 0M12 19v3",
  stop: "M7 7h10v10H7Z",
  chat: "M4 5h16v11H9l-5 4V5Z",
  note: "M6 3h9l4 4v14H6V3Zm3 8h7M9 15h7",
  file: "M6 3h8l4 4v14H6V3Zm8 0v4h4",
  heart: "M3 12h4l2-5 4 10 2.5-6 1.5 1h4",
  out: "M10 4H5v16h5M14 8l4 4-4 4M18 12H9",
  theme: "M12 3a9 9 0 1 0 9 9 7 7 0 0 1-9-9Z",
  camera: "M4 8h4l2-3h4l2 3h4v11H4V8Zm8 2.5a3.5 3.5 0 1 0 0 7 3.5 3.5 0 0 0 0-7Z",
  up: "M12 16V5M7 10l5-5 5 5M5 20h14",
};

/** A line icon that takes the text's colour; it says nothing to screen readers. */
export function icon(name) {
  return s("svg", { class: "icon", viewBox: "0 0 24 24", "aria-hidden": "true" }, s("path", { d: ICONS[name] }));
}
