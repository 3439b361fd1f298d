/** The names of what a rule or an element relies on. */
export interface References {
  readonly chains: readonly string[];
  readonly sets: readonly string[];
  readonly counters: readonly string[];
}

/** Names found anywhere within the statements: they are plain values, so a walk over all of them finds every one. */
export function references(values: unknown): References {
  const found = { chains: [] as string[], sets: [] as string[], counters: [] as string[] };
  const visit = (value: unknown): void => {
    if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return;
    const { kind, name, chain } = value as { kind?: unknown; name?: unknown; chain?: unknown };
    if (kind === 'verdict' && typeof chain === 'string') found.chains.push(chain);
    if (typeof name === 'string' && (kind === 'set' || (kind === 'map' && 'table' in value))) {
      found.sets.push(name);
      return;
    }
    if (typeof name === 'string' && kind === 'counter') {
      found.counters.push(name);
      return;
    }
    for (const part of Object.values(value)) visit(part);
  };
  visit(values);
  return found;
}
