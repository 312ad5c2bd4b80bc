// What the box sends, and the check that it is that.

/** How far a meter is lit, where its peak stands (percent of its length), and its value in decibels. */
export type Gauge = readonly [lit: number, peak: number, db: number];

export interface Piece {
  readonly id: string;
  readonly html: string;
}

export interface Frame {
  readonly levels?: readonly Gauge[];
  readonly texts?: Readonly<Record<string, string>>;
  readonly parts?: readonly Piece[];
}

/** Reads one message. Anything that is not a frame is undefined: a page never shows half of what it did not understand. */
export function readFrame(data: unknown): Frame | undefined {
  if (typeof data !== "string") return undefined;
  let v: unknown;
  try {
    v = JSON.parse(data);
  } catch {
    return undefined;
  }
  return isFrame(v) ? v : undefined;
}

function isFrame(v: unknown): v is Frame {
  if (!isObject(v)) return false;
  const { levels, texts, parts } = v;
  return (
    (levels === undefined || (Array.isArray(levels) && levels.every(isGauge))) &&
    (texts === undefined || (isObject(texts) && Object.values(texts).every((t) => typeof t === "string"))) &&
    (parts === undefined || (Array.isArray(parts) && parts.every(isPiece)))
  );
}

function isGauge(v: unknown): v is Gauge {
  return Array.isArray(v) && v.length === 3 && v.every((n) => typeof n === "number" && Number.isFinite(n));
}

function isPiece(v: unknown): v is Piece {
  return isObject(v) && typeof v["id"] === "string" && typeof v["html"] === "string";
}

function isObject(v: unknown): v is Record<string, unknown> {
  return typeof v === "object" && v !== null && !Array.isArray(v);
}
