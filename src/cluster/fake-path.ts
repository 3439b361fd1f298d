/** What a path of the API names. */
export interface ParsedPath {
  /** `apps/v1/deployments`: the same for all its namespaces. */
  readonly collection: string;
  readonly plural: string;
  readonly namespace: string;
  /** Empty for the collection itself. */
  readonly name: string;
  readonly subresource: string;
}

/** `/api/v1/…` and `/apis/GROUP/VERSION/…`; undefined for anything else. */
export function parsePath(path: string): ParsedPath | undefined {
  const [root, ...rest] = path.slice(1).split('/').map(decodeURIComponent);
  const head = root === 'api' ? rest.splice(0, 1) : root === 'apis' ? rest.splice(0, 2) : [];
  if (head.length === 0 || rest.length === 0) return undefined;
  let namespace = '';
  const third = rest[2];
  if (rest[0] === 'namespaces' && third && third !== 'status' && third !== 'finalize')
    namespace = rest.splice(0, 2)[1] ?? '';
  const [plural = '', name = '', subresource = ''] = rest;
  return { collection: [...head, plural].join('/'), plural, namespace, name, subresource };
}
