import { authorize, type Attributes } from '../auth/authorize.ts';
import type { User } from '../auth/user.ts';
import type { ServedKind } from '../registry.ts';
import type { Core } from '../server-core.ts';
import { methodNotAllowed, methodUnknown, unknownResource } from '../status.ts';
import { isDryRun, type Answer, type Call } from './call.ts';
import { deleteCollection, deleteObject } from './delete.ts';
import { patchObject } from './patch.ts';
import { createLister, getObject } from './read.ts';
import { parseResourcePath } from './resource-path.ts';
import { createReview } from './reviews.ts';
import { bindPod, handleSubresource } from './subresources.ts';
import { createObject, updateObject } from './write.ts';

export type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';

export type ResourceVerb =
  | 'create'
  | 'delete'
  | 'deletecollection'
  | 'get'
  | 'list'
  | 'patch'
  | 'update'
  | 'watch';

/** A request for a resource, before its body has been read. */
export interface RoutedRequest {
  readonly verb: ResourceVerb;
  readonly kind: ServedKind;
  readonly namespace: string;
  readonly name: string;
  readonly subresource: string;
  readonly query: Readonly<Record<string, string>>;
  readonly user: User;
}

const STREAMS = new Set(['attach', 'exec', 'log', 'portforward']);

/** True for requests that only the HTTP front can serve: logs and upgrades. */
export function isStream({ subresource }: RoutedRequest): boolean {
  return STREAMS.has(subresource);
}

export interface Handler {
  /**
   * Finds out what a request wants and whether its user may; `undefined` for paths that name no resource.
   * @throws StatusError 403, 404, 405
   */
  route(request: {
    method: string;
    path: string;
    query: Readonly<Record<string, string>>;
    user: User;
  }): RoutedRequest | undefined;
  /** Everything but watches and streams. Synchronous. @throws StatusError */
  handle(request: RoutedRequest, body: { body: unknown; contentType: string; warnings: string[] }): Answer;
}

export function createHandler(core: Core): Handler {
  const list = createLister(core);

  function handleCall(verb: ResourceVerb, call: Call): Answer {
    const { kind, subresource } = call;
    if (kind.verbs.length === 1 && kind.storage !== 'bindings') return createReview(core, call);
    if (kind.storage === 'bindings') return bindPod(core, call);
    if (subresource !== '' && !(subresource === 'status' && verb === 'patch'))
      return handleSubresource(core, call, verb);
    switch (verb) {
      case 'get':
        return getObject(core, call);
      case 'list':
        return list(call);
      case 'create':
        return createObject(core, call);
      case 'update':
        return updateObject(core, call);
      case 'patch':
        return patchObject(core, call);
      case 'delete':
        return deleteObject(core, call);
      case 'deletecollection':
        return deleteCollection(core, call);
      case 'watch':
        throw methodNotAllowed(kind, verb);
      default:
        return verb satisfies never;
    }
  }

  return {
    route({ method, path, query, user }) {
      const found = parseResourcePath(path, core.registry);
      if (found === undefined) return undefined;
      const verb = verbOf(method, found.kind === undefined ? '' : found.name, query);
      if (found.kind === undefined) throw unknownResource();
      const { kind, namespace, name, subresource } = found;
      const attributes: Attributes = {
        verb,
        group: kind.group,
        resource: kind.plural,
        subresource,
        namespace,
        name,
      };
      authorize(core.store, user, attributes);
      checkServed(kind, { verb, name, subresource });
      return { verb, kind, namespace, name, subresource, query, user };
    },
    handle({ verb, ...request }, { body, contentType, warnings }) {
      const call: Call = { ...request, body, contentType, warnings };
      // A wrong dryRun is refused before anything else is looked at.
      if (verb !== 'get' && verb !== 'list') isDryRun(call);
      return handleCall(verb, call);
    },
  };
}

function verbOf(method: string, name: string, query: Readonly<Record<string, string>>): ResourceVerb {
  switch (method) {
    case 'GET':
    case 'HEAD':
      if (isTrue(query['watch'])) return 'watch';
      return name === '' ? 'list' : 'get';
    case 'POST':
      return 'create';
    case 'PUT':
      return 'update';
    case 'PATCH':
      return 'patch';
    case 'DELETE':
      return name === '' ? 'deletecollection' : 'delete';
    default:
      throw methodUnknown();
  }
}

function isTrue(text: string | undefined): boolean {
  return text !== undefined && text !== '0' && text !== 'false';
}

function checkServed(
  kind: ServedKind,
  { verb, name, subresource }: { verb: ResourceVerb; name: string; subresource: string },
): void {
  if (subresource === '') {
    const onCollection =
      verb === 'create' || verb === 'list' || verb === 'deletecollection' || verb === 'watch';
    const fits =
      kind.verbs.includes(verb) && (onCollection || name !== '') && !(verb === 'create' && name !== '');
    if (!fits) throw methodUnknown();
    return;
  }
  const found = kind.subresources.find((candidate) => candidate.name === subresource);
  if (found === undefined) throw unknownResource();
  // `status` answers GET and PATCH too, streams GET and POST.
  const served = found.verbs.includes(verb) || (verb === 'watch' && found.name === 'log');
  if (!served) throw methodUnknown();
}
