// The live half of the console. The page is whole without it; with it, meters move and the words keep up.
// The box sends everything that is shown, words included. The only words of this module are those for a box that
// does not answer: then nobody else can say them.

import { Link } from "./link.ts";
import { showGauges, showTexts } from "./gauges.ts";
import { replacePiece } from "./morph.ts";
import { Liveness } from "./liveness.ts";

const liveness = new Liveness(document);

new Link(new URL("/live", location.href), {
  live() {
    liveness.live();
  },
  frame(frame) {
    // Pieces come first: they bring the elements that the figures belong to.
    for (const piece of frame.parts ?? []) replacePiece(document, piece.id, piece.html);
    if (frame.parts) liveness.pieces();
    if (frame.texts) showTexts(document, frame.texts);
    if (frame.levels) showGauges(document, frame.levels);
  },
  lost() {
    liveness.lost();
  },
}).start();
