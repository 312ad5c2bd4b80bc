// Figures that move all the time: the meters, and texts such as clocks.

import type { Gauge } from "./frame.ts";

/** Draws the meters, in the order in which they stand on the page. A page and a frame that differ are left to the next piece. */
export function showGauges(page: Document, levels: readonly Gauge[]): void {
  const meters = page.querySelectorAll<SVGElement>("#lines .meter");
  if (meters.length !== levels.length) return;
  levels.forEach(([lit, peak, db], i) => {
    const meter = meters[i];
    if (!meter?.dataset["live"]) return; // hatched: nothing is measured there
    set(meter.querySelector(".lit"), "x2", `${lit}%`);
    set(meter.querySelector(".peak"), "x", `${peak}%`);
    set(meter, "aria-valuenow", String(db));
  });
}

/** Writes the moving texts. For a meter the text is what is spoken; for anything else it is what is read. */
export function showTexts(page: Document, texts: Readonly<Record<string, string>>): void {
  for (const el of page.querySelectorAll<HTMLElement | SVGElement>("[data-live]")) {
    const text = texts[el.dataset["live"] ?? ""];
    if (text === undefined) continue;
    if (el instanceof SVGElement) set(el, "aria-valuetext", text);
    else if (el.textContent !== text) el.textContent = text;
  }
}

function set(el: Element | null, name: string, value: string): void {
  if (el && el.getAttribute(name) !== value) el.setAttribute(name, value);
}
