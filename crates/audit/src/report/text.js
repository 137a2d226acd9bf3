"use strict";
// How things are written: elements, numbers, times, and text that programs inside have chosen.

// Characters that show nothing or change how others are shown. The selector of coloured emoji is left alone.
const HIDDEN = new RegExp(
  "[\\u0000-\\u001f\\u007f-\\u009f\\u00ad\\u034f\\u061c\\u115f\\u1160\\u17b4\\u17b5\\u180b-\\u180f" +
    "\\u200b-\\u200f\\u2028-\\u202f\\u205f-\\u206f\\u2800\\u3164\\ud800-\\udfff\\ufe00-\\ufe0e\\ufeff\\uffa0" +
    "\\ufff0-\\ufffb\\u{1bca0}-\\u{1bca3}\\u{1d173}-\\u{1d17a}\\u{e0000}-\\u{e0fff}]",
  "gu",
);
const NAMED = new Map([
  ["\n", "\\n"],
  ["\r", "\\r"],
  ["\t", "\\t"],
  ["\u001b", "\\e"],
]);

function spelled(character) {
  return NAMED.get(character) ?? "\\u{" + character.codePointAt(0).toString(16) + "}";
}

/** The text with hidden characters spelled out, for attributes. */
function visible(text) {
  return String(text).replace(HIDDEN, spelled);
}

/** Appends text to an element, with hidden characters spelled out and marked; with `lines`, line breaks are kept. */
function say(element, text, lines = false) {
  let from = 0;
  for (const match of text.matchAll(HIDDEN)) {
    if (lines && (match[0] === "\n" || match[0] === "\t")) continue;
    if (match.index > from) element.append(text.slice(from, match.index));
    const mark = document.createElement("span");
    mark.className = "escape";
    mark.textContent = spelled(match[0]);
    element.append(mark);
    from = match.index + match[0].length;
  }
  if (from < text.length) element.append(text.slice(from));
}

/** An element of a class with children: elements, or text. */
function el(tag, name, ...children) {
  const element = document.createElement(tag);
  if (name) element.className = name;
  for (const child of children) {
    if (child instanceof Node) element.append(child);
    else if (child !== null && child !== undefined) say(element, String(child));
  }
  return element;
}

/** An element of SVG with attributes. */
function svg(tag, attributes, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

/** Sets attributes. */
function having(element, attributes) {
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
}

/** The beginning, if the text is long: rows are for reading over. */
function short(text, most = 400) {
  if (text.length <= most) return text;
  const end = /[\ud800-\udbff]/.test(text[most - 1]) ? most - 1 : most;
  return text.slice(0, end) + "…";
}

/** A program and its arguments, quoted as a shell would want them. */
function quoted(argv) {
  const word = (one) => (/^[\w@%+=:,./-]+$/.test(one) ? one : "'" + one.replaceAll("'", "'\\''") + "'");
  return argv.map(word).join(" ");
}

const NUMBER = new Intl.NumberFormat("en");

function count(number) {
  return NUMBER.format(number);
}

/** `1 file`, `2 files`. */
function many(number, one, more = one + "s") {
  return count(number) + " " + (number === 1 ? one : more);
}

function bytes(number) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
  let unit = 0;
  while (number >= 1024 && unit < units.length - 1) {
    number /= 1024;
    unit++;
  }
  return (unit === 0 || number >= 100 ? Math.round(number) : number.toFixed(1)) + " " + units[unit];
}

/** A duration in microseconds. */
function duration(us) {
  const two = (number) => String(Math.floor(number)).padStart(2, "0");
  if (us < 1000) return Math.round(us) + " µs";
  if (us < 1e6) return (us < 1e4 ? (us / 1e3).toFixed(1) : Math.round(us / 1e3)) + " ms";
  if (us < 60e6) return (us / 1e6).toFixed(us < 10e6 ? 2 : 1) + " s";
  const seconds = Math.round(us / 1e6);
  if (seconds < 3600) return Math.floor(seconds / 60) + " min " + two(seconds % 60) + " s";
  return Math.floor(seconds / 3600) + " h " + two((seconds % 3600) / 60) + " min";
}

/** A time in microseconds since 1970 as ISO 8601; dates that no calendar has are told as such. */
function iso(us) {
  const date = new Date(us / 1000);
  return Number.isNaN(date.getTime()) ? "unknown time" : date.toISOString();
}

function clock(us) {
  return iso(us).slice(11, 19);
}

function fullTime(us) {
  return iso(us).replace("T", " ").replace("Z", "");
}

const DAY = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "long", year: "numeric", timeZone: "UTC" });

/** `28 November 2026, 10:02:13 to 10:48:55 UTC`. */
function between(start, end) {
  const [from, to] = [DAY.format(start / 1000), DAY.format(end / 1000)];
  if (from === to) return `${from}, ${clock(start)} to ${clock(end)} UTC`;
  return `${from}, ${clock(start)} to ${to}, ${clock(end)} UTC`;
}
