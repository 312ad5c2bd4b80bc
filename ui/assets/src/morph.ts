// Makes a piece of the page what the box says it is now, touching only what differs: what has the focus keeps it, what is
// selected stays selected, and a screen reader hears what changed and nothing else.

interface Policy {
  createHTML(html: string): string;
}
interface PolicyFactory {
  createPolicy(name: string, rules: { createHTML(html: string): string }): Policy;
}

/** The page forbids turning text into HTML but for this one place. Its text comes from our own box, over our own socket. */
const policy: Policy = (() => {
  const pass = { createHTML: (html: string) => html };
  const factory = (globalThis as { trustedTypes?: PolicyFactory }).trustedTypes;
  return factory ? factory.createPolicy("linekeep", pass) : pass;
})();

const parser = new DOMParser();

/** Replaces the piece with this id. A piece that the page does not have, or that carries another id, is ignored. */
export function replacePiece(page: Document, id: string, html: string): void {
  const old = page.getElementById(id);
  const now = parser.parseFromString(policy.createHTML(html), "text/html").body.firstElementChild;
  if (old && now?.id === id) morph(old, now);
}

function morph(old: Element, now: Element): void {
  const moving = keyOf(old) !== "";
  for (const a of [...old.attributes]) if (!now.hasAttribute(a.name)) old.removeAttribute(a.name);
  for (const a of now.attributes) {
    if (moving && a.name.startsWith("aria-value")) continue;
    if (old.getAttribute(a.name) !== a.value) old.setAttribute(a.name, a.value);
  }
  // A figure that moves by itself comes empty in a piece: what stands on the page is newer.
  if (moving) return;

  const page = old.ownerDocument;
  const had = [...old.childNodes];
  const next = [...now.childNodes];
  next.forEach((node, i) => {
    const was = had[i];
    if (!was) old.append(page.adoptNode(node));
    else if (!isLike(was, node)) was.replaceWith(page.adoptNode(node));
    else if (was instanceof Element && node instanceof Element) morph(was, node);
    else if (was.nodeValue !== node.nodeValue) was.nodeValue = node.nodeValue;
  });
  for (const rest of had.slice(next.length)) rest.remove();
}

/** Two nodes of the same kind, and the same figure or none: one can be made into the other. */
function isLike(was: Node, now: Node): boolean {
  if (was.nodeType !== now.nodeType || was.nodeName !== now.nodeName) return false;
  return !(was instanceof Element && now instanceof Element) || (was.id === now.id && keyOf(was) === keyOf(now));
}

/** The name under which a figure moves by itself, or nothing. */
function keyOf(el: Element): string {
  return el.getAttribute("data-live") ?? "";
}
