/** Subresources that are neither the object's own `status` nor a stream. */
import { invalid, invalidObject, notSupported, required } from '../field-error.ts';
import { cloneJson, isObject, listAt, objectAt, stringAt, type Loose } from '../json-value.ts';
import { keyOf, type Core } from '../server-core.ts';
import { badRequest, conflict, methodNotAllowed, notFound, tooManyRequests } from '../status.ts';
import type { StoredObject } from '../storage/store.ts';
import { compileLabelSelector, formatSelector, matchesSelector } from '../../../model/selectors.ts';
import { isDryRun, type Answer, type Call } from './call.ts';
import { decodeObject, dropNulls, mutableCopy } from './decode.ts';
import { deleteObject } from './delete.ts';
import { patchValue } from './patch.ts';
import { replaceObject, updateObject } from './write.ts';

function presentObject(core: Core, { kind, namespace, name }: Call): StoredObject {
  const present = core.store.get(keyOf({ kind, namespace, name }));
  if (present === undefined) throw notFound(kind, name);
  return present;
}

/** The `autoscaling/v1` Scale of a workload. */
function scaleOf(object: StoredObject): Loose {
  const { name, namespace, uid, resourceVersion, creationTimestamp } = object.metadata;
  const selector = objectAt(object, 'spec')['selector'];
  const replicas = objectAt(object, 'spec')['replicas'];
  const compiled = isObject(selector)
    ? compileLabelSelector(
        object.kind === 'ReplicationController'
          ? { matchLabels: selector as Record<string, string> }
          : selector,
      )
    : undefined;
  return {
    kind: 'Scale',
    apiVersion: 'autoscaling/v1',
    metadata: { name, namespace, uid, resourceVersion, creationTimestamp },
    spec: replicas === 0 || replicas === undefined ? {} : { replicas },
    status: {
      replicas: objectAt(object, 'status')['replicas'] ?? 0,
      ...(compiled === undefined ? {} : { selector: formatSelector(compiled) }),
    },
  };
}

const SCALE_KIND = { group: 'autoscaling', version: 'v1', kind: 'Scale' } as const;

export function getScale(core: Core, call: Call): Answer {
  return { status: 200, body: scaleOf(presentObject(core, call)) };
}

/** PUT and PATCH of `scale`. */
export function changeScale(core: Core, call: Call, verb: 'update' | 'patch'): Answer {
  const present = presentObject(core, call);
  const wanted = verb === 'update' ? decodeObject(call, SCALE_KIND) : patchScale(present, call);
  dropNulls(wanted);
  const replicas = objectAt(wanted, 'spec')['replicas'] ?? 0;
  if (typeof replicas !== 'number' || replicas < 0) {
    const error = invalid('spec.replicas', replicas, 'must be greater than or equal to 0');
    throw invalidObject(SCALE_KIND, call.name, [error]);
  }
  const { resourceVersion } = objectAt(wanted, 'metadata');
  const answer = replaceObject(core, { ...call, subresource: '', contentType: '' }, (old) => {
    const object = mutableCopy(old);
    (object['spec'] as Loose)['replicas'] = replicas;
    if (verb === 'update' && resourceVersion !== undefined)
      (object['metadata'] as Loose)['resourceVersion'] = resourceVersion;
    return object;
  });
  return { status: 200, body: scaleOf(answer.body as StoredObject) };
}

function patchScale(present: StoredObject, call: Call): Loose {
  // A Scale has no lists: a strategic merge patch is a merge patch.
  const contentType =
    call.contentType === 'application/strategic-merge-patch+json'
      ? 'application/merge-patch+json'
      : call.contentType;
  return patchValue(scaleOf(present), { ...call, contentType }, call.kind);
}

