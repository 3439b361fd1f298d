/** What a pod's resolver needs to know of its `/etc/resolv.conf`. */
export interface SearchSettings {
  readonly searches: readonly string[];
  /** As written: `ndots:5`, `edns0`. */
  readonly options: readonly string[];
}

/** The number of dots from which a name is tried as it stands first (resolv.conf(5)): 1 unless told, 15 at most. */
export function ndotsOf({ options }: Pick<SearchSettings, 'options'>): number {
  const text = options.findLast((option) => option.startsWith('ndots:'))?.slice('ndots:'.length);
  const value = Number(text ?? 1);
  return Number.isInteger(value) && value >= 0 ? Math.min(value, 15) : 1;
}

/**
 * The names a resolver tries one after the other, each complete and without the final dot: those of the search list
 * before the name as it stands, or after it when it has as many dots as `ndots` says. A name that ends in a dot is
 * tried as it stands alone.
 */
export function searchNames(name: string, settings: SearchSettings): readonly string[] {
  if (name.endsWith('.')) return [name.slice(0, -1)];
  const dots = name.split('.').length - 1;
  const searched = settings.searches.map((domain) =>
    `${name}.${domain.replace(/\.$/u, '')}`.replace(/\.$/u, ''),
  );
  const all = dots >= ndotsOf(settings) ? [name, ...searched] : [...searched, name];
  return [...new Set(all)];
}
