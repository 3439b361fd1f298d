import type { Registry, ServedKind } from '../registry.ts';

/** What a request's path names. */
export interface ResourcePath {
  readonly kind: ServedKind;
  /** Empty for cluster-scoped kinds and for all namespaces. */
  readonly namespace: string;
  /** Empty for the collection. */
  readonly name: string;
  readonly subresource: string;
}

/**
 * `/api/v1[/namespaces/NS]/PLURAL[/NAME[/SUBRESOURCE]]`, `/apis/GROUP/VERSION/…` the same.
 * `undefined` for paths that are none; `kind: undefined` for a resource path whose resource is not served.
 */
export function parseResourcePath(
  path: string,
  registry: Registry,
): ResourcePath | { readonly kind: undefined } | undefined {
  const steps = path.split('/').filter((step) => step !== '');
  const root = steps.shift();
  if (root !== 'api' && root !== 'apis') return undefined;
  const group = root === 'api' ? '' : (steps.shift() ?? '');
  const version = steps.shift();
  if (version === undefined || steps.length === 0) return undefined;
  let namespace = '';
  // `/namespaces/NS` is the namespace itself; `/namespaces/NS/status` one of its subresources.
  if (steps[0] === 'namespaces' && steps.length > 2 && !isNamespaceSubresource(steps)) {
    namespace = steps[1] ?? '';
    steps.splice(0, 2);
  }
  const [plural = '', name = '', subresource = '', ...rest] = steps;
  const kind = registry.byPlural(group, version, plural);
  if (kind === undefined || (namespace !== '' && !kind.namespaced) || rest.length > 0)
    return { kind: undefined };
  if (kind.namespaced && namespace === '' && name !== '') return { kind: undefined };
  return { kind, namespace, name, subresource };
}

function isNamespaceSubresource(steps: readonly string[]): boolean {
  return steps.length === 3 && (steps[2] === 'status' || steps[2] === 'finalize');
}
