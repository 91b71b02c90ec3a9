// A description of elements, and the smallest change that makes the page agree with it. Views are pure
// functions to `VNode`; elements are kept by key and place, so that focus, videos and scrolling survive.

import type { Cancel } from "../lifetime/clock.js";

/** An element that shall be there. */
export type VNode = {
  readonly tag: string;
  readonly key: string | null;
  readonly attributes: Readonly<Record<string, string>>;
  readonly listeners: Readonly<Record<string, (event: Event) => void>>;
  readonly variables: Readonly<Record<`--${string}`, string>>;
  readonly mounted: ((element: Element) => Cancel) | null;
  readonly updated: ((element: Element) => void) | null;
  readonly children: readonly (VNode | string)[];
};

/** What can be said of an element. */
export type Props = {
  readonly key?: string;
  readonly class?: string;
  /** Attributes; true is a bare one, false and null leave it out. */
  readonly attributes?: Readonly<Record<string, string | number | boolean | null>>;
  readonly on?: { readonly [Type in keyof HTMLElementEventMap]?: (event: HTMLElementEventMap[Type]) => void };
  /** CSS custom properties, set by script because the page allows no inline style. */
  readonly variables?: Readonly<Record<`--${string}`, string>>;
  /** Called once when the element is made; the result when it goes. */
  readonly mounted?: (element: Element) => Cancel;
  /** Called on every rendering, for what attributes cannot say. */
  readonly updated?: (element: Element) => void;
};

/** Children, with nothing for what is not there. */
export type Child = VNode | string | null | false;

/** Describes an element. */
export function h(tag: string, props: Props, ...children: readonly Child[]): VNode {
  const attributes: Record<string, string> = props.class === undefined ? {} : { class: props.class };
  for (const [name, value] of Object.entries(props.attributes ?? {})) {
    if (value !== null && value !== false) attributes[name] = value === true ? "" : String(value);
  }
  return {
    tag,
    key: props.key ?? null,
    attributes,
    listeners: (props.on ?? {}) as VNode["listeners"],
    variables: props.variables ?? {},
    mounted: props.mounted ?? null,
    updated: props.updated ?? null,
    children: children.filter((child): child is VNode | string => child !== null && child !== false),
  };
}

/** All the text of a description, as a reader would find it. */
export function textOf(node: VNode | string): string {
  if (typeof node === "string") return node;
  return node.children
    .map(textOf)
    .filter((text) => text !== "")
    .join(" ");
}

const SVG_TAGS = new Set(["svg", "path", "circle", "rect", "line"]);

type Mounted = { node: VNode; readonly unmount: Cancel; readonly dispatch: (event: Event) => void };

const mountedByElement = new WeakMap<Element, Mounted>();

/** Makes the children of an element agree with a description. */
export function render(parent: Element, children: readonly (VNode | string)[]): void {
  const present = [...parent.childNodes];
  const keyed = new Map<string, Element>();
  for (const child of present) {
    const key = child instanceof Element ? mountedByElement.get(child)?.node.key : null;
    if (key !== null && key !== undefined && child instanceof Element) keyed.set(key, child);
  }
  const kept = new Set<ChildNode>();
  children.forEach((child, index) => {
    const place = parent.childNodes[index] ?? null;
    const node = typeof child === "string" ? textNode(place, child) : elementFor(place, child, keyed);
    kept.add(node);
    if (node !== place) parent.insertBefore(node, place);
  });
  for (const child of [...parent.childNodes]) if (!kept.has(child)) remove(child);
}

function textNode(place: ChildNode | null, text: string): ChildNode {
  if (!(place instanceof Text)) return document.createTextNode(text);
  if (place.data !== text) place.data = text;
  return place;
}

function elementFor(place: ChildNode | null, node: VNode, keyed: ReadonlyMap<string, Element>): Element {
  const candidate = node.key === null ? place : (keyed.get(node.key) ?? null);
  const reusable = candidate instanceof Element ? mountedByElement.get(candidate) : undefined;
  if (
    candidate instanceof Element &&
    reusable !== undefined &&
    reusable.node.tag === node.tag &&
    reusable.node.key === node.key
  ) {
    update(candidate, reusable, node);
    return candidate;
  }
  return create(node);
}

function create(node: VNode): Element {
  const element = SVG_TAGS.has(node.tag)
    ? document.createElementNS("http://www.w3.org/2000/svg", node.tag)
    : document.createElement(node.tag);
  const blank: VNode = { ...node, attributes: {}, listeners: {}, variables: {}, children: [] };
  const mounted: Mounted = {
    node: blank,
    unmount: node.mounted?.(element) ?? (() => undefined),
    dispatch: (event) => mountedByElement.get(element)?.node.listeners[event.type]?.(event),
  };
  mountedByElement.set(element, mounted);
  update(element, mounted, node);
  return element;
}

function update(element: Element, mounted: Mounted, next: VNode): void {
  const { node: last } = mounted;
  mounted.node = next;
  for (const name of Object.keys(last.attributes)) if (!(name in next.attributes)) element.removeAttribute(name);
  for (const [name, value] of Object.entries(next.attributes))
    if (last.attributes[name] !== value) element.setAttribute(name, value);
  for (const type of Object.keys(next.listeners))
    if (!(type in last.listeners)) element.addEventListener(type, mounted.dispatch);
  if (element instanceof HTMLElement)
    for (const [name, value] of Object.entries(next.variables)) element.style.setProperty(name, value);
  render(element, next.children);
  next.updated?.(element);
}

function remove(child: ChildNode): void {
  child.remove();
  unmount(child);
}

function unmount(node: Node): void {
  if (node instanceof Element) mountedByElement.get(node)?.unmount();
  for (const child of node.childNodes) unmount(child);
}
