// The socket to the box: opened, watched, opened again.

import { type Frame, readFrame } from "./frame.ts";

/** Frames come about eight times a second. Silence for this long means that what the page shows is old. */
const silenceMs = 3000;
/** The first wait before trying again, and the longest. */
const firstRetryMs = 1000;
const longestRetryMs = 15000;

export interface Listener {
  /** The first frame after a start or a loss is about to come in. */
  live(): void;
  frame(frame: Frame): void;
  /** The box was lost, or did not answer again. Called once for each try that came to nothing. */
  lost(): void;
}

export class Link {
  readonly #url: URL;
  readonly #to: Listener;
  #socket: WebSocket | undefined;
  #silence: number | undefined;
  #retryMs = firstRetryMs;
  #isLive = false;

  constructor(page: URL, to: Listener) {
    this.#url = new URL(page);
    this.#url.protocol = "wss:";
    this.#to = to;
  }

  start(): void {
    // A page taken back out of the browser's cache has an old picture and a dead socket.
    addEventListener("pageshow", (e) => {
      if (e.persisted) this.#lose();
    });
    this.#open();
  }

  #open(): void {
    const socket = new WebSocket(this.#url);
    this.#socket = socket;
    socket.addEventListener("message", (e) => {
      if (socket === this.#socket) this.#take(e.data);
    });
    socket.addEventListener("close", () => {
      if (socket === this.#socket) this.#lose();
    });
    this.#watch();
  }

  #take(data: unknown): void {
    const frame = readFrame(data);
    if (!frame) return; // then silence will tell
    this.#watch();
    if (!this.#isLive) {
      this.#isLive = true;
      this.#retryMs = firstRetryMs;
      this.#to.live();
    }
    this.#to.frame(frame);
  }

  #watch(): void {
    clearTimeout(this.#silence);
    this.#silence = setTimeout(() => this.#lose(), silenceMs);
  }

  #lose(): void {
    clearTimeout(this.#silence);
    const socket = this.#socket;
    this.#socket = undefined; // its late events are not heard any more
    socket?.close();
    this.#isLive = false;
    const wait = this.#retryMs;
    this.#retryMs = Math.min(longestRetryMs, wait * 2);
    this.#to.lost();
    // Up to a quarter less, so that the pages of an office do not all come back in the same instant.
    setTimeout(() => this.#open(), wait * (1 - Math.random() / 4));
  }
}