const SUCCESS = { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success' } as const;

/** POST of a Binding: gives a pod its node. */
export function bindPod(core: Core, call: Call): Answer {
  const binding = decodeObject(call, { group: '', version: 'v1', kind: 'Binding' });
  const name = call.name === '' ? stringAt(binding, 'metadata', 'name') : call.name;
  const target = objectAt(binding, 'target');
  const nodeName = stringAt(target, 'name');
  const errors = [];
  if (nodeName === '') errors.push(required('target.name'));
  if (target['kind'] !== undefined && target['kind'] !== 'Node' && target['kind'] !== '') {
    errors.push(notSupported('target.kind', target['kind'], ['Node', '<empty>']));
  }
  if (errors.length > 0) throw invalidObject({ group: '', kind: 'Binding' }, name, errors);
  const kind = core.registry.byPlural('', 'v1', 'pods');
  if (kind === undefined) throw badRequest('pods are not served');
  const pod: Call = { ...call, kind, name, subresource: 'binding' };
  const uid = stringAt(binding, 'metadata', 'uid');
  replaceObject(core, pod, (old) => {
    if (objectAt(old, 'metadata')['deletionTimestamp'] !== undefined) {
      throw conflict(kind, name, `pod ${name} is being deleted, cannot be assigned to a host`);
    }
    const assigned = stringAt(old, 'spec', 'nodeName');
    if (assigned !== '') throw conflict(kind, name, `pod ${name} is already assigned to node "${assigned}"`);
    const object = mutableCopy(old);
    const metadata = object['metadata'] as Loose;
    if (uid !== '') metadata['uid'] = uid;
    const annotations = objectAt(binding, 'metadata', 'annotations');
    if (Object.keys(annotations).length > 0)
      metadata['annotations'] = { ...objectAt(metadata, 'annotations'), ...annotations };
    (object['spec'] as Loose)['nodeName'] = nodeName;
    object['status'] = withCondition(objectAt(object, 'status'), {
      type: 'PodScheduled',
      status: 'True',
      lastProbeTime: null,
      lastTransitionTime: core.timestamp(),
    });
    return object;
  });
  return { status: 201, body: { ...SUCCESS, code: 201 } };
}

function withCondition(status: Loose, condition: Loose): Loose {
  const others = listAt(status, 'conditions').filter(
    (other) => stringAt(other, 'type') !== condition['type'],
  );
  return { ...status, conditions: [...others, condition] };
}

/** POST of an Eviction: a deletion that disruption budgets may refuse. */
export function evictPod(core: Core, call: Call): Answer {
  const eviction = decodeObject(call, { group: 'policy', version: 'v1', kind: 'Eviction' });
  const pod = presentObject(core, call);
  const finished = ['Succeeded', 'Failed'].includes(stringAt(pod, 'status', 'phase'));
  const blocking = finished ? undefined : blockingBudget(core, pod);
  if (blocking !== undefined) {
    throw tooManyRequests(`Cannot evict pod as it would violate the pod's disruption budget.`, [
      {
        reason: 'DisruptionBudget',
        message: `The disruption budget ${blocking.metadata.name} needs ${Number(objectAt(blocking, 'status')['desiredHealthy'] ?? 0)} healthy pods and has ${Number(objectAt(blocking, 'status')['currentHealthy'] ?? 0)} currently`,
      },
    ]);
  }
  const body = eviction['deleteOptions'] ?? {};
  deleteObject(core, { ...call, subresource: '', body, query: isDryRun(call) ? { dryRun: 'All' } : {} });
  return { status: 201, body: { ...SUCCESS, code: 201 } };
}

/** Budgets count only where a controller keeps their status. */
function blockingBudget({ store }: Core, pod: StoredObject): StoredObject | undefined {
  return store.list('poddisruptionbudgets.policy', pod.metadata.namespace).find((budget) => {
    const selector = compileLabelSelector(objectAt(budget, 'spec', 'selector'));
    const allowed = objectAt(budget, 'status')['disruptionsAllowed'];
    return (
      selector !== undefined &&
      matchesSelector(selector, pod.metadata.labels) &&
      typeof allowed === 'number' &&
      allowed <= 0
    );
  });
}

/** PUT of a namespace's `finalize`: only the finalizers of its spec change. */
export function finalizeNamespace(core: Core, call: Call): Answer {
  const object = decodeObject(call, call.kind);
  const finalizers = listAt(object, 'spec', 'finalizers');
  const { resourceVersion } = objectAt(object, 'metadata');
  return replaceObject(core, call, (old) => {
    const copy = mutableCopy(old);
    copy['spec'] = { ...objectAt(copy, 'spec'), finalizers: cloneJson(finalizers) };
    if (resourceVersion !== undefined) (copy['metadata'] as Loose)['resourceVersion'] = resourceVersion;
    return copy;
  });
}

/** PUT and PATCH of a pod's `ephemeralcontainers`: only they change, and only by addition. */
export function changeEphemeralContainers(core: Core, call: Call, verb: 'update' | 'patch'): Answer {
  const present = presentObject(core, call);
  const wanted =
    verb === 'update'
      ? decodeObject(call, call.kind)
      : patchValue(present as unknown as Loose, call, call.kind);
  const ephemeralContainers = cloneJson(listAt(wanted, 'spec', 'ephemeralContainers'));
  return replaceObject(core, { ...call, contentType: '' }, (old) => {
    const copy = mutableCopy(old);
    copy['spec'] = { ...objectAt(copy, 'spec'), ephemeralContainers };
    return copy;
  });
}

/** POST of a TokenRequest for a service account. */
export function requestToken(core: Core, call: Call): Answer {
  const request = decodeObject(call, { group: 'authentication.k8s.io', version: 'v1', kind: 'TokenRequest' });
  const account = presentObject(core, call);
  const spec = objectAt(request, 'spec');
  const expirationSeconds = typeof spec['expirationSeconds'] === 'number' ? spec['expirationSeconds'] : 3600;
  if (expirationSeconds < 600) {
    const error = invalid(
      'spec.expirationSeconds',
      expirationSeconds,
      'may not specify a duration less than 10 minutes',
    );
    throw invalidObject({ group: 'authentication.k8s.io', kind: 'TokenRequest' }, '', [error]);
  }
  const bound = objectAt(spec, 'boundObjectRef');
  const pod =
    stringAt(bound, 'kind') === 'Pod'
      ? { name: stringAt(bound, 'name'), uid: stringAt(bound, 'uid') }
      : undefined;
  const status = core.issueToken({
    namespace: call.namespace,
    serviceAccount: { name: call.name, uid: account.metadata.uid ?? '' },
    audiences: listAt(spec, 'audiences').map(String),
    expirationSeconds,
    ...(pod === undefined ? {} : { pod }),
  });
  const metadata = { name: call.name, namespace: call.namespace, creationTimestamp: core.timestamp() };
  return { status: 201, body: { ...request, metadata, spec: { ...spec, expirationSeconds }, status } };
}

/** Verbs on subresources: one line each. */
export function handleSubresource(core: Core, call: Call, verb: string): Answer {
  switch (`${verb} ${call.subresource}`) {
    case 'get status':
    case 'get ephemeralcontainers':
      return { status: 200, body: presentObject(core, call) };
    case 'get scale':
      return getScale(core, call);
    case 'update scale':
    case 'patch scale':
      return changeScale(core, call, verb === 'patch' ? 'patch' : 'update');
    case 'update ephemeralcontainers':
    case 'patch ephemeralcontainers':
      return changeEphemeralContainers(core, call, verb === 'patch' ? 'patch' : 'update');
    case 'update status':
      return updateObject(core, call);
    case 'update finalize':
      return finalizeNamespace(core, call);
    case 'create binding':
      return bindPod(core, call);
    case 'create eviction':
      return evictPod(core, call);
    case 'create token':
      return requestToken(core, call);
    default:
      throw methodNotAllowed(call.kind, verb);
  }
}
