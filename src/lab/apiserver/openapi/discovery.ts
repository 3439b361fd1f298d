import { apiVersionOf, type ServedKind, type ServedSubresource } from '../registry.ts';

/** A document ready to send. */
export interface ApiDocument {
  readonly contentType: string;
  readonly body: object;
}

/** Where clients find this server, for the legacy `/api` document. */
export interface DiscoveryOptions {
  /** `127.0.0.1:6443` */
  readonly serverAddress?: string;
}

/**
 * What the server serves, as kubectl and client libraries ask for it: `/api`, `/apis`, `/api/v1`, `/apis/GROUP`,
 * `/apis/GROUP/VERSION`. With an Accept header that asks for `APIGroupDiscoveryList` (apidiscovery.k8s.io v2 or
 * v2beta1), `/api` and `/apis` answer with every group and resource in one document. Undefined for other paths and
 * unknown groups.
 */
export function discoveryDocument(
  path: string,
  accept: string,
  kinds: readonly ServedKind[],
  options: DiscoveryOptions = {},
): ApiDocument | undefined {
  const steps = path.split('/').filter(Boolean);
  const [root, group = '', version = ''] = steps;
  if (root === 'api') {
    const core = kinds.filter((kind) => kind.group === '');
    if (steps.length === 1) return aggregated(accept, core) ?? plain(apiVersions(core, options));
    return steps.length === 2 ? resourceList(core.filter((kind) => kind.version === group)) : undefined;
  }
  if (root !== 'apis') return undefined;
  const named = kinds.filter((kind) => kind.group !== '');
  if (steps.length === 1) {
    return (
      aggregated(accept, named) ?? plain({ kind: 'APIGroupList', apiVersion: 'v1', groups: groups(named) })
    );
  }
  const ofGroup = named.filter((kind) => kind.group === group);
  if (steps.length === 2) {
    const [only] = groups(ofGroup);
    return only && plain({ kind: 'APIGroup', apiVersion: 'v1', ...only });
  }
  return steps.length === 3 ? resourceList(ofGroup.filter((kind) => kind.version === version)) : undefined;
}

function plain(body: object): ApiDocument {
  return { contentType: 'application/json', body };
}

function apiVersions(core: readonly ServedKind[], { serverAddress = '' }: DiscoveryOptions): object {
  return {
    kind: 'APIVersions',
    versions: versionsOf(core),
    serverAddressByClientCIDRs: [{ clientCIDR: '0.0.0.0/0', serverAddress }],
  };
}

function versionsOf(kinds: readonly ServedKind[]): string[] {
  return [...new Set(kinds.map((kind) => kind.version))];
}

function groups(kinds: readonly ServedKind[]): object[] {
  return [...Map.groupBy(kinds, (kind) => kind.group)].map(([name, ofGroup]) => {
    const versions = versionsOf(ofGroup).map((version) => ({ groupVersion: `${name}/${version}`, version }));
    return { name, versions, preferredVersion: versions[0] };
  });
}

function resourceList(kinds: readonly ServedKind[]): ApiDocument | undefined {
  const [first] = kinds;
  if (!first) return undefined;
  return plain({
    kind: 'APIResourceList',
    apiVersion: 'v1',
    groupVersion: apiVersionOf(first),
    resources: kinds.flatMap((kind) => [
      {
        name: kind.plural,
        singularName: kind.singular,
        namespaced: kind.namespaced,
        kind: kind.kind,
        verbs: kind.verbs,
        ...(kind.shortNames.length > 0 && { shortNames: kind.shortNames }),
        ...(kind.categories.length > 0 && { categories: kind.categories }),
      },
      ...kind.subresources.map((subresource) => ({
        name: `${kind.plural}/${subresource.name}`,
        singularName: '',
        namespaced: kind.namespaced,
        ...(apiVersionOf(subresource) !== apiVersionOf(kind) && {
          group: subresource.group,
          version: subresource.version,
        }),
        kind: subresource.kind,
        verbs: subresource.verbs,
      })),
    ]),
  });
}

/** KEP-3352. The first form the client accepts decides; anything else falls back to the plain documents. */
function aggregated(accept: string, kinds: readonly ServedKind[]): ApiDocument | undefined {
  const wanted = accept.split(',').map((range) => range.split(';').map((part) => part.trim()));
  for (const [type, ...parameters] of wanted) {
    if (type !== 'application/json' && type !== '*/*') continue;
    if (parameters.every((parameter) => parameter.startsWith('q='))) return undefined;
    const version = parameters.find((parameter) => parameter.startsWith('v='))?.slice(2);
    if (!parameters.includes('as=APIGroupDiscoveryList') || (version !== 'v2' && version !== 'v2beta1'))
      continue;
    return {
      contentType: `application/json;g=apidiscovery.k8s.io;v=${version};as=APIGroupDiscoveryList`,
      body: {
        kind: 'APIGroupDiscoveryList',
        apiVersion: `apidiscovery.k8s.io/${version}`,
        metadata: {},
        items: [...Map.groupBy(kinds, (kind) => kind.group)].map(([name, ofGroup]) => ({
          metadata: { ...(name !== '' && { name }), creationTimestamp: null },
          versions: versionsOf(ofGroup).map((groupVersion) => ({
            version: groupVersion,
            resources: ofGroup.filter((kind) => kind.version === groupVersion).map(resourceDiscovery),
            freshness: 'Current',
          })),
        })),
      },
    };
  }
  return undefined;
}

function resourceDiscovery(kind: ServedKind): object {
  return {
    resource: kind.plural,
    responseKind: responseKind(kind),
    scope: kind.namespaced ? 'Namespaced' : 'Cluster',
    singularResource: kind.singular,
    verbs: kind.verbs,
    ...(kind.shortNames.length > 0 && { shortNames: kind.shortNames }),
    ...(kind.categories.length > 0 && { categories: kind.categories }),
    ...(kind.subresources.length > 0 && {
      subresources: kind.subresources.map((subresource) => ({
        subresource: subresource.name,
        responseKind: responseKind(subresource),
        verbs: subresource.verbs,
      })),
    }),
  };
}

function responseKind({ group, version, kind }: ServedKind | ServedSubresource): object {
  return { group, version, kind };
}
