// Says whether the page is live. A page that has lost the box must not go on saying "Recording".

export class Liveness {
  readonly #page: Document;

  constructor(page: Document) {
    this.#page = page;
  }

  /** The box answers. The pieces that come with its first frame put right what lost() wrote over. */
  live(): void {
    this.#page.documentElement.classList.remove("is-stale");
    this.#text(this.#page.getElementById("liveness"), "Live.");
    this.#notice(false);
  }

  /** New pieces were put into the page. */
  pieces(): void {
    const word = this.#page.querySelector("#glass .word")?.textContent;
    const title = `${word ?? ""} · Linekeep`;
    if (word && this.#page.title !== title) this.#page.title = title;
  }

  lost(): void {
    this.#page.documentElement.classList.add("is-stale");
    const glass = this.#page.getElementById("glass");
    glass?.setAttribute("class", "glass is-lost");
    glass?.querySelector(".lamp")?.setAttribute("class", "lamp");
    glass?.querySelector(".lamp use")?.setAttribute("href", "#i-lost");
    this.#text(glass?.querySelector(".word"), "Not live");
    // The box's own clock as it was last heard: the clock of this computer may be another.
    const clock = this.#page.querySelector('[data-live="clock"]')?.textContent ?? "";
    this.#text(glass?.querySelector(".more"), `This page lost the box at ${clock}.`);
    this.#text(this.#page.getElementById("lost-at"), clock);
    this.#notice(true);
    this.#text(this.#page.getElementById("liveness"), "Not live.");
    this.pieces();
  }

  #notice(shown: boolean): void {
    const notice = this.#page.getElementById("lost");
    if (notice && notice.hidden === shown) notice.hidden = !shown;
  }

  #text(el: Element | null | undefined, text: string): void {
    if (el && el.textContent !== text) el.textContent = text;
  }
}
