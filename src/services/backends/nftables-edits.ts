import { type NftCommand, add, remove } from '../../kernel/nftables/commands.ts';
import { type Element, type NftMap, type NftSet, elements } from '../../kernel/nftables/objects.ts';

export type PlacedElement = readonly [set: NftSet | NftMap, element: Element];

interface SetEdits {
  readonly set: NftSet | NftMap;
  readonly gone: Element[];
  readonly come: Element[];
}

/** Elements to take out and to put in, by set. */
export class ElementEdits {
  readonly #bySet = new Map<string, SetEdits>();

  /** Elements in both lists stay. */
  change(before: readonly PlacedElement[], after: readonly PlacedElement[]): void {
    if (before.length === 0) {
      for (const [set, element] of after) this.put(set, element);
      return;
    }
    const stays = new Set<string>();
    const known = new Set(before.map(placedText));
    for (const placed of after) {
      const text = placedText(placed);
      if (known.has(text)) stays.add(text);
      else this.put(...placed);
    }
    for (const placed of before) if (!stays.has(placedText(placed))) this.take(...placed);
  }

  take(set: NftSet | NftMap, element: Element): void {
    this.#of(set).gone.push(element);
  }

  put(set: NftSet | NftMap, element: Element): void {
    this.#of(set).come.push(element);
  }

  #of(set: NftSet | NftMap): SetEdits {
    let edits = this.#bySet.get(set.name);
    if (edits === undefined) this.#bySet.set(set.name, (edits = { set, gone: [], come: [] }));
    return edits;
  }

  removals(): NftCommand[] {
    const lists = [...this.#bySet.values()].filter(({ gone }) => gone.length > 0);
    // A value is no part of what is deleted: the kernel would compare it.
    return lists.map(({ set, gone }) =>
      remove(
        elements(
          set,
          gone.map(({ key }) => ({ key })),
        ),
      ),
    );
  }

  additions(): NftCommand[] {
    const lists = [...this.#bySet.values()].filter(({ come }) => come.length > 0);
    return lists.map(({ set, come }) => add(elements(set, come)));
  }
}

/** Equal for equal elements of the same set. */
export function placedText([set, element]: PlacedElement): string {
  return `${set.name} ${elementText(element)}`;
}

/** Equal for equal elements of one set or map. */
export function elementText({ key, value }: Element): string {
  const front = (key as readonly (string | number)[]).join(' ');
  return value === undefined || 'kind' in value ? front : `${front} ${value.join(' ')}`;
}

/** Counts who needs something, and tells when the first came and when the last went. */
export class Uses<Key> {
  readonly #counts = new Map<Key, number>();
  readonly #before = new Map<Key, number>();

  get keys(): Iterable<Key> {
    return this.#counts.keys();
  }

  change(key: Key, by: 1 | -1): void {
    const count = this.#counts.get(key) ?? 0;
    if (!this.#before.has(key)) this.#before.set(key, count);
    if (count + by === 0) this.#counts.delete(key);
    else this.#counts.set(key, count + by);
  }

  /** What came into use and what went out of use since the last call. */
  settle(): { readonly come: Key[]; readonly gone: Key[] } {
    const come: Key[] = [];
    const gone: Key[] = [];
    for (const [key, before] of this.#before) {
      const now = this.#counts.get(key) ?? 0;
      if (before === 0 && now > 0) come.push(key);
      if (before > 0 && now === 0) gone.push(key);
    }
    this.#before.clear();
    return { come, gone };
  }
}

/** An element and how many parts of the plan want it, now and when it was last settled. */
interface SharedElement {
  readonly element: Element;
  wanted: number;
  isHeld: boolean;
  isTouched: boolean;
}

/** A set whose elements several parts of the plan may want at once. */
export class SharedSet {
  readonly set: NftSet;
  readonly #elements = new Map<string, SharedElement>();
  #touched: string[] = [];

  constructor(set: NftSet) {
    this.set = set;
  }

  change(element: Element, by: 1 | -1): void {
    const text = elementText(element);
    let shared = this.#elements.get(text);
    if (shared === undefined) {
      shared = { element, wanted: 0, isHeld: false, isTouched: false };
      this.#elements.set(text, shared);
    }
    shared.wanted += by;
    if (shared.isTouched) return;
    shared.isTouched = true;
    this.#touched.push(text);
  }

  /** Puts in what is wanted by now and takes out what is not any more. */
  settle(edits: ElementEdits): void {
    for (const text of this.#touched) {
      const shared = this.#elements.get(text);
      if (shared === undefined) continue;
      const { element, wanted, isHeld } = shared;
      if (isHeld && wanted === 0) edits.take(this.set, element);
      if (!isHeld && wanted > 0) edits.put(this.set, element);
      if (wanted === 0) this.#elements.delete(text);
      shared.isHeld = wanted > 0;
      shared.isTouched = false;
    }
    this.#touched = [];
  }

  *elements(): Generator<PlacedElement> {
    for (const { element } of this.#elements.values()) yield [this.set, element];
  }
}
